import type { Configuration } from "openid-client";
import { claimAt } from "../plugin/claim-at.ts";
import type { ClaimNames } from "./issuer-claims.ts";
import { boundedFetch } from "./issuer-fetch.ts";

export interface IssuerSettings {
  readonly issuer: string;
  readonly clientId: string;
  readonly clientSecret?: string;
  readonly clientAuth: "post" | "basic";
  readonly scopes: readonly string[];
  readonly claims: ClaimNames;
}

/** What the browser brings back must fit; known to us and to nobody on the way. */
export interface Expected {
  readonly state: string;
  readonly nonce: string;
  readonly verifier: string;
}

/** What an issuer says of somebody, its signature and everything else of it checked. */
export type Claims = Readonly<Record<string, unknown>> & { readonly iss: string; readonly sub: string };

/** An OpenID issuer that people sign in with (OpenID Connect Core 1.0 §3.1, with PKCE, RFC 7636). */
export interface Issuer {
  /** Where to send a browser, and what its way back must bring. Throws when the issuer cannot be asked. */
  begin(callback: string): Promise<{ readonly url: string; readonly expected: Expected }>;
  /** `answer`: the callback with the query as it came. Throws for all that is not an answer to what was expected. */
  finish(answer: URL, expected: Expected): Promise<Vouching>;
  /**
   * Where a browser ends its session at the issuer (OpenID Connect RP-Initiated Logout 1.0), to come back to `after`; `null`:
   * the issuer has no such place. `idToken`: that of the sign-in, where it is known. Throws when the issuer cannot be asked.
   */
  end(idToken: string | null, after: string): Promise<string | null>;
}
export interface Vouching {
  readonly claims: Claims;
  /** As it came. */
  readonly idToken: string | null;
}

/** One request of ours. */
const timeoutSeconds = 5;
/** Between their clock and ours. */
const toleranceSeconds = 30;
/** The discovery document is read again after this; its keys after five minutes, which the library sees to. */
const knownMs = 3_600_000;

/** Loaded with the first sign-in: most processes have no issuer, and none needs it to be ready. */
const library = () => import("openid-client");

export function issuerOf(
  settings: IssuerSettings,
  fetch: (request: Request) => Promise<Response>,
  now: () => number,
): Issuer {
  let known: { readonly configuration: Promise<Configuration>; readonly atMs: number } | null = null;

  /** One request for all who come meanwhile; a failure is not kept. */
  function configuration(): Promise<Configuration> {
    if (known && now() - known.atMs < knownMs) return known.configuration;
    const asked = { configuration: discovered(settings, fetch), atMs: now() };
    known = asked;
    asked.configuration.catch(() => {
      if (known === asked) known = null;
    });
    return asked.configuration;
  }

  return {
    async begin(callback) {
      const client = await library();
      const expected = {
        state: client.randomState(),
        nonce: client.randomNonce(),
        verifier: client.randomPKCECodeVerifier(),
      };
      const url = client.buildAuthorizationUrl(await configuration(), {
        redirect_uri: callback,
        scope: [...new Set(["openid", ...settings.scopes])].join(" "),
        state: expected.state,
        nonce: expected.nonce,
        code_challenge: await client.calculatePKCECodeChallenge(expected.verifier),
        code_challenge_method: "S256",
      });
      return { url: url.href, expected };
    },
    async finish(answer, { state, nonce, verifier }) {
      const { authorizationCodeGrant, fetchUserInfo } = await library();
      const client = await configuration();
      const tokens = await authorizationCodeGrant(client, answer, {
        expectedState: state,
        expectedNonce: nonce,
        pkceCodeVerifier: verifier,
        idTokenExpected: true,
      });
      const told = tokens.claims();
      if (told === undefined) throw new Error("the issuer sent no ID token");
      const idToken = tokens.id_token ?? null;
      const { email, groups } = settings.claims;
      const isWhole = [email, groups].every((name) => claimAt(told, name) !== undefined);
      if (isWhole || client.serverMetadata().userinfo_endpoint === undefined) return { claims: told, idToken };
      const more = await fetchUserInfo(client, tokens.access_token, told.sub);
      // An address and the word that it was checked come from one place, or the word is about another address.
      const claims =
        claimAt(told, email) === undefined
          ? { ...told, ...more, iss: told.iss, sub: told.sub }
          : { ...more, ...told, ...pick(told, [email, settings.claims.emailVerified]) };
      return { claims, idToken };
    },
    async end(idToken, after) {
      const { buildEndSessionUrl } = await library();
      const client = await configuration();
      if (client.serverMetadata().end_session_endpoint === undefined) return null;
      const hint = idToken === null ? {} : { id_token_hint: idToken };
      const url = buildEndSessionUrl(client, { post_logout_redirect_uri: after, ...hint });
      // A browser is sent there: what an issuer over https tells must not be anything else.
      return url.protocol === new URL(settings.issuer).protocol ? url.href : null;
    },
  };
}

async function discovered(
  { issuer, clientId, clientSecret, clientAuth }: IssuerSettings,
  fetch: (request: Request) => Promise<Response>,
): Promise<Configuration> {
  const client = await library();
  const url = new URL(issuer);
  const authentication =
    clientSecret === undefined
      ? client.None()
      : clientAuth === "basic"
        ? client.ClientSecretBasic(clientSecret)
        : client.ClientSecretPost(clientSecret);
  return client.discovery(url, clientId, { [client.clockTolerance]: toleranceSeconds }, authentication, {
    timeout: timeoutSeconds,
    [client.customFetch]: boundedFetch(fetch),
    // Without these the ID token's signature would be left to the TLS of the token endpoint (Core §3.1.3.7).
    execute: [client.enableNonRepudiationChecks, ...(url.protocol === "http:" ? [client.allowInsecureRequests] : [])],
  });
}

/** `undefined` where there is none, so that nothing else fills the gap. */
const pick = (claims: Claims, names: readonly string[]): Readonly<Record<string, unknown>> =>
  Object.fromEntries(names.map((name) => [name, claims[name]]));
