import { createHmac, createPublicKey, type KeyObject, sign } from "node:crypto";
import { exportJWK, generateKeyPair, type JWK } from "jose";

/** A key pair of the issuer, with its name in the set. */
export interface IssuerKey {
  readonly kid: string;
  readonly alg: string;
  readonly privateKey: KeyObject;
  readonly publicKey: KeyObject;
  readonly jwk: JWK;
}
export async function makeIssuerKey(kid: string, alg = "RS256"): Promise<IssuerKey> {
  const { KeyObject } = await import("node:crypto");
  const pair = await generateKeyPair(alg, { extractable: true });
  const privateKey = KeyObject.from(pair.privateKey);
  const jwk = { ...(await exportJWK(pair.publicKey)), kid, alg, use: "sig" };
  return { kid, alg, privateKey, publicKey: createPublicKey(privateKey), jwk };
}

export type Claims = Readonly<Record<string, unknown>>;

const part = (value: unknown): string =>
  Buffer.from(typeof value === "string" ? value : JSON.stringify(value)).toString("base64url");

/** A token with whatever header and payload, signed as its key signs; `payload` a text: as it is. */
export function tokenOf(key: Pick<IssuerKey, "alg" | "privateKey">, payload: Claims | string, header: Claims): string {
  const input = `${part(header)}.${part(payload)}`;
  return `${input}.${signatureOf(key, input).toString("base64url")}`;
}
/** Its signature is an HMAC (RFC 7518 §3.2) over `secret`. */
export function hmacToken(secret: string | Buffer, payload: Claims, header: Claims, hash = "sha256"): string {
  const input = `${part(header)}.${part(payload)}`;
  return `${input}.${createHmac(hash, secret).update(input).digest("base64url")}`;
}
/** Without a signature of any sort but the text given. */
export const unsigned = (payload: Claims, header: Claims, signature = ""): string =>
  `${part(header)}.${part(payload)}.${signature}`;

function signatureOf({ alg, privateKey }: Pick<IssuerKey, "alg" | "privateKey">, input: string): Buffer {
  const data = Buffer.from(input);
  if (alg === "EdDSA" || alg === "Ed25519") return sign(null, data, privateKey);
  const hash = `sha${alg.slice(-3)}`;
  // RFC 7518 §3.4: R and S one after the other, not DER.
  if (alg.startsWith("ES")) return sign(hash, data, { key: privateKey, dsaEncoding: "ieee-p1363" });
  // RSA_PKCS1_PSS_PADDING with a salt as long as the hash (RFC 7518 §3.5).
  return sign(hash, data, alg.startsWith("PS") ? { key: privateKey, padding: 6, saltLength: -1 } : privateKey);
}

/** What the issuer answers for its discovery document and its keys. */
export type Answer = (path: string) => Response | Promise<Response>;

export interface Issuer {
  readonly url: string;
  /** The keys in its set; change it at will. */
  readonly keys: IssuerKey[];
  /** Paths that were asked for, in order. */
  readonly asked: string[];
  /** Answers instead of the issuer while it is set. */
  answer: Answer | null;
  /** A good token, its claims changed as given; `undefined` takes one out. */
  token(claims?: Claims, header?: Claims, key?: IssuerKey): string;
  claims(changed?: Claims): Claims;
  start(): void;
  stop(): Promise<void>;
}

export const audience = "llm-proxy";
export const discoveryPath = "/.well-known/openid-configuration";
export const jwksPath = "/keys";

/** An OpenID issuer on this machine, on a port that it has also while it is down. */
export async function makeIssuer({ alg = "RS256", now = Date.now } = {}): Promise<Issuer> {
  const keys = [await makeIssuerKey("first", alg)];
  const asked: string[] = [];
  let server: Bun.Server<undefined> | null = null;
  let port = 0;
  const listen = () => {
    server = Bun.serve({
      hostname: "127.0.0.1",
      port,
      fetch(request) {
        const { pathname } = new URL(request.url);
        asked.push(pathname);
        if (issuer.answer) return issuer.answer(pathname);
        if (pathname === discoveryPath)
          return Response.json({ issuer: issuer.url, jwks_uri: `${issuer.url}${jwksPath}` });
        return pathname === jwksPath
          ? Response.json({ keys: keys.map(({ jwk }) => jwk) })
          : new Response(null, { status: 404 });
      },
    });
    port = server.port ?? 0;
  };
  listen();
  const issuer: Issuer = {
    url: `http://127.0.0.1:${port}`,
    keys,
    asked,
    answer: null,
    claims(changed = {}) {
      const nowSeconds = Math.floor(now() / 1_000);
      return { iss: issuer.url, aud: audience, sub: "user-1", iat: nowSeconds, exp: nowSeconds + 600, ...changed };
    },
    token(claims = {}, header = {}, key = keys[0]) {
      if (!key) throw new Error("the issuer has no key");
      return tokenOf(key, issuer.claims(claims), { alg: key.alg, kid: key.kid, typ: "JWT", ...header });
    },
    start: listen,
    stop: async () => server?.stop(true),
  };
  return issuer;
}
