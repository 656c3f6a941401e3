import { CompactEncrypt } from "jose";
import { audience, hmacToken, type Issuer, type IssuerKey, makeIssuerKey, tokenOf, unsigned } from "./issuer.ts";

/** Tokens that must be refused where RS256 alone is taken, each with its name. `canary`: an address nobody may ask. */
export async function badTokens(issuer: Issuer, canary: string): Promise<readonly (readonly [string, string])[]> {
  const key = issuer.keys[0];
  if (!key) throw new Error("the issuer has no key");
  const attacker = await makeIssuerKey("attacker");
  const nowSeconds = Math.floor(Date.now() / 1_000);
  const good = issuer.claims();
  const [head = "", payload = "", signature = ""] = issuer.token().split(".");
  return [
    // 037: no signature, by whatever name
    ...["none", "nOnE", "None", "NONE", "", " none"].map((alg) => [`alg "${alg}"`, unsigned(good, { alg })] as const),
    ["alg none, signed", tokenOf(key, good, { alg: "none", kid: key.kid })],
    ["no alg", tokenOf(key, good, { kid: key.kid })],
    ["alg a number", tokenOf(key, good, { alg: 256, kid: key.kid })],
    ["alg a list", tokenOf(key, good, { alg: ["RS256"], kid: key.kid })],
    ["empty signature", `${head}.${payload}.`],
    ["signature cut", `${head}.${payload}.${signature.slice(0, -4)}`],
    ["signature of another token", `${head}.${payload}.${issuer.token({ sub: "other" }).split(".")[2]}`],
    ["payload changed", `${head}.${unsigned({ ...good, sub: "admin" }, {}).split(".")[1]}.${signature}`],
    [
      "header changed",
      `${unsigned({}, { alg: "RS256", kid: key.kid, more: 1 }).split(".")[0]}.${payload}.${signature}`,
    ],
    ["no signature part", `${head}.${payload}`],
    ...confused(key, good),
    // 039: a key of the token's own
    ["header jwk", tokenOf(attacker, good, { alg: "RS256", jwk: attacker.jwk })],
    ["header jwk and our kid", tokenOf(attacker, good, { alg: "RS256", kid: key.kid, jwk: attacker.jwk })],
    ["header x5c", tokenOf(attacker, good, { alg: "RS256", kid: key.kid, x5c: [certificate(attacker)] })],
    ["header jku", tokenOf(attacker, good, { alg: "RS256", kid: "attacker", jku: `${canary}/keys` })],
    ["header x5u", tokenOf(attacker, good, { alg: "RS256", kid: "attacker", x5u: `${canary}/cert` })],
    ["attacker's key under our kid", tokenOf(attacker, good, { alg: "RS256", kid: key.kid })],
    // 040: kid in every form
    ...["../../dev/null", "' or 1=1--", "__proto__", "", "x".repeat(6_000), "/etc/passwd", "\0", `${canary}/k`].map(
      (kid) => [`kid ${kid.slice(0, 20)}`, tokenOf(key, good, { alg: "RS256", kid })] as const,
    ),
    ...[0, 1, null, true, ["first"], { first: 1 }].map(
      (kid) => [`kid ${JSON.stringify(kid)}`, tokenOf(key, good, { alg: "RS256", kid })] as const,
    ),
    // 041: times
    ["no exp", issuer.token({ exp: undefined })],
    ["exp beyond the tolerance", issuer.token({ exp: nowSeconds - 62, iat: nowSeconds - 100 })],
    ...[String(nowSeconds + 600), -1, 0, 1e300, null, [nowSeconds + 600], {}, true].map(
      (exp) => [`exp ${JSON.stringify(exp)}`, issuer.token({ exp })] as const,
    ),
    [
      "exp Infinity",
      tokenOf(key, JSON.stringify(good).replace(/"exp":\d+/, '"exp":1e999'), { alg: "RS256", kid: key.kid }),
    ],
    ["nbf in the future", issuer.token({ nbf: nowSeconds + 70 })],
    ["nbf a text", issuer.token({ nbf: String(nowSeconds) })],
    ["iat in the future", issuer.token({ iat: nowSeconds + 70 })],
    ["iat a text", issuer.token({ iat: "0" })],
    ["lives too long", issuer.token({ exp: nowSeconds + 86_401 + 60 })],
    ["lives too long, since nbf", issuer.token({ iat: undefined, nbf: nowSeconds - 86_000, exp: nowSeconds + 3_600 })],
    ["lives too long, no iat", issuer.token({ iat: undefined, exp: nowSeconds + 90_000 })],
    // 042: for whom and by whom
    ...[
      undefined,
      "other",
      audience.toUpperCase(),
      `${audience} `,
      ["other"],
      [],
      null,
      5,
      { [audience]: 1 },
      [[audience]],
    ].map((aud) => [`aud ${JSON.stringify(aud)}`, issuer.token({ aud })] as const),
    ...[undefined, "https://other.example", `${issuer.url}/`, issuer.url.toUpperCase(), [issuer.url], null].map(
      (iss) => [`iss ${JSON.stringify(iss)}`, issuer.token({ iss })] as const,
    ),
    // 043: other signatures of the same key
    ...["PS256", "RS512", "RS384"].map(
      (alg) => [`alg ${alg}`, tokenOf({ ...key, alg }, good, { alg, kid: key.kid })] as const,
    ),
    ["alg ES256K", tokenOf(key, good, { alg: "ES256K", kid: key.kid })],
    ["alg lower case", tokenOf(key, good, { alg: "rs256", kid: key.kid })],
    ...(await otherTypes(issuer, key)),
    // subjects that are none
    ...[undefined, "", " ", "x".repeat(256), 5, null, ["user"], "a\nb", "a\u202eb", "a\u0000b", "a\u2028b"].map(
      (sub) => [`sub ${JSON.stringify(sub)?.slice(0, 20)}`, issuer.token({ sub })] as const,
    ),
  ];
}

/** 038: a public key as the secret of an HMAC. */
function confused({ publicKey, jwk, kid }: IssuerKey, claims: Readonly<Record<string, unknown>>) {
  const pem = String(publicKey.export({ type: "spki", format: "pem" }));
  const secrets: readonly (readonly [string, string | Buffer])[] = [
    ["PEM", pem],
    ["PEM without its last line end", pem.trimEnd()],
    ["PKCS1 PEM", String(publicKey.export({ type: "pkcs1", format: "pem" }))],
    ["DER", publicKey.export({ type: "spki", format: "der" })],
    ["n", jwk.n ?? ""],
    ["n in bytes", Buffer.from(jwk.n ?? "", "base64url")],
    ["JWK", JSON.stringify(jwk)],
    ["nothing", ""],
  ];
  return secrets.flatMap(([name, secret]) => [
    [`HS256 with the ${name}`, hmacToken(secret, claims, { alg: "HS256", kid })] as const,
    [`HS256 with the ${name}, said to be RS256`, hmacToken(secret, claims, { alg: "RS256", kid })] as const,
  ]);
}

/** 044: tokens of the issuer that are no access tokens, and other forms. */
async function otherTypes(issuer: Issuer, key: IssuerKey): Promise<readonly (readonly [string, string])[]> {
  const good = issuer.claims();
  const header = { alg: "RS256", kid: key.kid };
  const [head = "", payload = "", signature = ""] = issuer.token().split(".");
  const encrypted = await new CompactEncrypt(Buffer.from(JSON.stringify(good)))
    .setProtectedHeader({ alg: "RSA-OAEP-256", enc: "A256GCM", kid: key.kid })
    .encrypt(key.publicKey);
  return [
    ["ID token with nonce", issuer.token({ nonce: "n" })],
    ["ID token with at_hash", issuer.token({ at_hash: "h" })],
    ["Keycloak's ID token", issuer.token({ typ: "ID" })],
    ["Keycloak's refresh token", issuer.token({ typ: "Refresh" })],
    ["Keycloak's offline token", issuer.token({ typ: "Offline" })],
    ["token_use id", issuer.token({ token_use: "id" })],
    ["token_type refresh", issuer.token({ token_type: "refresh" })],
    [
      "logout token",
      issuer.token({ events: { "http://schemas.openid.net/event/backchannel-logout": {} } }, { typ: "logout+jwt" }),
    ],
    ["events", issuer.token({ events: {} })],
    ...["logout+jwt", "secevent+jwt", "dpop+jwt", "rt+jwt", "JWE", "", 5, null, ["JWT"]].map(
      (typ) => [`typ ${JSON.stringify(typ)}`, issuer.token({}, { typ })] as const,
    ),
    ["crit unknown", issuer.token({}, { crit: ["x"], x: 1 })],
    ["crit empty", issuer.token({}, { crit: [] })],
    ["b64 false", issuer.token({}, { b64: false, crit: ["b64"] })],
    ["b64 false, not critical", issuer.token({}, { b64: false })],
    ["JWE", encrypted],
    ["JSON serialization", JSON.stringify({ payload, protected: head, signature })],
    ["general JSON serialization", JSON.stringify({ payload, signatures: [{ protected: head, signature }] })],
    ["four parts", `${head}.${payload}.${signature}.${signature}`],
    ["with padding", `${head}==.${payload}.${signature}`],
    ["DPoP-bound", issuer.token({ cnf: { jkt: "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I" } })],
    ["certificate-bound", issuer.token({ cnf: { "x5t#S256": "bwcK0esc3ACC3DB2Y5_lESsXE8o9ltc05O89jdN-dg2" } })],
    ["payload a list", tokenOf(key, JSON.stringify([good]), header)],
    ["payload a text", tokenOf(key, '"text"', header)],
    ["payload no JSON", tokenOf(key, `{"iss":"${issuer.url}",`, header)],
    ["payload in UTF-16", tokenOf(key, Buffer.from(JSON.stringify(good), "utf16le").toString("latin1"), header)],
    ["header no JSON", `${Buffer.from("{alg:RS256}").toString("base64url")}.${payload}.${signature}`],
    ["header null", `${Buffer.from("null").toString("base64url")}.${payload}.${signature}`],
  ];
}

/** Not a certificate that anyone signed; enough for whoever would take a key out of `x5c`. */
const certificate = ({ publicKey }: IssuerKey): string =>
  publicKey.export({ type: "spki", format: "der" }).toString("base64");
