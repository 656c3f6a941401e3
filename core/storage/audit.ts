import type { Json } from "../chat/json.ts";
import type { Awaitable } from "../plugin/plugin.ts";
import type { Page, PageQuery, Under } from "./database.ts";

/** Who does something, as it is written down beside it. */
export interface Author {
  /** `process`: the program by itself. `nobody`: somebody who showed no credential that is known. */
  readonly kind: "admin-token" | "person" | "api-token" | "key" | "config-file" | "command" | "process" | "nobody";
  readonly id: string | null;
  readonly name: string;
  readonly role: string | null;
  /** The account that they belong to. */
  readonly accountId: string | null;
  /** The peer's address; `null` where there is none, or it cannot be known. */
  readonly address: string | null;
  /** As `PATCH /api/keys/:id`; `null`: no request leads to it. */
  readonly route: string | null;
}

export type Fields = Readonly<Record<string, Json | undefined>>;

export interface AuditObject {
  readonly kind: string;
  /** `null`: there is only one of the kind. */
  readonly id: string | null;
}
/** What was done to an object. Secrets have no place here: of them only `changed` is said, or the last four characters. */
export interface Change {
  /** As `key.rotate`: the object's kind and what was done. */
  readonly action: string;
  readonly object: AuditObject;
  /** The account that the object belongs to; `null`: to none. */
  readonly accountId: string | null;
  /** All of its fields; those that are the same in both are left out. `null`: it was not there. */
  readonly before: Fields | null;
  /** `null`: it is gone. */
  readonly after: Fields | null;
  /** How many times; default 1. */
  readonly times?: number;
}

/** An entry of the log. */
export interface AuditRow {
  readonly seq: number;
  readonly createdMs: number;
  readonly actorKind: string;
  readonly actorId: string | null;
  readonly actorName: string;
  readonly actorRole: string | null;
  readonly actorAccountId: string | null;
  readonly address: string | null;
  readonly route: string | null;
  readonly action: string;
  readonly objectKind: string;
  readonly objectId: string | null;
  readonly accountId: string | null;
  /** JSON of an object, as it was hashed. */
  readonly before: string | null;
  readonly after: string | null;
  readonly times: number;
  /** `null`: it is not for those who see a part of the log. */
  readonly hash: string | null;
}
/** `under`: only what was done to objects of these accounts; where those above them are, and hashes, are left out. */
export interface AuditFilter extends Under {
  /** Id of a person, or the kind of an actor that has none, as `admin-token`. */
  readonly actor?: string;
  readonly action?: string;
  readonly objectKind?: string;
  readonly objectId?: string;
  readonly from?: number;
  readonly to?: number;
}
/** The last entry of a chain; of an empty one `seq` is 0. */
export interface AuditHead {
  readonly seq: number;
  readonly hash: string;
}
/** What a look along the chain found. */
export interface ChainPart {
  /** Up to here it is whole. */
  readonly through: AuditHead;
  /** The first entry that is wrong. */
  readonly broken: { readonly seq: number; readonly why: string } | null;
  /** There is more behind `through`. */
  readonly more: boolean;
}

/**
 * Entries are made by the repositories of what is changed, in the transaction that changes it. Nothing changes or removes
 * one.
 */
export interface AuditRepository {
  /** A page ends after a bounded look: it may be short, or empty, and have a next one. */
  list(filter: AuditFilter, query: PageQuery): Awaitable<Page<AuditRow>>;
  get(seq: number, query?: Under): Awaitable<AuditRow | null>;
  head(): Awaitable<AuditHead>;
  /** Looks at so many entries after `from`, which is taken as right. */
  verify(from: AuditHead, entries: number): Awaitable<ChainPart>;
  /** For what changes nothing else, as a login that failed. */
  add(change: Change): Awaitable<void>;
}
