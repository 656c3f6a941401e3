import { Buffer } from "node:buffer";
import type { JWTVerifyOptions } from "jose";
import { type Context, type FileFacts, limitOptions, type Limits, t } from "llm-proxy/plugin";
import type { ClaimRules } from "./jwt-claims.ts";
import { keySource, mayHoldKeys, publicKeys } from "./jwt-fetch.ts";
import { fixedKeys, type KeyStore, keyStore, sharedSecret } from "./jwt-keys.ts";

const asymmetric = [
  t.Literal("RS256"),
  t.Literal("RS384"),
  t.Literal("RS512"),
  t.Literal("PS256"),
  t.Literal("PS384"),
  t.Literal("PS512"),
  t.Literal("ES256"),
  t.Literal("ES384"),
  t.Literal("ES512"),
  t.Literal("EdDSA"),
  t.Literal("Ed25519"),
];
const symmetric = [t.Literal("HS256"), t.Literal("HS384"), t.Literal("HS512")];
/** RFC 7518 §3.2: a secret has as many bytes as the hash, or more. */
const secretBytes: Readonly<Record<string, number>> = { HS256: 32, HS384: 48, HS512: 64 };

const claimName = (description: string) => t.Optional(t.String({ minLength: 1, description }));

export const config = t.Object(
  {
    issuer: t.String({ minLength: 1, description: "The issuer, letter by letter as `iss` has it." }),
    audience: t.Union([t.String({ minLength: 1 }), t.Array(t.String({ minLength: 1 }), { minItems: 1 })], {
      description: "What `aud` must be or have in it; of several names, one.",
    }),
    jwksUrl: t.Optional(
      t.String({
        pattern: "^https?://",
        description: "Where the issuer's keys are. Without it, `jwks` and `secret`: what the issuer's discovery says.",
      }),
    ),
    jwks: t.Optional(
      t.Object(
        { keys: t.Array(t.Record(t.String(), t.Unknown()), { minItems: 1, description: "JSON Web Keys, public." }) },
        { additionalProperties: false, description: "The issuer's keys themselves; then nothing is fetched." },
      ),
    ),
    secret: t.Optional(
      t.String({
        minLength: 1,
        writeOnly: true,
        description: "Shared with the issuer, for HS256 and its like alone; at least 32 bytes. Nothing is fetched.",
      }),
    ),
    algorithms: t.Optional(
      t.Array(t.Union([...asymmetric, ...symmetric]), {
        minItems: 1,
        description: "Signatures that are taken. Default: RS256, ES256, EdDSA, Ed25519; with `secret` HS256.",
      }),
    ),
    claims: t.Optional(
      t.Object(
        {
          account: claimName(
            "Claim with the account's id, its name if it is at the top, or its path (`Org/Team`). A token without it, or of no account, is refused (403).",
          ),
          models: claimName("Claim with the models that may be called: a list, or one text with spaces."),
          labels: t.Optional(
            t.Record(t.String({ pattern: "^[A-Za-z0-9_.-]{1,64}$" }), t.String({ minLength: 1 }), {
              additionalProperties: false,
              maxProperties: 8,
              expectedName: "a name of at most 64 letters, digits, `_`, `.` and `-`",
              description:
                "Labels of the calls by name, each with the claim that has its value, e.g. `{ team: groups.team }`; for reports only. A value that is no text, number or boolean of at most 100 characters gives no label.",
            }),
          ),
        },
        { additionalProperties: false },
      ),
    ),
    account: t.String({
      minLength: 1,
      default: "default",
      description: "Id, name or path (`Org/Team`) of everybody's account where `claims.account` is not set.",
    }),
    models: t.Optional(
      t.Array(t.String({ minLength: 1 }), {
        description: "Models that everybody may call; `*` at the end matches any rest. Default: all.",
      }),
    ),
    /** For each `sub` of an account. */
    limits: t.Optional(t.Object(limitOptions, { additionalProperties: false })),
    requiredClaims: t.Array(t.String({ minLength: 1 }), {
      default: [],
      description: "Claims that must be there beside `exp`, `sub`, `iss` and `aud`.",
    }),
    tokenType: t.Optional(
      t.String({
        minLength: 1,
        description: "The only `typ` in the header, e.g. `at+jwt`. Default: `JWT`, `at+jwt` or none.",
      }),
    ),
    idTokens: t.Boolean({
      default: false,
      description: "Take ID tokens too, for issuers whose access tokens are no JWT.",
    }),
    maxLifetimeSeconds: t.Integer({
      minimum: 60,
      maximum: 31_536_000,
      default: 86_400,
      description: "Longest from `iat` to `exp`; a token that lives longer is refused.",
    }),
    clockToleranceSeconds: t.Integer({
      minimum: 0,
      maximum: 60,
      default: 30,
      description: "How far the issuer's clock may be off.",
    }),
    staleSeconds: t.Integer({
      minimum: 3_600,
      maximum: 604_800,
      default: 14_400,
      description: "How long known keys are used while the issuer cannot be reached.",
    }),
    allowHttp: t.Boolean({
      default: false,
      description: "Fetch keys over plain http from more than this machine. Whoever is on the way can then be anyone.",
    }),
  },
  { additionalProperties: false },
);

export interface JwtOptions {
  readonly issuer: string;
  readonly audience: string | string[];
  readonly jwksUrl?: string;
  readonly jwks?: { readonly keys: readonly unknown[] };
  readonly secret?: string;
  readonly algorithms?: readonly string[];
  readonly claims?: {
    readonly account?: string;
    readonly models?: string;
    readonly labels?: Readonly<Record<string, string>>;
  };
  readonly account: string;
  readonly models?: readonly string[];
  readonly limits?: Limits;
  readonly requiredClaims: readonly string[];
  readonly tokenType?: string;
  readonly idTokens: boolean;
  readonly maxLifetimeSeconds: number;
  readonly clockToleranceSeconds: number;
  readonly staleSeconds: number;
  readonly allowHttp: boolean;
}

export interface Rules extends ClaimRules {
  /** What jose checks. */
  readonly checks: JWTVerifyOptions;
}

/** What no schema says. The host asks for it before `setup`. */
export function check(options: JwtOptions, { earlier }: Pick<FileFacts, "earlier">): void {
  const { issuer, jwksUrl, jwks, secret, allowHttp } = options;
  if (options.models && options.claims?.models !== undefined)
    throw new Error("models and claims.models: only one of them can say what may be called");
  if ([jwksUrl, jwks, secret].filter((source) => source !== undefined).length > 1)
    throw new Error("jwksUrl, jwks, secret: only one of them can be where the keys come from");
  for (const name of algorithmsOf(options)) {
    const least = secretBytes[name] ?? 0;
    if (secret !== undefined && Buffer.byteLength(secret) < least)
      throw new Error(`secret: ${name} needs at least ${least} bytes`);
  }
  if (jwks) publicKeys(jwks);
  if (!jwks && secret === undefined && !mayHoldKeys(jwksUrl ?? issuer, allowHttp))
    throw new Error(`${jwksUrl === undefined ? "issuer" : "jwksUrl"}: keys are fetched over https (or set allowHttp)`);
  const other = earlier.find((instance) => instance.options["issuer"] === issuer);
  // It would never be asked: whose a token is, its issuer alone tells.
  if (other)
    throw new Error(
      `issuer: "${other.name}" has the same one; list the audiences of both there, and let claims tell accounts and models`,
    );
}

export function rulesFrom(options: JwtOptions): Rules {
  const { issuer, audience, idTokens, maxLifetimeSeconds, clockToleranceSeconds } = options;
  return {
    tokenType: options.tokenType ?? null,
    idTokens,
    maxLifetimeSeconds,
    clockToleranceSeconds,
    checks: {
      issuer,
      audience,
      algorithms: algorithmsOf(options),
      requiredClaims: ["exp", "sub", ...options.requiredClaims],
      clockTolerance: clockToleranceSeconds,
    },
  };
}

/** One family of signatures, never both: a public key must never be tried as a secret. */
function algorithmsOf({ algorithms, secret }: JwtOptions): string[] {
  if (algorithms === undefined) return secret === undefined ? ["RS256", "ES256", "EdDSA", "Ed25519"] : ["HS256"];
  for (const name of algorithms)
    if (name.startsWith("HS") !== (secret !== undefined))
      throw new Error(`algorithms: ${name} does not go with ${secret === undefined ? "public keys" : "a secret"}`);
  return [...algorithms];
}

/** Where the keys come from. Fetches nothing yet. */
export function keysFrom(options: JwtOptions, context: Pick<Context, "fetch" | "now" | "logger">): KeyStore {
  const { issuer, jwksUrl, jwks, secret, allowHttp } = options;
  if (secret !== undefined) return sharedSecret(Buffer.from(secret, "utf8"));
  if (jwks) return fixedKeys(publicKeys(jwks));
  return keyStore(
    keySource({ issuer, jwksUrl: jwksUrl ?? null, allowHttp }, context.fetch),
    context,
    options.staleSeconds * 1_000,
  );
}
