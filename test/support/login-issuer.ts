import { createHash } from "node:crypto";
import { type Claims, type IssuerKey, makeIssuerKey, tokenOf } from "./issuer.ts";

export const clientId = "llm-proxy";
export const clientSecret = "client-secret-canary";

/** What the issuer saw of a sign-in that was begun. */
export interface Begun {
  readonly redirectUri: string;
  readonly state: string;
  readonly nonce: string;
  readonly challenge: string;
  readonly scope: string;
}

/** An OpenID provider that signs everybody in as it is told (OpenID Connect Core 1.0 §3.1). */
export interface LoginIssuer {
  readonly url: string;
  readonly key: IssuerKey;
  /** Claims of whoever signs in next, beside those that every token has; `undefined` takes one out. */
  person: Claims;
  /** Answers instead of the issuer while it is set; `null` of it: as always. */
  answer: ((path: string) => Response | Promise<Response> | null) | null;
  /** Makes the ID token instead of the issuer. */
  idToken: ((claims: Claims) => string) | null;
  /** Of the callback beside code and state. */
  extra: Readonly<Record<string, string>>;
  /** Paths that were asked for, in order. */
  readonly asked: string[];
  /** Requests for tokens, as they came. */
  readonly exchanges: URLSearchParams[];
  userinfo: Claims | null;
  /** Its `end_session_endpoint`; read with the discovery document, so once. */
  endSession: string | null;
  readonly codes: Map<string, Begun>;
  stop(): Promise<void>;
}

export async function startLoginIssuer(): Promise<LoginIssuer> {
  const key = await makeIssuerKey("login");
  const asked: string[] = [];
  const exchanges: URLSearchParams[] = [];
  const codes = new Map<string, Begun>();
  const server = Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    async fetch(request) {
      const { pathname, searchParams } = new URL(request.url);
      asked.push(pathname);
      const instead = await issuer.answer?.(pathname);
      if (instead) return instead;
      switch (pathname) {
        case "/.well-known/openid-configuration":
          return Response.json({
            issuer: issuer.url,
            authorization_endpoint: `${issuer.url}/authorize`,
            token_endpoint: `${issuer.url}/token`,
            jwks_uri: `${issuer.url}/keys`,
            ...(issuer.endSession !== null && { end_session_endpoint: issuer.endSession }),
            ...(issuer.userinfo && { userinfo_endpoint: `${issuer.url}/userinfo` }),
            authorization_response_iss_parameter_supported: true,
            code_challenge_methods_supported: ["S256"],
          });
        case "/keys":
          return Response.json({ keys: [key.jwk] });
        case "/userinfo":
          return Response.json(issuer.userinfo);
        case "/authorize": {
          const of = (name: string) => searchParams.get(name) ?? "";
          const code = crypto.randomUUID();
          codes.set(code, {
            redirectUri: of("redirect_uri"),
            state: of("state"),
            nonce: of("nonce"),
            challenge: of("code_challenge"),
            scope: of("scope"),
          });
          const back = new URLSearchParams({ code, state: of("state"), iss: issuer.url, ...issuer.extra });
          return new Response(null, { status: 302, headers: { location: `${of("redirect_uri")}?${back}` } });
        }
        case "/end":
          return Response.redirect(searchParams.get("post_logout_redirect_uri") ?? issuer.url, 302);
        case "/token":
          return exchange(new URLSearchParams(await request.text()));
        default:
          return new Response(null, { status: 404 });
      }
    },
  });

  function exchange(form: URLSearchParams): Response {
    exchanges.push(form);
    const begun = codes.get(form.get("code") ?? "");
    codes.delete(form.get("code") ?? "");
    const challenge = createHash("sha256")
      .update(form.get("code_verifier") ?? "")
      .digest("base64url");
    const isRight =
      begun?.challenge === challenge &&
      begun.redirectUri === form.get("redirect_uri") &&
      form.get("client_id") === clientId &&
      form.get("client_secret") === clientSecret;
    if (!isRight) return Response.json({ error: "invalid_grant" }, { status: 400 });
    const atSeconds = Math.floor(Date.now() / 1_000);
    const claims: Claims = {
      iss: issuer.url,
      aud: clientId,
      sub: "user-1",
      iat: atSeconds,
      exp: atSeconds + 300,
      nonce: begun.nonce,
      ...issuer.person,
    };
    const idToken = issuer.idToken?.(claims) ?? tokenOf(key, claims, { alg: key.alg, kid: key.kid });
    return Response.json({ access_token: "access-token", token_type: "Bearer", expires_in: 300, id_token: idToken });
  }

  const issuer: LoginIssuer = {
    url: `http://127.0.0.1:${server.port}`,
    key,
    person: {},
    answer: null,
    idToken: null,
    extra: {},
    asked,
    exchanges,
    userinfo: null,
    endSession: null,
    codes,
    stop: () => server.stop(true),
  };
  return issuer;
}
