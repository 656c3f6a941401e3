import { Type as t } from "@sinclair/typebox";

/** What becomes of prompts and answers where they are kept. */
export const ContentSchema = t.Object(
  {
    maxBytes: t.Integer({
      minimum: 1_024,
      maximum: 4_194_304,
      default: 65_536,
      description: "Of a prompt, and of an answer, what is kept; the rest is cut.",
    }),
    maxTotalBytes: t.Integer({
      minimum: 1_048_576,
      default: 1_073_741_824,
      description: "Of all content together, as it is stored; the oldest makes place.",
    }),
    ttlMs: t.Integer({
      minimum: 60_000,
      maximum: 3_650 * 86_400_000,
      default: 7 * 86_400_000,
      description: "How long content is kept.",
    }),
    redact: t.Array(
      t.Object(
        {
          name: t.String({
            pattern: "^[a-z][a-z0-9-]{0,39}$",
            expected: "up to 40 small letters, digits and hyphens",
            description: "Stands in the mark that a match leaves.",
          }),
          pattern: t.String({
            minLength: 1,
            maxLength: 500,
            description: "By RE2's rules; one that takes more than 50 ms for 50,000 characters is refused.",
          }),
        },
        { additionalProperties: false },
      ),
      {
        maxItems: 20,
        default: [],
        description:
          "`{ name, pattern }`, by RE2's rules: what is taken out of content besides credentials, e-mail addresses, cards and IBANs.",
      },
    ),
  },
  {
    additionalProperties: false,
    default: {},
    description: "Prompts and answers, which are kept only of keys and accounts that say so.",
  },
);
