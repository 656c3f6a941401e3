import { hash } from "node:crypto";
import { decodeJwt, decodeProtectedHeader, errors, type JWTPayload, jwtVerify } from "jose";
import {
  type Authenticator,
  claimAt,
  type Contexts,
  definePlugin,
  GatewayError,
  type Principal,
} from "llm-proxy/plugin";
import { labelsIn, nameIn, namesIn, wrongClaims, wrongHeader } from "./jwt-claims.ts";
import type { KeySet, KeyStore } from "./jwt-keys.ts";
import { check, config, type JwtOptions, keysFrom, rulesFrom } from "./jwt-options.ts";

/** Tokens that were verified lately; each costs some 2 kB. */
const maxCached = 10_000;

export default definePlugin({
  kind: "auth",
  name: "jwt",
  api: 1,
  description: "Access tokens (JWT) that an OpenID Connect or OAuth issuer signs; one instance for each issuer.",
  config,
  check,
  setup: (options, context) => jwtAuthenticator(options, keysFrom(options, context), context),
});

interface Verified {
  readonly set: KeySet;
  /** Its own `exp`: it is never trusted beyond, whatever the tolerance. */
  readonly untilMs: number;
  /** Id or name. */
  readonly account: string;
  principal: Principal;
}

function jwtAuthenticator(options: JwtOptions, keys: KeyStore, context: Contexts["auth"]): Authenticator {
  const { accounts, logger, now } = context;
  const rules = rulesFrom(options);
  /** By a digest of the whole token, so that nothing but the same token finds it. Oldest first. */
  const cache = new Map<string, Verified>();

  return {
    authenticate(credential, request) {
      if (!credential.includes(".") || isInAddress(request)) return null;
      const place = hash("sha256", credential, "base64");
      const known = cache.get(place);
      // No promise for a token that is known: this is on the path of every call.
      if (known && now() < known.untilMs && known.set === keys.current()) return admitted(known);
      return isOurs(credential, options.issuer) ? read(credential, place) : null;
    },
  };

  async function read(token: string, place: string): Promise<Principal> {
    const header = headerOf(token);
    if (header === null) throw refused("header");
    const wrong = wrongHeader(header, rules);
    if (wrong !== null) throw refused(wrong);
    const { set, claims } = await verified(token, header.kid !== undefined);
    const found = wrongClaims(claims, rules, now() / 1_000);
    if (found !== null) throw refused(found);
    const fresh = verifiedOf(claims, set);
    const principal = await admitted(fresh);
    remember(place, fresh);
    return principal;
  }

  /** With the keys that are known, or else once with newer ones: the issuer may have taken a new key into use. */
  async function verified(token: string, namesKey: boolean) {
    const set = keys.current() ?? (await keys.settled());
    if (set === null) throw unavailable();
    const first = await attempt(token, set);
    if (!(first instanceof Error)) return { set, claims: first };
    const mayBeNew =
      first instanceof errors.JWKSNoMatchingKey ||
      (first instanceof errors.JWSSignatureVerificationFailed && !namesKey);
    const newer = mayBeNew ? await keys.newerThan(set) : null;
    const claims = newer === null ? first : await attempt(token, newer);
    if (claims instanceof Error) throw refused(claims.message);
    return { set: newer ?? set, claims };
  }

  async function attempt(token: string, set: KeySet): Promise<JWTPayload | Error> {
    try {
      const checks = { ...rules.checks, currentDate: new Date(now()) };
      return (await jwtVerify(token, set.keyOf, checks)).payload;
    } catch (error) {
      return error instanceof Error ? error : new Error("not verified");
    }
  }

  function verifiedOf(claims: JWTPayload, set: KeySet): Verified {
    const { account: accountClaim, models: modelsClaim, labels: labelClaims } = options.claims ?? {};
    const account = accountClaim === undefined ? options.account : nameIn(claimAt(claims, accountClaim));
    if (account === null) throw forbidden("the token names no account");
    const models = modelsClaim === undefined ? (options.models ?? "all") : namesIn(claimAt(claims, modelsClaim));
    if (models === null) throw forbidden("the token names no models");
    const principal: Principal = {
      name: claims.sub ?? "",
      keyId: null,
      accountId: "",
      models,
      limits: options.limits ?? {},
      ...(labelClaims && { labels: labelsIn(claims, labelClaims) }),
    };
    return { set, untilMs: (claims.exp ?? 0) * 1_000, account, principal };
  }

  function remember(place: string, fresh: Verified) {
    if (now() >= fresh.untilMs) return;
    if (cache.size >= maxCached) cache.delete(cache.keys().next().value ?? "");
    cache.set(place, fresh);
  }

  /** Looks the account up each time: one that was removed or has another name since holds from this call on. */
  function admitted(known: Verified): Principal | Promise<Principal> {
    const id = accounts.find(known.account);
    return id instanceof Promise ? id.then((found) => principalOn(known, found)) : principalOn(known, id);
  }

  function principalOn(known: Verified, accountId: string | null): Principal | Promise<never> {
    if (accountId === null) return nobody(known);
    if (accountId !== known.principal.accountId) known.principal = { ...known.principal, accountId };
    return known.principal;
  }

  async function nobody({ account }: Verified): Promise<never> {
    throw forbidden(`the account of the token: ${await accounts.whyNot(account)}`);
  }

  /** All alike for the client; the log says why, at the level `debug` since strangers can send what they like. */
  function refused(why: string): GatewayError {
    logger.debug({ why }, "a token was refused");
    return new GatewayError("unauthenticated", "invalid API key");
  }

  function forbidden(message: string): GatewayError {
    logger.debug({ why: message }, "a token was refused");
    return new GatewayError("forbidden", message);
  }

  /** Neither good nor bad: without keys it cannot be checked. */
  function unavailable(): GatewayError {
    const retryAfterSeconds = keys.retryAfterSeconds();
    return new GatewayError("unavailable", "the token could not be checked", { retryAfterSeconds });
  }
}

/** `header.claims.signature`, RFC 7515 §7.1; the signature may be missing, and is then refused. */
const compact = /^[\w-]+\.[\w-]+\.[\w-]*$/;
/** More than any proxy on the way lets through in a header. */
const maxLength = 32 * 1024;

/** Whether the token says it is this issuer's. Nothing is verified; it decides who is asked, and costs no look-up. */
function isOurs(token: string, issuer: string): boolean {
  if (token.length > maxLength || !compact.test(token)) return false;
  try {
    return decodeJwt(token).iss === issuer;
  } catch {
    return false;
  }
}

function headerOf(token: string) {
  try {
    return decodeProtectedHeader(token);
  } catch {
    return null;
  }
}

/** Addresses are logged and kept on the way, so a token in one is no secret any more. Keys that core issues may come so. */
const isInAddress = ({ url }: Request): boolean => url.includes("?") && new URL(url).searchParams.has("key");
