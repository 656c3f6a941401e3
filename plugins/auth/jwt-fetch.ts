import type { JSONWebKeySet, JWK } from "jose";
import { boundedText, type Context } from "llm-proxy/plugin";

/** For the whole way, discovery included; below the 5 s that core gives to a hook, so that the caller gets our answer. */
const timeoutMs = 4_000;
/** A set of a dozen RSA keys with certificates is some 30 kB. */
const maxBytes = 512 * 1024;
const maxKeys = 100;

export interface Source {
  readonly issuer: string;
  /** `null`: the issuer's discovery document says it (OpenID Connect Discovery 1.0 §4). */
  readonly jwksUrl: string | null;
  /** Keys come over plain http also from other than loopback addresses. */
  readonly allowHttp: boolean;
}

/** Reads the issuer's keys, each time anew. Throws when they cannot be had; then it also asks again where they are. */
export function keySource({ issuer, jwksUrl, allowHttp }: Source, fetch: Context["fetch"]) {
  let known = jwksUrl;

  return async (): Promise<JSONWebKeySet> => {
    const signal = AbortSignal.timeout(timeoutMs);
    try {
      known ??= jwksUrl ?? (await discovered(signal));
      return publicKeys(await jsonOf(known, signal));
    } catch (error) {
      known = null;
      throw error;
    }
  };

  async function discovered(signal: AbortSignal): Promise<string> {
    const document = await jsonOf(`${issuer.replace(/\/$/, "")}/.well-known/openid-configuration`, signal);
    const { issuer: named, jwks_uri: url } = isObject(document) ? document : {};
    // §4.3: a document that speaks for another issuer is none of ours.
    if (named !== issuer) throw new Error("the discovery document names another issuer");
    if (typeof url !== "string" || !mayHoldKeys(url, allowHttp))
      throw new Error("the discovery document names no address of keys that may be used");
    return url;
  }

  async function jsonOf(url: string, signal: AbortSignal): Promise<unknown> {
    const request = new Request(url, { headers: { accept: "application/json" }, redirect: "manual", signal });
    const response = await fetch(request);
    // A redirect too: who may send us elsewhere may choose our keys.
    if (response.status !== 200) {
      await response.body?.cancel();
      throw new Error(`answered ${response.status}`);
    }
    return JSON.parse(await boundedText(response, maxBytes));
  }
}

/** Whoever can change keys on their way is the issuer: https, or an address that no way leads to. */
export function mayHoldKeys(text: string, allowHttp: boolean): boolean {
  if (!URL.canParse(text)) return false;
  const { protocol, hostname } = new URL(text);
  if (protocol === "https:") return true;
  return protocol === "http:" && (allowHttp || /^(localhost|127(\.\d+){3}|\[::1\])$/.test(hostname));
}

/** The public parts that jose needs, and of keys of signatures alone. Throws when none is left. */
export function publicKeys(value: unknown): JSONWebKeySet {
  const given = isObject(value) && Array.isArray(value.keys) ? value.keys.slice(0, maxKeys) : [];
  const keys = given.filter(isObject).flatMap((key) => publicKey(key) ?? []);
  if (keys.length === 0) throw new Error("no usable key in the set");
  return { keys };
}

const publicFields = ["kid", "alg", "use", "crv", "x", "y", "n", "e"] as const;

function publicKey(key: Readonly<Record<string, unknown>>): JWK | null {
  // A symmetric key in a public set would be known to everybody.
  if (key.kty !== "RSA" && key.kty !== "EC" && key.kty !== "OKP") return null;
  if (key.use !== undefined && key.use !== "sig") return null;
  const found: JWK = { kty: key.kty };
  for (const name of publicFields) {
    const value = key[name];
    if (typeof value === "string") found[name] = value;
    else if (value !== undefined) return null;
  }
  return found;
}

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null && !Array.isArray(value);
