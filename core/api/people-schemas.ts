import { Type as t } from "@sinclair/typebox";
import { roles } from "../identity/policy.ts";
import { addressForm } from "../identity/sign-in.ts";
import { closed, label } from "./schemas.ts";

const expected = (what: string, description = "") => ({ expected: what, ...(description && { description }) });

const email = t.String({
  minLength: 3,
  maxLength: 254,
  pattern: addressForm,
  ...expected("an e-mail address", "With which they sign in, in any case; nobody else's."),
});
const name = label("Shown in lists and records.");
const role = t.Union(
  roles.map((one) => t.Literal(one)),
  expected("owner, admin, viewer or member", "Never above one's own."),
);
const accountId = t.Union(
  [t.String({ minLength: 1, maxLength: 64 }), t.Null()],
  expected("the id of an account, or null", "They see it and what is below it; `null`: everything."),
);
const password = t.String({ maxLength: 1_000, ...expected("a text") });
const expiresAt = t.Optional(
  t.Integer({ minimum: 0, maximum: 8_640_000_000_000_000, description: "Epoch milliseconds. Absent: never." }),
);

export const NewPersonSchema = t.Object(
  {
    kind: t.Optional(
      t.Union([t.Literal("person"), t.Literal("service")], {
        ...expected("person or service", "A service does not sign in and only holds tokens. Default `person`."),
      }),
    ),
    email: t.Optional(email),
    name,
    role,
    accountId: t.Optional(accountId),
  },
  closed,
);
export const PersonChangeSchema = t.Object(
  { email: t.Optional(email), name: t.Optional(name), role: t.Optional(role), accountId: t.Optional(accountId) },
  { ...closed, minProperties: 1 },
);
export const IssuerSchema = t.Object(
  { issuer: t.String({ minLength: 1, maxLength: 1_000, description: "Its address, as the person has it." }) },
  closed,
);
export const NewTokenSchema = t.Object({ name, expiresAt }, closed);
export const OwnNameSchema = t.Object({ name }, closed);
export const OwnPasswordSchema = t.Object({ current: password, password }, closed);
export const PasswordAgainSchema = t.Object({ password }, closed);
export const TotpSchema = t.Object(
  {
    enrolment: t.String({ maxLength: 1_000, description: "As it came with the secret." }),
    code: t.String({ maxLength: 32, description: "What the app shows." }),
  },
  closed,
);
