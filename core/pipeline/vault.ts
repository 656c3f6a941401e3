import { Buffer } from "node:buffer";
import { createHash } from "node:crypto";
import { isJsonObject, type JsonObject } from "../chat/json.ts";
import { within } from "../plugin/deadline.ts";
import type { Awaitable, Logger, Namespace } from "../plugin/plugin.ts";
import { opened, sealed } from "../runtime/seal.ts";

/**
 * What clients of some protocols have no place for and a vendor wants back on the next turn: signed reasoning, kept under
 * the account and the id of the tool call that it led to. Encrypted, for a day, within bounds; it helps where it can, and
 * never holds up or fails a call.
 */
export interface Vault {
  /** Written behind: it returns at once. What is too large is not kept. */
  keep(accountId: string, callId: string, secret: JsonObject): void;
  /** `null`: never kept, forgotten, or not readable in time. */
  find(accountId: string, callId: string): Awaitable<JsonObject | null>;
}

export interface VaultOptions {
  /** 32 bytes. */
  readonly key: Buffer;
  /** Survives a restart; what it holds is sealed already. */
  readonly storage: Namespace;
  readonly logger: Logger;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
  /** Of sealed text in memory, in bytes; the least used goes first. */
  readonly maxBytes?: number;
}

/** A person may answer an agent's question the next morning. */
const lifetimeMs = 24 * 3_600_000;
/** How long the storage's word is taken for it. */
const rememberedMs = 300_000;
/** The thoughts before one call; longer ones are rare, and a vendor's request has an end too. */
const maxSecretBytes = 512 * 1_024;
const defaultMaxBytes = 32 * 1_024 * 1_024;
/** A storage far away must not make a call wait. */
const findTimeoutMs = 250;
/** Ids of calls that had nothing to keep, so that the storage is not asked for them turn after turn. */
const maxMissing = 20_000;

interface Remembered {
  /** Sealed, in base64. */
  readonly text: string;
  /** Epoch ms. */
  readonly untilMs: number;
}
/** With what its place and the map take. */
const sizeOf = ({ text }: Remembered): number => text.length + 256;

export function createVault({ key, storage, logger, now, maxBytes = defaultMaxBytes }: VaultOptions): Vault {
  const memory = new Map<string, Remembered>();
  const missing = new Set<string>();
  let bytes = 0;

  function remember(place: string, entry: Remembered): void {
    forget(place);
    memory.set(place, entry);
    bytes += sizeOf(entry);
    for (const oldest of memory.keys()) {
      if (bytes <= maxBytes) break;
      forget(oldest);
    }
  }

  function forget(place: string): void {
    const entry = memory.get(place);
    if (entry === undefined) return;
    memory.delete(place);
    bytes -= sizeOf(entry);
  }

  const failed = (error: unknown) => logger.warn({ error }, "the signature vault could not use the storage");

  /** What the storage has, remembered either way. It was written by this process or one before: its end is not known. */
  function fetched(accountId: string, callId: string, place: string, text: unknown): JsonObject | null {
    if (typeof text === "string") {
      remember(place, { text, untilMs: now() + rememberedMs });
      return secretIn(key, accountId, callId, text);
    }
    if (missing.size >= maxMissing) missing.clear();
    missing.add(place);
    return null;
  }

  return {
    keep(accountId, callId, secret) {
      const plain = JSON.stringify(secret);
      if (plain.length > maxSecretBytes) return;
      const place = placeOf(accountId, callId);
      const text = textOf(key, accountId, callId, plain);
      missing.delete(place);
      remember(place, { text, untilMs: now() + lifetimeMs });
      try {
        const written = storage.set(place, text, { ttlMs: lifetimeMs });
        if (written instanceof Promise) written.catch(failed);
      } catch (error) {
        failed(error);
      }
    },
    find(accountId, callId) {
      const place = placeOf(accountId, callId);
      const entry = memory.get(place);
      if (entry !== undefined && entry.untilMs > now()) {
        remember(place, entry);
        return secretIn(key, accountId, callId, entry.text);
      }
      if (missing.has(place)) return null;
      try {
        const value = storage.get(place);
        if (!(value instanceof Promise)) return fetched(accountId, callId, place, value);
        return within(findTimeoutMs, () => value).then(
          (found) => fetched(accountId, callId, place, found),
          (error: unknown) => {
            failed(error);
            return null;
          },
        );
      } catch (error) {
        failed(error);
        return null;
      }
    },
  };
}

/** Ids of calls are the vendor's, of any length; the account keeps those of tenants apart. */
const placeOf = (accountId: string, callId: string): string =>
  `${accountId}/${createHash("sha256").update(callId).digest("base64url")}`;

const textOf = (key: Buffer, accountId: string, callId: string, plain: string): string =>
  sealed(key, [accountId, callId], plain).toString("base64");

/** `null`: made with another key, for another place, or damaged. */
function secretIn(key: Buffer, accountId: string, callId: string, text: string): JsonObject | null {
  const plain = opened(key, [accountId, callId], Buffer.from(text, "base64"));
  if (plain === null) return null;
  const secret: unknown = JSON.parse(plain.toString());
  return isJsonObject(secret) ? secret : null;
}
