import { Buffer } from "node:buffer";
import type { Logger } from "../plugin/plugin.ts";
import { opened, sealed } from "../runtime/seal.ts";
import type { Database } from "../storage/database.ts";
import type { PersonRow } from "../storage/people.ts";
import { type Claims, type Expected, type Issuer, issuerOf, type IssuerSettings, type Vouching } from "./issuer.ts";
import { mapped, type Mapping } from "./issuer-claims.ts";

export interface LoginIssuerSettings extends IssuerSettings, Mapping {
  readonly label?: string;
  readonly createPeople: boolean;
  /** Whether signing out here also ends the session there. */
  readonly endSession: boolean;
}

/** Signs people in whom an issuer vouches for. */
export interface IssuerLogin {
  /** In the order of the file. */
  readonly issuers: readonly { readonly name: string; readonly label: string }[];
  /** `null`: there is no such issuer. `down`: it cannot be asked now. `kept` is for the browser to bring back, sealed. */
  begin(name: string, next: string): Promise<{ readonly url: string; readonly kept: string } | "down" | null>;
  /** `kept` as the browser brought it; `query` as the issuer sent the browser back with. */
  finish(name: string, kept: string | null, query: string): Promise<FinishedLogin | null>;
  /** What the browser brings back when it signs out of this session; sealed. */
  keep(name: string, idToken: string | null, session: string): string;
  /** Where it ends its session at the issuer; `null`: nowhere, or the issuer cannot be asked now. */
  end(kept: string | null, session: string): Promise<{ readonly url: string; readonly label: string } | null>;
}
export type FinishedLogin =
  | { readonly done: "in"; readonly person: PersonRow; readonly next: string; readonly idToken: string | null }
  | { readonly done: "refused"; readonly why: string; readonly next: string }
  /** It cannot be asked now. */
  | { readonly done: "down"; readonly next: string };

export interface IssuerLoginDependencies {
  readonly settings: Readonly<Record<string, LoginIssuerSettings>>;
  /** The way out for the issuer of these settings. */
  readonly fetchFor: (settings: LoginIssuerSettings) => (request: Request) => Promise<Response>;
  readonly database: Pick<Database, "people" | "accounts">;
  /** 32 bytes, with which is sealed what the browser keeps. */
  readonly key: Buffer;
  readonly publicUrl: string;
  readonly logger: Logger;
  readonly now: () => number;
  readonly newId: () => string;
}

/** From the button to the way back. */
export const signInMs = 10 * 60_000;
const maxUsed = 10_000;

/** Characters: sealed and encoded, it has to fit into a cookie of 4,096 bytes (RFC 6265 §6.1). */
const maxIdToken = 2_800;

interface KeptOut {
  readonly name: string;
  readonly idToken: string | null;
}
interface Kept extends Expected {
  readonly next: string;
  readonly untilMs: number;
}

export function issuerLogin(dependencies: IssuerLoginDependencies): IssuerLogin {
  const { settings, fetchFor, database, key, publicUrl, logger, now, newId } = dependencies;
  const known = new Map<string, Issuer>(
    Object.entries(settings).map(([name, one]) => [name, issuerOf(one, fetchFor(one), now)]),
  );
  /**
   * States that came back, until they would be too old. In memory: elsewhere, or after a restart, it is the issuer that
   * takes no code twice.
   */
  const used = new Map<string, number>();
  const callbackOf = (name: string) => `${publicUrl}/dashboard/login/oidc/${name}/callback`;

  /** `false`: it came back before. */
  function take({ state, untilMs }: Kept): boolean {
    if (used.has(state)) return false;
    for (const [old, endMs] of used) if (endMs <= now() || used.size >= maxUsed) used.delete(old);
    used.set(state, untilMs);
    return true;
  }
  /** Who the claims are of, or why nobody may come in. */
  async function personOf(name: string, claims: Claims): Promise<PersonRow | string> {
    const own = settings[name];
    if (!own) return words.unknown;
    const found = mapped(claims, own);
    if ("refused" in found) {
      // What they were given for a group must not outlive it.
      const out = await database.people.shutOut(claims.iss, claims.sub);
      if (out?.role === "owner") logger.warn({ issuer: name, person: out.id }, lastOwner);
      return found.refused;
    }
    const { account, ...stranger } = found;
    const accountId = account === null ? null : await database.accounts.idOf(account);
    if (account !== null && accountId === null) {
      const why = await database.accounts.whyNot(account);
      logger.error({ issuer: name, account, why }, "a role of an issuer names an account that is not found");
      return words.account;
    }
    const vouched = { ...stranger, accountId, newId: newId(), createPeople: own.createPeople, atMs: now() };
    const person = await database.people.vouch(vouched);
    if (typeof person === "string") return words[person];
    if (person.role !== stranger.role || person.accountId !== accountId)
      logger.warn({ issuer: name, person: person.id }, lastOwner);
    return person;
  }
  const isDown = (name: string, error: unknown): boolean => {
    const told = failureOf(error);
    logger.warn({ issuer: name, ...told }, "a sign-in through an issuer failed");
    return told.code === undefined;
  };

  return {
    issuers: Object.entries(settings).map(([name, { label = name }]) => ({ name, label })),
    async begin(name, next) {
      const issuer = known.get(name);
      if (!issuer) return null;
      try {
        const { url, expected } = await issuer.begin(callbackOf(name));
        const kept: Kept = { ...expected, next, untilMs: now() + signInMs };
        return { url, kept: sealed(key, ["sign-in", name], JSON.stringify(kept)).toString("base64url") };
      } catch (error) {
        isDown(name, error);
        return "down";
      }
    },
    async finish(name, given, query) {
      const issuer = known.get(name);
      if (!issuer) return null;
      const kept = keptIn(given && opened(key, ["sign-in", name], Buffer.from(given, "base64url")));
      const refused = (why: string) => ({ done: "refused", why, next: kept?.next ?? "" }) as const;
      const answer = new URL(`${callbackOf(name)}${query}`);
      if (kept === null || kept.untilMs <= now() || answer.searchParams.get("state") !== kept.state || !take(kept))
        return refused(words.again);
      let vouching: Vouching;
      try {
        vouching = await issuer.finish(answer, kept);
      } catch (error) {
        const { next } = kept;
        return isDown(name, error) ? { done: "down", next } : refused(saidBy(answer) ?? words.answer);
      }
      const person = await personOf(name, vouching.claims);
      const { idToken } = vouching;
      return typeof person === "string" ? refused(person) : { done: "in", person, next: kept.next, idToken };
    },
    keep(name, idToken, session) {
      const fits = idToken !== null && idToken.length <= maxIdToken;
      const kept: KeptOut = { name, idToken: fits ? idToken : null };
      return sealed(key, ["sign-out", session], JSON.stringify(kept)).toString("base64url");
    },
    async end(given, session) {
      const bytes = given && opened(key, ["sign-out", session], Buffer.from(given, "base64url"));
      if (!bytes) return null;
      // Sealed by us alone, so it is what we wrote.
      const { name, idToken }: KeptOut = JSON.parse(bytes.toString("utf8"));
      const own = settings[name];
      if (!own?.endSession) return null;
      try {
        const url = await known.get(name)?.end(idToken, `${publicUrl}/dashboard/login`);
        return url ? { url, label: own.label ?? name } : null;
      } catch (error) {
        logger.warn({ issuer: name, ...failureOf(error) }, "a session at an issuer could not be ended");
        return null;
      }
    },
  };
}

const lastOwner = "an issuer would take the role of the last owner, who keeps it: make another owner";

const words = {
  again: "This sign-in is too old, was used before, or was begun in another browser. Begin again.",
  answer: "The answer of the issuer does not hold. Begin again; the log of the proxy says more.",
  account: "Your group belongs to an account that is not found here. Ask whoever runs this proxy.",
  "no-address": "The issuer does not say that your e-mail address is verified, so nobody can be found by it.",
  unknown: "Nobody was invited with your e-mail address.",
  taken: "Your e-mail address belongs to somebody whom the issuer knows as another. Ask whoever manages people here.",
  "last-owner":
    "Your e-mail address belongs to the last owner here, and the issuer gives you less. Ask whoever runs this proxy.",
} as const;

function keptIn(bytes: Buffer | null | ""): Kept | null {
  if (!bytes) return null;
  // Sealed by us alone, so it is what we wrote.
  const kept: Kept = JSON.parse(bytes.toString("utf8"));
  return kept;
}

/** What the issuer itself calls it (RFC 6749 §4.1.2.1); its description is anybody's text. */
function saidBy({ searchParams }: URL): string | null {
  const error = searchParams.get("error");
  return error !== null && /^[a-z_]{1,40}$/.test(error) ? `The issuer did not sign you in: ${error}.` : null;
}

/** Without what came along: answers hold tokens. `code` absent: nothing came that could be refused. */
function failureOf(error: unknown): { readonly reason: string; readonly code?: string } {
  if (!(error instanceof Error)) return { reason: "unknown" };
  const field = (name: string): unknown => Reflect.get(error, name);
  const [code, said] = [field("code"), field("error")];
  const { message } = error.cause instanceof Error ? error.cause : error;
  const reason = typeof said === "string" ? said : message;
  const isBroken = error.cause instanceof Response && error.cause.status >= 500;
  const isOurs = typeof code === "string" && code.startsWith("OAUTH_") && code !== "OAUTH_TIMEOUT";
  return { reason: reason.slice(0, 300), ...(isOurs && !isBroken && { code }) };
}
