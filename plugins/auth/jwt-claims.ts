import type { JWTPayload, ProtectedHeaderParameters } from "jose";
import { claimAt, type Labels, labelValue } from "llm-proxy/plugin";

export interface ClaimRules {
  /** The only `typ` there may be, e.g. `at+jwt`; `null`: that of an access token, or none. */
  readonly tokenType: string | null;
  readonly idTokens: boolean;
  readonly maxLifetimeSeconds: number;
  readonly clockToleranceSeconds: number;
}

/** What an access token may call itself in its header (RFC 7519 §5.1, RFC 9068 §2.1). */
const accessTypes = ["jwt", "at+jwt", "application/jwt", "application/at+jwt"];
/** What issuers write into a claim of an access token: Keycloak `typ`, Cognito `token_use`, others `token_type`. */
const kindClaims = ["typ", "token_use", "token_type"] as const;
const accessKinds = ["bearer", "access", "access_token", "jwt", "at+jwt"];
/** Only an ID token has them (OpenID Connect Core §2, §3.3.2.11; FAPI). */
const idTokenClaims = ["nonce", "at_hash", "c_hash", "s_hash"];
const maxKidLength = 256;
/** OpenID Connect Core §2: `sub` has at most 255 characters. */
const maxSubjectLength = 255;

/** Why a token with this header is not even looked at; `null`: it may be verified. */
export function wrongHeader({ kid, typ, ...header }: ProtectedHeaderParameters, rules: ClaimRules): string | null {
  // RFC 7515 §4.1.11: what is critical must be understood, and we understand none of it, `b64` (RFC 7797) included.
  if ("crit" in header || "b64" in header) return "header crit or b64";
  if (kid !== undefined && !(typeof kid === "string" && kid.length >= 1 && kid.length <= maxKidLength))
    return "header kid";
  if (typ === undefined) return rules.tokenType === null ? null : "header typ";
  const allowed = rules.tokenType === null ? accessTypes : [rules.tokenType.toLowerCase()];
  return typeof typ === "string" && allowed.includes(typ.toLowerCase()) ? null : "header typ";
}

/** Beyond what jose checks: why a token with a good signature is refused all the same. `nowSeconds`: since the epoch. */
export function wrongClaims(claims: JWTPayload, rules: ClaimRules, nowSeconds: number): string | null {
  if (!isSubject(claims.sub)) return "claim sub";
  return wrongTimes(claims, rules, nowSeconds) ?? wrongKind(claims, rules);
}

/** It stands in records, logs and pages: no control or formatting character, and of a size that a page can show. */
const isSubject = (sub: unknown): boolean =>
  typeof sub === "string" && sub.trim() !== "" && sub.length <= maxSubjectLength && !/[\p{C}\p{Zl}\p{Zp}]/u.test(sub);

function wrongTimes({ exp, iat, nbf }: JWTPayload, rules: ClaimRules, nowSeconds: number): string | null {
  const { maxLifetimeSeconds, clockToleranceSeconds } = rules;
  // jose has checked that each is a number where it is there.
  if (exp === undefined) return "claim exp";
  if (iat !== undefined && iat > nowSeconds + clockToleranceSeconds) return "claim iat: in the future";
  // A token that does not say since when it holds may live as long from now on.
  const sinceSeconds = iat ?? nbf ?? nowSeconds - clockToleranceSeconds;
  if (exp - sinceSeconds > maxLifetimeSeconds) return "claim exp: lives too long";
  return exp - nowSeconds > maxLifetimeSeconds + clockToleranceSeconds ? "claim exp: too far away" : null;
}

function wrongKind(claims: JWTPayload, { idTokens }: ClaimRules): string | null {
  // RFC 9449 and RFC 8705: it is bound to a key that a bearer does not show.
  if (Object.hasOwn(claims, "cnf")) return "claim cnf: bound to a key";
  // OpenID Connect Back-Channel Logout §2.4 and other security events (RFC 8417).
  if (Object.hasOwn(claims, "events")) return "claim events: no access token";
  const idKinds = idTokens ? ["id", "id_token"] : [];
  for (const name of kindClaims) {
    const kind = claims[name];
    if (kind === undefined) continue;
    if (typeof kind !== "string" || ![...accessKinds, ...idKinds].includes(kind.toLowerCase())) return `claim ${name}`;
  }
  const idToken = !idTokens && idTokenClaims.some((name) => Object.hasOwn(claims, name));
  return idToken ? "an ID token" : null;
}

const maxModels = 200;
const maxNameLength = 200;

/** A list of names, or one text with spaces between them as in `scope`; `null`: anything else. */
export function namesIn(value: unknown): readonly string[] | null {
  const names: unknown = typeof value === "string" ? value.split(" ").filter((name) => name !== "") : value;
  if (!Array.isArray(names) || names.length > maxModels) return null;
  const texts = names.filter((name) => typeof name === "string" && name !== "" && name.length <= maxNameLength);
  return texts.length === names.length ? texts : null;
}

/** One name of an account. */
export const nameIn = (value: unknown): string | null =>
  typeof value === "string" && value !== "" && value.length <= maxNameLength ? value : null;

/** Labels by name, of the claims that `wanted` names; a claim with no value that fits one gives none, and refuses nobody. */
export const labelsIn = (claims: JWTPayload, wanted: Labels): Labels =>
  Object.fromEntries(
    Object.entries(wanted).flatMap(([name, path]) => {
      const value = labelValue(claimAt(claims, path));
      return value === null ? [] : [[name, value]];
    }),
  );
