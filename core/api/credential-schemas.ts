import { Type as t } from "@sinclair/typebox";

const fields = {
  apiKey: t.String({
    minLength: 1,
    maxLength: 4_096,
    // RFC 9110 §5.5, without spaces: no vendor's key has one, and a pasted line may.
    pattern: "^[\\x21-\\x7e]+$",
    expected: "a key without spaces",
    writeOnly: true,
    description: "As the vendor gave it. It is stored encrypted, and never shown again.",
  }),
  name: t.String({ minLength: 1, maxLength: 200, description: "To tell it from others." }),
  weight: t.Integer({
    minimum: 1,
    maximum: 1_000,
    description: "How often it is used, against the others of its provider.",
  }),
};
export const NewCredentialSchema = t.Object(
  { apiKey: fields.apiKey, name: t.Optional(fields.name), weight: t.Optional(fields.weight) },
  { additionalProperties: false },
);
export const CredentialChangeSchema = t.Object(
  {
    ...t.Partial(t.Object(fields)).properties,
    enabled: t.Optional(t.Boolean({ description: "`false`: kept, and not used." })),
  },
  { additionalProperties: false, minProperties: 1 },
);
