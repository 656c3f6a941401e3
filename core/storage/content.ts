import type { Awaitable } from "../plugin/plugin.ts";
import type { Change } from "./audit.ts";

/**
 * Whether prompts and answers are kept: what a key says, else what the nearest account up the tree says, else not.
 * `forbid`, on accounts only, binds all below it, whatever they say.
 */
export type ContentSetting = "on" | "off" | "forbid";

export interface ContentOwner {
  readonly kind: "key" | "account";
  readonly id: string;
}

export interface StoredContent {
  readonly callId: string;
  /** `null`: the call came without a key of ours. */
  readonly keyId: string | null;
  readonly accountId: string;
  /** Of the start of the call. */
  readonly createdMs: number;
  /** Opaque here: what it says is encrypted. */
  readonly sealed: Uint8Array;
}

/** Prompts and answers of calls, and of whom they are kept: that is said with the key or the account. */
export interface ContentRepository {
  /** Answers from memory; `null`: it says nothing of its own. */
  setting(owner: ContentOwner): ContentSetting | null;
  /** `false`: nobody's content is kept. Answers from memory: it is asked on every call. */
  isOnForSome(): boolean;
  /** The oldest make place for it, above `maxTotalBytes`. A second one of a call does nothing. */
  write(content: StoredContent, maxTotalBytes: number): Awaitable<void>;
  read(callId: string): Awaitable<StoredContent | null>;
  /** A few at a time, in one transaction; returns how many: 0 when none is left. An account's, with all below it now. */
  remove(
    which: { readonly callId: string } | { readonly owner: ContentOwner } | { readonly beforeMs: number },
  ): Awaitable<number>;
  /** What is kept now. */
  size(): Awaitable<{ readonly calls: number; readonly bytes: number }>;
}

/** For the audit log: somebody reads what is kept of a call. */
export const readingOf = ({ callId, accountId }: Pick<StoredContent, "callId" | "accountId">): Change => ({
  action: "content.read",
  object: { kind: "call", id: callId },
  accountId,
  before: null,
  after: null,
});
