import type { Page, PageQuery } from "../storage/database.ts";
import type { PersonRow, TokenRow } from "../storage/people.ts";
import type { Actor } from "./policy.ts";
import type { ListedSession } from "./sessions.ts";
import type { Enrolment } from "./totp.ts";

/** A link by which somebody sets a password; shown once. */
export interface MadeLink {
  readonly url: string;
  readonly expiresMs: number;
}

/**
 * What people go through, whoever asks: the API or the dashboard. An actor sees who belongs to its part of the tree, and
 * `null` stands for everybody else as for nobody. It touches and makes nobody above its own role: `forbidden`.
 */
export interface PersonService {
  list(actor: Actor, query: PageQuery): Promise<Page<PersonRow>>;
  get(actor: Actor, id: string): Promise<PersonRow | null>;
  /** With the invitation's link; a service has none, and nobody where passwords are off. */
  create(actor: Actor, input: unknown): Promise<InvitedPerson>;
  /**
   * Whoever gets a role or a place that they had not begins anew under another id, since others may hold what signed them
   * in: with the link by which they set a password.
   */
  change(actor: Actor, id: string, input: unknown): Promise<InvitedPerson | null>;
  remove(actor: Actor, id: string): Promise<boolean>;
  /**
   * Takes away a link to an issuer, with the person's sessions: with a link to set a password, for whom nothing else is
   * left to sign in with. Where there are no passwords that is a `conflict`.
   */
  unlink(actor: Actor, id: string, input: unknown): Promise<InvitedPerson | null>;
  /** Another link, to set a password anew; it voids the one before. */
  renewLink(actor: Actor, id: string): Promise<MadeLink | null>;
  /** For somebody who lost it. */
  dropTotp(actor: Actor, id: string): Promise<PersonRow | null>;
  sessions(actor: Actor, id: string): Promise<readonly ListedSession[] | null>;
  endSession(actor: Actor, id: string, sessionId: string): Promise<boolean>;
  tokens(actor: Actor, id: string): Promise<readonly TokenRow[] | null>;
  /** Only for services: people make their own. */
  addToken(actor: Actor, id: string, input: unknown): Promise<MadeToken | null>;
  removeToken(actor: Actor, id: string, tokenId: string): Promise<boolean>;
}
export interface InvitedPerson {
  readonly person: PersonRow;
  readonly link: MadeLink | null;
}
export interface MadeToken {
  readonly row: TokenRow;
  /** The only moment it exists outside its holder's hands. */
  readonly token: string;
}

/** What people do for themselves. Whoever holds the admin token has nothing of this: `conflict`. */
export interface OwnService {
  rename(actor: Actor, input: unknown): Promise<PersonRow>;
  person(actor: Actor): Promise<PersonRow | null>;
  /** `conflict` where nothing else is left to sign in with; ends every other session than `keep`, a digest. */
  unlink(actor: Actor, input: unknown, keep: string | null): Promise<PersonRow | null>;
  /** Asks for the current one; ends every other session than `keep`, a digest. */
  setPassword(actor: Actor, input: unknown, keep: string | null): Promise<void>;
  sessions(actor: Actor): Promise<readonly ListedSession[]>;
  endSession(actor: Actor, id: string): Promise<boolean>;
  tokens(actor: Actor): Promise<readonly TokenRow[]>;
  /** Not for an actor that is a token itself: it would outlive its own end. */
  addToken(actor: Actor, input: unknown): Promise<MadeToken>;
  removeToken(actor: Actor, id: string): Promise<boolean>;
  /** Asks for the password. */
  beginTotp(actor: Actor, input: unknown): Promise<Enrolment>;
  /** What was begun, once more; `null`: it is over or another's. */
  begunTotp(actor: Actor, enrolment: string): Promise<Enrolment | null>;
  /** The recovery codes. */
  confirmTotp(actor: Actor, input: unknown): Promise<readonly string[]>;
  /** Asks for the password. */
  dropTotp(actor: Actor, input: unknown): Promise<void>;
}
