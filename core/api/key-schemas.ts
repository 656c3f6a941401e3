import { Type as t } from "@sinclair/typebox";
import { operations } from "../dialects/dialect.ts";
import { closed, keyContent, label, LimitsSchema, UsdSchema, WindowSchema } from "./schemas.ts";

const name = label("Shown in lists and records.");
const models = t.Array(t.String({ minLength: 1, maxLength: 256 }), {
  minItems: 1,
  maxItems: 1_000,
  description:
    "Models it may call: names as clients write them, or `instance/model`; `*` stands for any part of one. An alias that is named brings its targets along. Absent: all.",
});
const operationList = t.Array(
  t.Union(
    operations.map((each) => t.Literal(each)),
    { expected: operations.join(", ") },
  ),
  { minItems: 1, uniqueItems: true, description: "What it may ask for. Absent: everything." },
);
const routes = t.Array(t.String({ pattern: "^/[!-~]*$", maxLength: 256, expected: "a path, `*` for any part of it" }), {
  minItems: 1,
  maxItems: 100,
  description: "Paths it may call, e.g. `/v1/messages` or `/v1beta/*`. Absent: every one.",
});
const cidrs = t.Array(t.String({ maxLength: 64 }), {
  maxItems: 100,
  description: "Networks it may be used from, e.g. `10.0.0.0/8`. Empty or absent: everywhere.",
});
const metadata = t.Record(t.String({ pattern: "^[A-Za-z0-9_.-]{1,64}$" }), t.String({ maxLength: 500 }), {
  additionalProperties: false,
  maxProperties: 50,
  expectedName: "a name of at most 64 letters, digits, `_`, `.` and `-`",
  description: "Texts of your own, e.g. an owner or a ticket.",
});
const expiresAt = t.Integer({ minimum: 0, maximum: 8_640_000_000_000_000, description: "Epoch milliseconds." });
const sha256 = t.String({
  pattern: "^[0-9a-f]{64}$",
  expected: "a SHA-256 as 64 hexadecimal digits in lower case",
  description: "Of a key that was made elsewhere and goes on working here; the key itself is never asked for.",
});
const shown = (description: string, maxLength: number) =>
  t.String({ pattern: `^[!-~]{1,${maxLength}}$`, expected: `1 to ${maxLength} printable characters`, description });

export const NewKeySchema = t.Object(
  {
    name,
    accountId: t.Optional(t.String({ minLength: 1, maxLength: 64, description: "Who pays; default `default`." })),
    models: t.Optional(models),
    operations: t.Optional(operationList),
    routes: t.Optional(routes),
    expiresAt: t.Optional(expiresAt),
    cidrs: t.Optional(cidrs),
    metadata: t.Optional(metadata),
    budget: t.Optional(
      t.Object({ usd: UsdSchema, window: WindowSchema }, { ...closed, description: "A budget of its own." }),
    ),
    limits: t.Optional(LimitsSchema),
    content: keyContent,
    sha256: t.Optional(sha256),
    prefix: t.Optional(shown("With `sha256`: how it begins, as lists show it.", 24)),
    last4: t.Optional(shown("With `sha256`: how it ends, as lists show it.", 4)),
  },
  closed,
);

const orNull = <S extends Parameters<typeof t.Union>[0][number]>(schema: S, meaning: string) =>
  t.Optional(t.Union([schema, t.Null()], { description: `\`null\`: ${meaning}.` }));

export const KeyChangeSchema = t.Object(
  {
    name: t.Optional(name),
    models: orNull(models, "all"),
    operations: orNull(operationList, "everything"),
    routes: orNull(routes, "every one"),
    expiresAt: orNull(expiresAt, "never"),
    cidrs: t.Optional(cidrs),
    metadata: t.Optional(metadata),
    limits: orNull(LimitsSchema, "none"),
    content: keyContent,
    disabled: t.Optional(t.Boolean({ description: "Refused from now on, until it is enabled again." })),
  },
  { ...closed, minProperties: 1 },
);

export const RotationSchema = t.Object(
  {
    graceSeconds: t.Integer({
      minimum: 0,
      maximum: 2_592_000,
      default: 0,
      description: "How long the secrets until now go on working beside the new one; 0: not at all.",
    }),
  },
  closed,
);
