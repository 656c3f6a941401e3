import type { Operation } from "../dialects/dialect.ts";
import type { Awaitable, Limits } from "../plugin/plugin.ts";
import type { NewBudget } from "./budget.ts";
import type { ContentSetting } from "./content.ts";
import type { Page, PageQuery, Under } from "./database.ts";

/** What may be changed of a key as long as it lives. */
export interface KeyTerms {
  readonly name: string;
  readonly models: readonly string[] | "all";
  readonly operations: readonly Operation[] | "all";
  /** Paths of calls, each perhaps with `*` for a part of it. */
  readonly routes: readonly string[] | "all";
  readonly limits: Limits;
  /** Networks the key may be used from; empty is no restriction. */
  readonly cidrs: readonly string[];
  /** Texts of the operator's own, which mean nothing here. */
  readonly metadata: Readonly<Record<string, string>>;
  readonly expiresMs: number | null;
  /** Since when it is refused, until somebody enables it again. */
  readonly disabledMs: number | null;
}
/** What is kept of one secret: never the secret. */
export interface StoredSecret {
  /** HMAC of the whole key, hex; of its SHA-256 in hex where only that was known. */
  readonly digest: string;
  /** Safe to show: `sk-llmp-<public id>`, or what an importer gave. */
  readonly prefix: string;
  readonly last4: string;
  /** Made elsewhere, and known here by its SHA-256 only. */
  readonly imported: boolean;
}
export interface KeyRow extends KeyTerms, Omit<StoredSecret, "digest"> {
  readonly id: string;
  readonly accountId: string;
  /** Its name in the config file, which alone may change it. */
  readonly declaredAs: string | null;
  readonly revokedMs: number | null;
  readonly createdMs: number;
  readonly lastUsedMs: number | null;
}
export interface NewKey extends Omit<KeyRow, "revokedMs" | "lastUsedMs" | "disabledMs">, StoredSecret {}

export interface KeyChange extends Partial<KeyTerms> {
  /** Whether prompts and answers are kept; `null`: as its account says. */
  readonly content?: ContentSetting | null;
}

/** A secret that a rotation replaced and that still works. */
export interface OlderSecret extends Omit<StoredSecret, "digest"> {
  readonly untilMs: number;
}
export interface FoundKey {
  readonly row: KeyRow;
  /** When this secret ends, though the key goes on; `null`: it is the present one. */
  readonly untilMs: number | null;
}

export interface KeyRepository {
  /** Creates the key and its budget together, with what is said of its content. Throws `conflict` for a secret that another key has. */
  create(key: NewKey, budget: NewBudget | null, content?: ContentSetting | null): Awaitable<KeyRow>;
  findByDigest(digest: string): Awaitable<FoundKey | null>;
  /** Whether a secret that was made elsewhere can be a key at all. From memory: it is asked of every foreign credential. */
  hasImported(): boolean;
  get(id: string): Awaitable<KeyRow | null>;
  /** Those of the ids that there are, in any order. */
  names(ids: readonly string[]): Awaitable<readonly Pick<KeyRow, "id" | "name" | "accountId">[]>;
  list(query: PageQuery & Under): Awaitable<Page<KeyRow>>;
  /**
   * Makes the keys that the config file declares what it says, by their `declaredAs`; those it declares no longer are
   * disabled from `atMs` on, and returned as well. All or none: throws `conflict` or `not-found` with the name of the key as `param`.
   */
  declare(keys: readonly NewKey[], atMs: number): Awaitable<readonly KeyRow[]>;
  /** `null`: no such key. Only what is given changes. */
  change(id: string, change: KeyChange): Awaitable<KeyRow | null>;
  /**
   * A new secret; the present one, and those before it, work until `untilMs` at the latest; `null`: no such key. Throws
   * `conflict` for a revoked one.
   */
  rotate(id: string, secret: StoredSecret, atMs: number, untilMs: number): Awaitable<KeyRow | null>;
  /** Newest first. */
  olderSecrets(id: string, atMs: number): Awaitable<readonly OlderSecret[]>;
  /** `null`: no such key. Revoking twice keeps the first time. */
  revoke(id: string, atMs: number): Awaitable<KeyRow | null>;
}
