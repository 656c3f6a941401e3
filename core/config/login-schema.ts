import { Type as t } from "@sinclair/typebox";

const closed = { additionalProperties: false } as const;
const claim = (value: string, description: string) =>
  t.String({ minLength: 1, maxLength: 200, default: value, description });

/** Which people of an issuer may do what. */
const MappedRoleSchema = t.Object(
  {
    group: t.Optional(
      t.String({
        minLength: 1,
        maxLength: 300,
        description: "As it stands in the claim of groups. Absent: everybody of the issuer, who then needs `domains`.",
      }),
    ),
    role: t.Union([t.Literal("owner"), t.Literal("admin"), t.Literal("viewer"), t.Literal("member")], {
      expected: "owner, admin, viewer or member",
    }),
    account: t.Optional(
      t.String({
        minLength: 1,
        maxLength: 100,
        description:
          "Id, name or path (`Org/Team`) of the account whose part of the tree they see. Absent: everything.",
      }),
    ),
  },
  closed,
);

export const LoginIssuerSchema = t.Object(
  {
    issuer: t.String({
      pattern: "^https?://[^?#\\s@]+$",
      maxLength: 2_000,
      expected: "a URL that starts with https://, without credentials, query or fragment",
      description: "As its discovery document names itself. Plain http only on this machine.",
    }),
    clientId: t.String({ minLength: 1, maxLength: 500, description: "Of the client that the issuer knows us as." }),
    clientSecret: t.Optional(
      t.String({
        minLength: 1,
        maxLength: 5_000,
        writeOnly: true,
        description: "Its secret. Absent: a public client, which has PKCE alone.",
      }),
    ),
    clientAuth: t.Union([t.Literal("post"), t.Literal("basic")], {
      default: "post",
      expected: "post or basic",
      description: "How the secret is sent: `client_secret_post` or `client_secret_basic`.",
    }),
    label: t.Optional(
      t.String({
        minLength: 1,
        maxLength: 60,
        description: "On the button of the login. Default: the issuer's name here.",
      }),
    ),
    scopes: t.Array(t.String({ pattern: "^[\\x21\\x23-\\x5b\\x5d-\\x7e]+$", expected: "a scope" }), {
      minItems: 1,
      maxItems: 50,
      default: ["openid", "email", "profile"],
      description: "What is asked for; `openid` always.",
    }),
    claims: t.Object(
      {
        email: claim("email", "Claim with the e-mail address."),
        emailVerified: claim(
          "email_verified",
          "Claim that says that the issuer has checked the address. Only such an address links to a person, or makes one.",
        ),
        name: claim("name", "Claim with the name of somebody new."),
        groups: claim("groups", "Claim with the groups, a list or one text; `a.b` is `b` inside `a`."),
      },
      { ...closed, default: {} },
    ),
    roles: t.Array(MappedRoleSchema, {
      minItems: 1,
      maxItems: 1_000,
      description:
        "Which group has which role, `{ group, role, account }`; the first that fits counts, at each sign-in anew. Whoever fits none is refused.",
    }),
    domains: t.Array(
      t.String({ minLength: 1, maxLength: 253, pattern: "^[^@\\s]+$", expected: "a domain, as example.com" }),
      {
        maxItems: 1_000,
        default: [],
        description: "Only verified addresses of these domains sign in. Default: every address, verified or not.",
      },
    ),
    createPeople: t.Boolean({
      default: true,
      description: "Whoever has a role and is not known becomes a person. Otherwise they have to be invited first.",
    }),
    endSession: t.Boolean({
      default: true,
      description:
        "Signing out here also ends the session at the issuer, if it has an `end_session_endpoint`. Register `PUBLIC-URL/dashboard/login` there as an address to come back to.",
    }),
  },
  // Without a default of its own the library fills none of those inside.
  { ...closed, default: {} },
);

export const LoginSchema = t.Object(
  {
    passwords: t.Boolean({
      default: true,
      description: "Whether people sign in with passwords. The admin token always does.",
    }),
    oidc: t.Record(t.String({ pattern: "^[A-Za-z][A-Za-z0-9_-]{0,63}$" }), LoginIssuerSchema, {
      additionalProperties: false,
      default: {},
      expected: "a map of issuers",
      expectedName: "at most 64 letters, digits, `_` and `-`, a letter first",
      description: "OpenID issuers that people sign in with, by a name that stands in the callback's address.",
    }),
  },
  { ...closed, default: {}, description: "How people sign in to the dashboard." },
);
