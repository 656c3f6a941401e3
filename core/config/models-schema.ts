import { type Static, Type as t } from "@sinclair/typebox";
import { parameterNames } from "../chat/parameters.ts";

/** The section `models`: names of the operator's own, and where their calls go. */

const targetText = t.String({
  minLength: 1,
  maxLength: 300,
  expected: "`instance/model` or the name of another alias",
});
const strategies = ["ordered", "weighted", "sticky", "least-busy", "lowest-latency", "cheapest"] as const;

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

const AliasTargetSchema = t.Object(
  {
    target: targetText,
    weight: t.Optional(t.Number({ minimum: 0, maximum: 1_000_000, default: 1, description: "Share of the calls." })),
    ...parameterFields,
  },
  { additionalProperties: false },
);
export type AliasTargetEntry = Static<typeof AliasTargetSchema>;

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
    },
    { additionalProperties: false },
  ),
]);
