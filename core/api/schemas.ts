import { Type as t } from "@sinclair/typebox";
import { keyFields } from "../config/key-fields.ts";
import { limitOptions } from "../plugin/plugin.ts";
import type { BudgetWindow } from "../storage/budget.ts";

export const closed = { additionalProperties: false };
/** Of a route without any: one that is given is a mistake there too. */
export const NoQuerySchema = t.Object({}, closed);

export const pageQuery = {
  after: t.Optional(t.String({ maxLength: 64, description: "`next` of the page before." })),
  limit: t.Optional(t.Integer({ minimum: 1, maximum: 200, description: "Rows a page; default 50." })),
};
export const millis = (description: string) =>
  t.Optional(
    t.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER, description: `${description} Epoch milliseconds.` }),
  );
export const name = (description: string) => t.Optional(t.String({ minLength: 1, maxLength: 256, description }));
/** A text that people see and click on. */
export const label = (description: string, maxLength = 100) =>
  t.String({
    minLength: 1,
    maxLength,
    pattern: `^(?=[\\s\\S]*[^${unseen}])(?:[^${controls}\\ud800-\\udfff]|[\\ud800-\\udbff][\\udc00-\\udfff])+$`,
    expected: `1 to ${maxLength} characters, not only blanks, and none of them a control character`,
    description,
  });
const controls = "\\u0000-\\u001f\\u007f";
/** Spaces, and what Unicode lets nobody see: its default ignorables, and letters that are blank. */
const unseen =
  "\\s\\u00ad\\u034f\\u061c\\u115f\\u1160\\u17b4\\u17b5\\u180b-\\u180f\\u200b-\\u200f\\u202a-\\u202e\\u2060-\\u206f\\u2800\\u3164\\ufe00-\\ufe0f\\uffa0";

export const UsdSchema = t.Union([t.Number(), t.String({ maxLength: 32 })], {
  expected: "an amount in USD",
  description: "USD above 0, with at most 9 decimals; a decimal string keeps every digit.",
});
export const WindowSchema = t.Unsafe<BudgetWindow>(
  t.String({
    pattern: "^(day|week|month|lifetime|[1-9][0-9]{0,2}h)$",
    expected: "day, week, month, lifetime, or hours as 5h",
    description:
      "A day, week (from Monday) or month of the calendar, after which the budget starts anew; `5h`: the last five hours at any moment, 1h to 999h; `lifetime` never starts anew.",
  }),
);
const onShortfall = t.Optional(
  t.Union([t.Literal("cap"), t.Literal("refuse")], {
    expected: "cap or refuse",
    description:
      "A call whose worst case does not fit: lower the cap on its output to what fits (default), or refuse it.",
  }),
);
const admission = t.Optional(
  t.Union([t.Literal("bound"), t.Literal("expected")], {
    expected: "bound or expected",
    description:
      "What a call holds: the most it may cost (default), which is never passed, or what it will probably cost at its dearest target, which may be passed by the rest.",
  }),
);
const alertPercents = t.Optional(
  t.Array(t.Integer({ minimum: 1, maximum: 200 }), {
    maxItems: 10,
    uniqueItems: true,
    expected: "up to 10 different whole numbers of percent, 1 to 200",
    description:
      "Percents of the limit that are told to receivers of alerts when so much is spent, each once a window; default 80 and 100, an empty list for none.",
  }),
);
const IncreaseSchema = t.Object(
  {
    usd: UsdSchema,
    until: t.Integer({ minimum: 0, maximum: 8_640_000_000_000_000, description: "Epoch milliseconds." }),
  },
  { ...closed, description: "More than the limit, for calls that start before `until`." },
);
export const LimitsSchema = t.Object(limitOptions, { ...closed, description: "Absent: no limit." });
const contentOf = (settings: readonly ("on" | "off" | "forbid")[], description: string) =>
  t.Optional(
    t.Union([...settings.map((setting) => t.Literal(setting)), t.Null()], {
      expected: `${settings.join(", ")} or null`,
      description,
    }),
  );
export const keyContent = contentOf(
  ["on", "off"],
  "Whether prompts and answers of its calls are kept, redacted and for a while; `null`: as its account says.",
);
const accountContent = contentOf(
  ["on", "off", "forbid"],
  "Whether prompts and answers are kept of keys and accounts below it that say nothing; `null`: as the one above it. `forbid`: of none, whatever they say.",
);
const parentId = t.Optional(
  t.Union([t.String({ minLength: 1, maxLength: 64 }), t.Null()], {
    expected: "the id of an account, or null",
    description: "The account it is right under; `null`: none.",
  }),
);
const orNull = <S extends Parameters<typeof t.Union>[0][number]>(schema: S, description: string) =>
  t.Optional(t.Union([schema, t.Null()], { description }));
/** What binds the calls of an account and of all below it. */
const accountTerms = {
  models: orNull(
    keyFields.models,
    "Models that its calls, and those of accounts below it, may use: names as clients write them, or `instance/model`; `*` stands for any part of one. `null`: all.",
  ),
  providers: orNull(
    t.Array(t.String({ minLength: 1, maxLength: 256 }), { minItems: 1, maxItems: 1_000 }),
    "Instances that they may be sent to; `*` stands for any part of a name. `null`: all.",
  ),
  operations: orNull(keyFields.operations, "What they may ask for. `null`: everything."),
  uncappedOutputTokens: orNull(
    t.Integer({ minimum: 1, maximum: 10_000_000 }),
    "The cap on the output of a call that sets none itself, where a budget holds for it; the least up the tree counts. `null`: as `billing` says.",
  ),
  keyRotation: t.Optional(t.Boolean({ description: "Whether its keys, and those below, may rotate themselves." })),
  metadata: t.Optional(keyFields.metadata),
};
export const NewAccountSchema = t.Object(
  { name: label("Shown in lists and reports."), parentId, content: accountContent, ...accountTerms },
  closed,
);
export const AccountChangeSchema = t.Object(
  {
    name: t.Optional(label("Shown in lists and reports.")),
    parentId,
    content: accountContent,
    ...accountTerms,
    disabled: t.Optional(
      t.Boolean({ description: "Whether calls on it, and on all accounts below it, are refused with 403." }),
    ),
  },
  { ...closed, minProperties: 1 },
);
export const AccountsQuerySchema = t.Object(
  { ...pageQuery, parentId: name("Only accounts right under this one; `none`: only those without a parent.") },
  closed,
);
export const NewBudgetSchema = t.Object(
  {
    scope: t.Object(
      {
        kind: t.Union(
          [t.Literal("key"), t.Literal("account"), t.Literal("model"), t.Literal("provider"), t.Literal("global")],
          { expected: "key, account, model, provider or global" },
        ),
        id: t.Optional(
          t.String({
            minLength: 1,
            maxLength: 256,
            description: "Id of the key or account, name of the model or provider; not for `global`.",
          }),
        ),
      },
      { ...closed, description: "Which calls it counts." },
    ),
    usd: UsdSchema,
    window: WindowSchema,
    timeZone: t.Optional(
      t.String({
        minLength: 1,
        maxLength: 64,
        description: "IANA name of whose days, weeks and months, e.g. `Europe/Berlin`; default UTC.",
      }),
    ),
    onShortfall,
    admission,
    alertPercents,
    increase: t.Optional(IncreaseSchema),
  },
  closed,
);
export const BudgetChangeSchema = t.Object(
  {
    usd: t.Optional(UsdSchema),
    onShortfall,
    admission,
    alertPercents,
    increase: t.Optional(
      t.Union([IncreaseSchema, t.Null()], { expected: "an increase, or null", description: "`null` ends it." }),
    ),
  },
  { ...closed, minProperties: 1 },
);

export const NewCreditSchema = t.Object(
  {
    accountId: t.String({ minLength: 1, maxLength: 64, description: "Whose balance." }),
    usd: UsdSchema,
    expiresAt: t.Optional(
      t.Integer({
        minimum: 0,
        maximum: 8_640_000_000_000_000,
        description: "Epoch milliseconds; what is not used by then is taken out again. Absent: never.",
      }),
    ),
    note: t.Optional(label("Shown with the entry, e.g. an invoice's number.")),
  },
  closed,
);
const under = (what: string) => name(`Only ${what} of this account and of those below it now.`);
const entryFilter = {
  account: name("Account id."),
  under: under("entries"),
  kind: t.Optional(
    t.Union([t.Literal("charge"), t.Literal("adjustment"), t.Literal("credit"), t.Literal("expiry")], {
      expected: "charge, adjustment, credit or expiry",
    }),
  ),
};
export const EntriesQuerySchema = t.Object({ ...pageQuery, ...entryFilter }, closed);

export const EstimatesQuerySchema = t.Object(
  {
    ...pageQuery,
    after: t.Optional(t.String({ maxLength: 1_000, description: "`next` of the page before." })),
    provider: name("Instance name."),
    model: name("As the provider names it."),
  },
  closed,
);
export const PageQuerySchema = t.Object(pageQuery, closed);
export const BalancesQuerySchema = t.Object({ ...pageQuery, under: under("balances") }, closed);
export const BudgetsQuerySchema = t.Object(
  {
    ...pageQuery,
    scopeKind: name("Only budgets of this kind of scope, with `scopeId`."),
    scopeId: name("Only budgets of this scope."),
  },
  closed,
);
const endedStatuses = ["ok", "client_aborted", "upstream_error", "refused", "interrupted", "shutdown"];
const callFilter = (statuses: readonly string[], expected: string) => ({
  key: name("Key id."),
  account: name("Account id."),
  under: under("calls"),
  model: name("As the client asked for it."),
  provider: name("Instance name."),
  status: t.Optional(
    t.Union(
      statuses.map((status) => t.Literal(status)),
      { expected },
    ),
  ),
  from: millis("Admitted at or after."),
  to: millis("Admitted before."),
});
export const CallsQuerySchema = t.Object(
  { ...pageQuery, ...callFilter(["open", ...endedStatuses], "a status of a call") },
  closed,
);
const { model, status, from, to } = callFilter(["open", ...endedStatuses], "a status of a call");
export const OwnCallsQuerySchema = t.Object({ ...pageQuery, model, status, from, to }, closed);
const usageField = "(key|account|model|provider|status|day|hour|label:[A-Za-z0-9_.-]{1,64})";
const usageRange = {
  from: millis("Admitted at or after; default 0."),
  to: millis("Admitted before; default now."),
  under: under("calls"),
  groupBy: t.Optional(
    t.String({
      pattern: `^${usageField}(,${usageField})*$`,
      maxLength: 300,
      expected: "names out of key, account, model, provider, status, day, hour, label:NAME, with commas between",
      description:
        "Fields to group by, with commas between: key, account, model, provider, status, day, hour, `label:NAME`. The last is of the labels that callers came with, or else of the metadata of their key.",
    }),
  ),
};
export const UsageQuerySchema = t.Object(usageRange, closed);
export const OwnGroupedUsageSchema = t.Object(
  {
    from: usageRange.from,
    to: usageRange.to,
    groupBy: t.Optional(
      t.String({
        pattern: "^(model|provider|status|day|hour)(,(model|provider|status|day|hour))*$",
        maxLength: 100,
        expected: "names out of model, provider, status, day, hour, with commas between",
        description: "Fields to group by, with commas between: model, provider, status, day, hour.",
      }),
    ),
  },
  closed,
);
export const OwnUsageQuerySchema = t.Object({ from: usageRange.from, to: usageRange.to }, closed);

export const exportFormat = {
  format: t.Optional(
    t.Union([t.Literal("csv"), t.Literal("jsonl")], {
      expected: "csv or jsonl",
      description: "A table with a header line (default), or an object a line.",
    }),
  ),
};
export const CallsExportSchema = t.Object(
  { ...exportFormat, ...callFilter(endedStatuses, "a status of a call that has ended") },
  closed,
);
export const EntriesExportSchema = t.Object({ ...exportFormat, ...entryFilter }, closed);
export const UsageExportSchema = t.Object({ ...exportFormat, ...usageRange }, closed);
