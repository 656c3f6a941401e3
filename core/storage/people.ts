import type { Awaitable } from "../plugin/plugin.ts";
import type { Page, PageQuery, Under } from "./database.ts";

type PersonRole = "owner" | "admin" | "viewer" | "member";

/** Somebody who may sign in, or a service, which only holds tokens. */
export interface PersonRow {
  readonly id: string;
  readonly kind: "person" | "service";
  /** In lower case; `null`: a service. */
  readonly email: string | null;
  readonly name: string;
  readonly role: PersonRole;
  /** The account whose part of the tree they see; `null`: all of it. */
  readonly accountId: string | null;
  readonly createdMs: number;
  readonly signedInMs: number | null;
  /** Has set a password; one that has not was invited. */
  readonly hasPassword: boolean;
  readonly hasTotp: boolean;
  /** OpenID issuers that they sign in with, or did. */
  readonly issuers: readonly string[];
}
export type NewPerson = Pick<PersonRow, "id" | "kind" | "email" | "name" | "role" | "accountId" | "createdMs">;
export type PersonChange = Partial<Pick<PersonRow, "email" | "name" | "role" | "accountId">>;

/** By which somebody sets a password, once. */
export interface NewLink {
  readonly digest: string;
  readonly expiresMs: number;
}

/** How somebody who gets more than they had goes on: with nothing of what could sign them in before. */
export interface BegunAnew {
  readonly newId: () => string;
  /** By which they set a password; `null`: they do not sign in with one. */
  readonly link: NewLink | null;
  readonly atMs: number;
}

/** Somebody as an issuer knows them, and what they are to be here from now on. */
export interface Vouched {
  /** `iss` and `sub`. */
  readonly issuer: string;
  readonly subject: string;
  /** In lower case, and verified; `null`: there is none. */
  readonly email: string | null;
  /** Of somebody new. */
  readonly name: string;
  readonly role: PersonRole;
  readonly accountId: string | null;
  /** Of somebody new, and of somebody known from whom everything is taken that signed them in before. */
  readonly newId: string;
  /** Whether somebody new may come. */
  readonly createPeople: boolean;
  readonly atMs: number;
}
/**
 * `no-address`: not linked yet, and nothing to know them by. `unknown`: nobody has the address. `taken`: its holder is
 * linked to another subject of the same issuer. `last-owner`: its holder is that one, not linked yet, and was to be less.
 */
export type NotVouched = "no-address" | "unknown" | "taken" | "last-owner";

/** What is kept to check a sign-in by. */
export interface PersonSecrets {
  readonly person: PersonRow;
  /** Argon2id in the PHC format. */
  readonly password: string | null;
  /** Sealed. */
  readonly totp: Uint8Array | null;
}

export interface SessionRow {
  readonly digest: string;
  /** Names it in lists; opens nothing. `null`: it was opened before sessions had one. */
  readonly id: string | null;
  /** `null`: whoever held the admin token. */
  readonly person: PersonRow | null;
  /** What it may without a person. */
  readonly role: PersonRole;
  readonly createdMs: number;
  readonly expiresMs: number;
  readonly address: string | null;
  readonly agent: string | null;
}
export interface NewSession extends Omit<SessionRow, "person" | "digest"> {
  readonly id: string;
  readonly personId: string | null;
}
/** Dashboard sessions; `digest` is the hash of the cookie's opaque value. */
export interface SessionRepository {
  /** Throws `not-found` when the person is gone. */
  create(digest: string, session: NewSession): Awaitable<void>;
  /** `null`: unknown or expired. The person is as they are now. */
  find(digest: string, nowMs: number): Awaitable<SessionRow | null>;
  remove(digest: string): Awaitable<void>;
  removeAll(): Awaitable<void>;
  /** Those of a person, newest first; `null`: those of the admin token. */
  list(personId: string | null, nowMs: number): Awaitable<readonly SessionRow[]>;
}

export interface TokenRow {
  readonly id: string;
  readonly name: string;
  readonly last4: string;
  readonly createdMs: number;
  /** `null`: never. */
  readonly expiresMs: number | null;
}

export interface PeopleRepository {
  get(id: string): Awaitable<PersonRow | null>;
  /** Newest first. */
  list(query: PageQuery & Under): Awaitable<Page<PersonRow>>;
  /** Whether anybody at all has a password to sign in with. */
  canSignIn(): Awaitable<boolean>;
  /** Whether anybody can sign in, by a password or an issuer, who may do everything. */
  hasOwner(): Awaitable<boolean>;
  /** `by`: an id or an e-mail address in lower case. */
  secretsOf(by: { readonly id: string } | { readonly email: string }): Awaitable<PersonSecrets | null>;
  /**
   * With the link of an invitation. Throws `conflict` when the address is taken, `not-found` for an unknown account; so
   * does `change`.
   */
  create(person: NewPerson, link?: NewLink | null): Awaitable<PersonRow>;
  /**
   * `null`: no such person. Throws `conflict` when nobody would be left who can sign in and may do everything; so does
   * `remove`. Whoever gets a role or a place that they had not begins anew, as by `vouch`, without a link to an issuer
   * and with the link given; so it takes `anew`.
   */
  change(id: string, change: PersonChange, anew?: BegunAnew): Awaitable<PersonRow | null>;
  /** Ends sessions, tokens and links with it. `false`: no such person. */
  remove(id: string): Awaitable<boolean>;
  /** Voids links and ends every session but `keep`, a digest. */
  setPassword(id: string, hash: string, keep: string | null): Awaitable<void>;
  setTotp(
    id: string,
    totp: { readonly secret: Uint8Array; readonly recovery: readonly string[] } | null,
  ): Awaitable<void>;
  /** `false`: a code of this step, or of a later one, was taken before. */
  takeStep(id: string, step: number): Awaitable<boolean>;
  /** `false`: there is no such recovery code, or it was taken before. */
  takeRecovery(id: string, hash: string): Awaitable<boolean>;
  signedIn(id: string, atMs: number): Awaitable<void>;
  /** Voids the links before it. */
  setLink(id: string, link: NewLink): Awaitable<void>;
  /** `null`: unknown or expired. */
  findLink(digest: string, nowMs: number): Awaitable<PersonRow | null>;
  /** The same, once: the link is void after it. */
  takeLink(digest: string, nowMs: number): Awaitable<PersonRow | null>;
  /**
   * Finds who it is by issuer and subject, else by the address, else makes them; links them, and gives them the role and
   * the account; only the last owner keeps theirs. Throws `not-found` for an unknown account.
   *
   * Whoever could manage somebody may hold what signs them in: an invitation to another's address is enough. So at a
   * first link, and whenever they get a role or a place that they had not, somebody known begins anew under `newId`:
   * password, second factor, links, sessions and tokens are gone, with more than before also the logins of other
   * issuers. What is under way with the old id, as a password being checked, finds nobody.
   */
  vouch(vouched: Vouched): Awaitable<PersonRow | NotVouched>;
  /**
   * Takes away a link to an issuer, with every session but `keep`, a digest. `link`: by which they set a password, for
   * whom nothing else would be left to sign in with; without one that is a `conflict`, and so is the last owner's last
   * way in. `null`: no such person, or not linked to it.
   */
  unlink(
    id: string,
    issuer: string,
    given: { readonly keep: string | null; readonly link: NewLink | null },
  ): Awaitable<{ readonly person: PersonRow; readonly linked: boolean } | null>;
  /** Whoever is linked becomes a member, but for the last owner, and their sessions and tokens end. `null`: nobody is. */
  shutOut(issuer: string, subject: string): Awaitable<PersonRow | null>;
  addToken(personId: string, token: TokenRow & { readonly digest: string }): Awaitable<TokenRow>;
  /** Newest first; expired ones too. */
  tokensOf(personId: string): Awaitable<readonly TokenRow[]>;
  /** `false`: the person has no such token. */
  removeToken(personId: string, id: string): Awaitable<boolean>;
  /** `null`: unknown or expired. */
  findToken(digest: string, nowMs: number): Awaitable<PersonRow | null>;
}
