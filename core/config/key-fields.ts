import { Type as t } from "@sinclair/typebox";
import { operations } from "../dialects/dialect.ts";
import { limitOptions } from "../plugin/plugin.ts";

/** What a key may do, as a schema: of the config file and of the API. */
export const keyFields = {
  models: t.Array(t.String({ minLength: 1, maxLength: 256 }), {
    minItems: 1,
    maxItems: 1_000,
    description:
      "Models it may call: names as clients write them, or `instance/model`; `*` stands for any part of one. An alias that is named brings its targets along. Absent: all.",
  }),
  operations: t.Array(
    t.Union(
      operations.map((each) => t.Literal(each)),
      { expected: operations.join(", ") },
    ),
    { minItems: 1, uniqueItems: true, description: "What it may ask for. Absent: everything." },
  ),
  routes: t.Array(t.String({ pattern: "^/[!-~]*$", maxLength: 256, expected: "a path, `*` for any part of it" }), {
    minItems: 1,
    maxItems: 100,
    description: "Paths it may call, e.g. `/v1/messages` or `/v1beta/*`. Absent: every one.",
  }),
  cidrs: t.Array(t.String({ maxLength: 64 }), {
    maxItems: 100,
    description: "Networks it may be used from, e.g. `10.0.0.0/8`. Empty or absent: everywhere.",
  }),
  metadata: t.Record(t.String({ pattern: "^[A-Za-z0-9_.-]{1,64}$" }), t.String({ maxLength: 500 }), {
    additionalProperties: false,
    maxProperties: 50,
    expectedName: "a name of at most 64 letters, digits, `_`, `.` and `-`",
    description: "Texts of your own, e.g. an owner or a ticket.",
  }),
};
export const sha256 = t.String({
  pattern: "^[0-9a-f]{64}$",
  expected: "a SHA-256 as 64 hexadecimal digits in lower case",
  description:
    "Of a key that was made elsewhere and goes on working here; the key itself is never asked for. A hash shows no length: give only those of long random keys.",
});

/** A key in the config file: its name is the key of its entry. */
export const DeclaredKeySchema = t.Object(
  {
    key: t.Optional(
      t.String({
        minLength: 20,
        maxLength: 500,
        pattern: "^[!-~]+$",
        expected: "20 to 500 printable characters, as ${CI_KEY}",
        description: "The key itself, from the environment or a secret file. Only its hash is kept.",
      }),
    ),
    sha256: t.Optional(sha256),
    account: t.Optional(
      t.String({
        minLength: 1,
        maxLength: 100,
        description: "Id, name or path (`Org/Team`) of who pays. Default: `default`.",
      }),
    ),
    models: t.Optional(keyFields.models),
    operations: t.Optional(keyFields.operations),
    routes: t.Optional(keyFields.routes),
    cidrs: t.Optional(keyFields.cidrs),
    metadata: t.Optional(keyFields.metadata),
    expiresAt: t.Optional(
      t.String({
        pattern: "^\\d{4}-\\d{2}-\\d{2}(T\\d{2}:\\d{2}(:\\d{2})?Z)?$",
        expected: "a date or time of UTC, as 2027-01-31 or 2027-01-31T18:00Z",
        description: "When it ends, e.g. `2027-01-31T18:00Z`. Default: never.",
      }),
    ),
    limits: t.Optional(t.Object(limitOptions, { additionalProperties: false, description: "Limits of its own." })),
  },
  { additionalProperties: false },
);
