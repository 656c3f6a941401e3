import { Type as t } from "@sinclair/typebox";
import { decimal, priceFields, priceTarget } from "../config/schema.ts";
import { closed, label } from "./schemas.ts";

const pageQuery = {
  after: t.Optional(t.String({ maxLength: 1_000, description: "`next` of the page before." })),
  limit: t.Optional(t.Integer({ minimum: 1, maximum: 200, description: "Rows a page; default 50." })),
};
const effectiveFrom = t.Optional(
  t.Integer({
    minimum: 0,
    maximum: 8_640_000_000_000_000,
    description: "Epoch milliseconds, after now. Absent: from now on.",
  }),
);
const withdraw = (description: string) => t.Optional(t.Literal(true, { description }));

export const NewPriceSchema = t.Object(
  {
    target: priceTarget,
    ...t.Partial(t.Object(priceFields)).properties,
    effectiveFrom,
    withdraw: withdraw(
      "In place of prices: the target has none here any more, and those of the file or the book hold.",
    ),
  },
  closed,
);
export const NewTermsSchema = t.Object(
  {
    account: t.Optional(
      t.String({ minLength: 1, maxLength: 64, description: "The account and all below it. Absent: everybody." }),
    ),
    target: t.Optional(
      t.String({
        minLength: 1,
        maxLength: 300,
        pattern: "^[^\\s*]*\\*?$",
        expected: "`instance/model`, or a beginning and `*`",
        description: "`instance/model`; `*` at the end matches any rest. Absent: everything.",
      }),
    ),
    margin: t.Optional(decimal("Percent on top of the cost.")),
    discount: t.Optional(decimal("Percent off, at most 100.")),
    fee: t.Optional(decimal("USD per call that used something.")),
    effectiveFrom,
    withdraw: withdraw("In place of terms: those of the file hold again."),
  },
  closed,
);

export const PricesQuerySchema = t.Object(
  {
    ...pageQuery,
    search: t.Optional(t.String({ maxLength: 256, description: "Part of a target or model's name, in any case." })),
    target: t.Optional(t.String({ maxLength: 300, description: "Only rows that mean this `instance/model`." })),
    source: t.Optional(
      t.Union([t.Literal("bundled"), t.Literal("config"), t.Literal("database")], {
        expected: "bundled, config or database",
        description: "Where the price is from: the bundled data, the file's `prices:`, or the API and the dashboard.",
      }),
    ),
  },
  closed,
);
export const ModelsQuerySchema = t.Object(
  {
    ...pageQuery,
    kind: t.Optional(
      t.Union([t.Literal("alias"), t.Literal("model")], { expected: "alias or model", description: "Only these." }),
    ),
    provider: t.Optional(t.String({ minLength: 1, maxLength: 256, description: "Only models of this instance." })),
    search: t.Optional(t.String({ maxLength: 256, description: "Part of a name, in any case." })),
  },
  closed,
);
export const PagedQuerySchema = t.Object(pageQuery, closed);

const time = (description: string) =>
  t.Integer({ minimum: 0, maximum: 8_640_000_000_000_000, description: `${description} Epoch milliseconds.` });
export const RepriceSchema = t.Object(
  {
    from: time("Calls admitted at or after."),
    to: t.Optional(time("Calls admitted before; default now.")),
    model: t.Optional(
      t.String({
        minLength: 1,
        maxLength: 300,
        description: "As asked for, as `instance/model`, or as the provider names it. Absent: all.",
      }),
    ),
    dryRun: t.Optional(t.Boolean({ default: false, description: "Only say what would change." })),
    reason: t.Optional(label("Kept with each adjustment.", 200)),
    author: t.Optional(label("Kept with each adjustment.", 200)),
    after: t.Optional(t.String({ maxLength: 64, description: "`next` of the answer before." })),
    pid: t.Optional(
      t.Integer({ minimum: 1, description: "Of the process that is meant: another one refuses, and changes nothing." }),
    ),
  },
  closed,
);
