import { type Static, Type as t } from "@sinclair/typebox";
import { capabilities } from "../chat/capability.ts";
import { parameterNames } from "../chat/parameters.ts";
import { operations } from "../dialects/dialect.ts";

/** The section `models`: names of the operator's own, and where their calls go. */

const targetText = t.String({
  minLength: 1,
  maxLength: 300,
  expected: "`instance/model` or the name of another alias",
});
const strategies = ["ordered", "weighted", "sticky", "least-busy", "lowest-latency", "cheapest"] as const;

const valueText = () => t.String({ minLength: 1, maxLength: 200 });
const word = (description: string) => t.Optional(t.String({ minLength: 1, maxLength: 64, description }));
const amount = (minimum: number, maximum: number) => t.Optional(t.Number({ minimum, maximum }));

const DefaultsSchema = t.Object(
  {
    temperature: amount(0, 2),
    topP: amount(0, 1),
    topK: t.Optional(t.Integer({ minimum: 0, maximum: 1_000_000 })),
    frequencyPenalty: amount(-2, 2),
    presencePenalty: amount(-2, 2),
    seed: t.Optional(t.Integer()),
    stop: t.Optional(t.Array(t.String({ minLength: 1, maxLength: 1_000 }), { minItems: 1, maxItems: 16 })),
    reasoning: t.Optional(
      t.Object(
        {
          effort: word("`none`, `minimal`, `low`, `medium`, `high`, or the vendor's own word."),
          budgetTokens: t.Optional(t.Integer({ minimum: -1, maximum: 1_000_000, description: "0: off." })),
        },
        { additionalProperties: false, minProperties: 1 },
      ),
    ),
    verbosity: word("`low`, `medium`, `high`."),
    serviceTier: word("As OpenAI calls it: `flex`, `priority`."),
    maxOutputTokens: t.Optional(t.Integer({ minimum: 1, maximum: 10_000_000 })),
  },
  {
    additionalProperties: false,
    minProperties: 1,
    description:
      "Settings for calls that do not say them, by these names whatever protocol the call is in. One that is also in `drop` holds for all calls.",
  },
);

const parameterFields = {
  drop: t.Optional(
    t.Array(
      t.Union(
        parameterNames.map((name) => t.Literal(name)),
        { description: "Not `maxOutputTokens`: budgets hold by it." },
      ),
      {
        minItems: 1,
        maxItems: parameterNames.length,
        description: "Settings that the target is not sent, whoever asks for them; the answer carries a warning.",
      },
    ),
  ),
  defaults: t.Optional(DefaultsSchema),
};

const texts = t.Union([valueText(), t.Array(valueText(), { minItems: 1, maxItems: 100 })], {
  expected: "a text or a list of texts, `*` for any part of one",
});
const kinds = (description: string) =>
  t.Optional(
    t.Array(t.Union(capabilities.map((name) => t.Literal(name))), {
      minItems: 1,
      maxItems: capabilities.length,
      description,
    }),
  );

const WhenSchema = t.Object(
  {
    account: t.Optional(
      t.Record(t.String({ pattern: "^[A-Za-z0-9_.-]{1,64}$" }), texts, {
        additionalProperties: false,
        minProperties: 1,
        expectedName: "metadata of an account",
        description:
          "Metadata of the caller's account or of one above it, but none that people of an account set; of several that have the name the topmost counts.",
      }),
    ),
    headers: t.Optional(
      t.Record(t.String({ pattern: "^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}$" }), texts, {
        additionalProperties: false,
        minProperties: 1,
        expectedName: "a header",
        description: "Headers of the call; not those with credentials.",
      }),
    ),
    operations: t.Optional(
      t.Array(t.Union(operations.map((name) => t.Literal(name))), { minItems: 1, maxItems: operations.length }),
    ),
    content: t.Optional(
      t.Object(
        { with: kinds("All of these are asked for."), without: kinds("None of these is.") },
        { additionalProperties: false, minProperties: 1 },
      ),
    ),
    tokens: t.Optional(
      t.Object(
        {
          above: t.Optional(t.Integer({ minimum: 0, maximum: 1_000_000_000 })),
          upTo: t.Optional(t.Integer({ minimum: 1, maximum: 1_000_000_000 })),
        },
        { additionalProperties: false, minProperties: 1, description: "Likely tokens of the input, four bytes each." },
      ),
    ),
  },
  {
    additionalProperties: false,
    minProperties: 1,
    description: "Which calls the target is there for: all of this must hold, and of several values one.",
  },
);

const percent = t.Number({ minimum: 0, maximum: 100 });
const CanarySchema = t.Union(
  [
    percent,
    t.Object(
      {
        percent,
        by: t.Optional(t.Union([t.Literal("caller"), t.Literal("conversation")], { default: "caller" })),
      },
      { additionalProperties: false },
    ),
  ],
  {
    expected: "a percentage from 0 to 100, or `{ percent, by }`",
    description:
      "Share of the callers, or of the conversations, for whom the target goes first; it is there for nobody else. The same ones as long as the share is the same, and more of them when it grows.",
  },
);

const AliasTargetSchema = t.Object(
  {
    target: targetText,
    weight: t.Optional(t.Number({ minimum: 0, maximum: 1_000_000, default: 1, description: "Share of the calls." })),
    when: t.Optional(WhenSchema),
    canary: t.Optional(CanarySchema),
    ...parameterFields,
  },
  { additionalProperties: false },
);
export type AliasTargetEntry = Static<typeof AliasTargetSchema>;

const ShadowSchema = t.Object(
  {
    target: t.String({ minLength: 1, maxLength: 300, expected: "`instance/model`" }),
    percent: t.Optional(
      t.Number({ minimum: 0, maximum: 100, default: 100, description: "Of the calls, drawn for each of them." }),
    ),
    maxInFlight: t.Optional(
      t.Integer({
        minimum: 1,
        maximum: 1_000,
        default: 10,
        description: "Copies on their way at once; more are not sent.",
      }),
    ),
    account: t.Optional(
      t.String({
        minLength: 1,
        maxLength: 100,
        description:
          "Id, name or path (`Org/Team`) of the account that pays for the copies. Default: nobody does, and no budget counts them.",
      }),
    ),
    ...parameterFields,
  },
  {
    additionalProperties: false,
    description: "A second target that gets a copy of calls, when the client has its answer. Chat only.",
  },
);

export type AliasEntry = Static<typeof AliasSchema>;
export const AliasSchema = t.Union([
  t.Array(targetText, { minItems: 1 }),
  t.Object(
    {
      strategy: t.Optional(
        t.Union(
          strategies.map((name) => t.Literal(name)),
          {
            default: "ordered",
            description:
              "Which target is asked first; the others are there to fall back on. `ordered`: as listed. `weighted`: by chance, in proportion. `sticky`: the same one for the same conversation, shared out by weight. `least-busy`: with the fewest calls. `lowest-latency`: the quicker to its first byte of two by chance. `cheapest`: by the price of a call like this one.",
          },
        ),
      ),
      targets: t.Array(t.Union([targetText, AliasTargetSchema]), { minItems: 1 }),
      shadow: t.Optional(ShadowSchema),
    },
    { additionalProperties: false },
  ),
]);
