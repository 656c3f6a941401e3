import { Buffer } from "node:buffer";
import { createHash } from "node:crypto";
import type { Namespace } from "../plugin/plugin.ts";
import type { KeyHolder, Keys } from "./keys.ts";

/** After this a session of a key's holder ends, whatever happens: the key is at hand to sign in again. */
export const keySessionMs = 2 * 60 * 60 * 1000;

export interface KeySession extends KeyHolder {
  /** Sent along with every request that changes something; bound to the session, useless without its cookie. */
  readonly csrf: string;
}
/**
 * Sessions of holders of API keys. Each is of one secret and lives no longer than that: once it is rotated, revoked or
 * expired, or is used from elsewhere than its key allows, the session opens nothing.
 */
export interface KeySessions {
  /** Otherwise no key may call here, and none opens a session. */
  readonly takesKeys: boolean;
  /** The value for the cookie, of which only the hash is kept; `null`: no key that may call now. */
  open(credential: string, request: Request): Promise<string | null>;
  find(value: string | null, request: Request): Promise<KeySession | null>;
  close(value: string | null): Promise<void>;
}

export interface KeySessionsDependencies extends Pick<KeySessions, "takesKeys"> {
  readonly keys: Pick<Keys, "digestsIn" | "holder">;
  /** By the hash of each session's value: the digest of its secret. */
  readonly storage: Pick<Namespace, "get" | "set">;
}

export function createKeySessions({ takesKeys, keys, storage }: KeySessionsDependencies): KeySessions {
  async function heldIn(credential: string, request: Request): Promise<string | null> {
    if (!takesKeys) return null;
    for (const digest of keys.digestsIn(credential)) if ((await keys.holder(digest, request)) !== null) return digest;
    return null;
  }

  return {
    takesKeys,
    async open(credential, request) {
      const digest = await heldIn(credential, request);
      if (digest === null) return null;
      const value = Buffer.from(crypto.getRandomValues(new Uint8Array(32))).toString("base64url");
      await storage.set(hash(value), digest, { ttlMs: keySessionMs });
      return value;
    },
    async find(value, request) {
      if (!takesKeys || value === null || !wellFormed.test(value)) return null;
      const digest = await storage.get(hash(value));
      const holder = typeof digest === "string" ? await keys.holder(digest, request) : null;
      return holder && { ...holder, csrf: hash(`${value}csrf`) };
    },
    async close(value) {
      if (value !== null && wellFormed.test(value)) await storage.set(hash(value), null, { ttlMs: 0 });
    },
  };
}

/** 256 bits as base64url. */
const wellFormed = /^[\w-]{43}$/;

const hash = (text: string): string => createHash("sha256").update(text).digest("hex");
