import { Buffer } from "node:buffer";
import { createHash, timingSafeEqual } from "node:crypto";
import { type Holder, operator } from "../identity/policy.ts";
import type { SessionRepository } from "../storage/database.ts";

/** After this a session ends, whatever happens. */
export const sessionMs = 12 * 60 * 60 * 1000;
/** After this without a request of a person a session ends; refreshes of an open page do not count. */
export const idleMs = 2 * 60 * 60 * 1000;

export interface Session {
  readonly holder: Holder;
  /** Sent along with every request that changes something; bound to the session, useless without its cookie. */
  readonly csrf: string;
}
export interface Sessions {
  /** A new session; the value is for the cookie, and only its hash is kept. */
  open(holder: Holder): Promise<string>;
  /** `null`: unknown, over, or idle for too long. `active`: a person asked, so the idle time starts anew. */
  find(value: string | null, active: boolean): Promise<Session | null>;
  close(value: string | null): Promise<void>;
}

/** Idle times are kept in memory: after a restart they start anew, while the absolute end stays. */
export function createSessions(repository: SessionRepository, now: () => number): Sessions {
  const lastSeen = new Map<string, number>();
  return {
    async open({ role }) {
      const value = Buffer.from(crypto.getRandomValues(new Uint8Array(32))).toString("base64url");
      await repository.create(hash(value), { role, createdMs: now(), expiresMs: now() + sessionMs });
      return value;
    },
    async find(value, active) {
      if (value === null || !wellFormed.test(value)) return null;
      const digest = hash(value);
      const atMs = now();
      const row = await repository.find(digest, atMs);
      if (row === null) {
        lastSeen.delete(digest);
        return null;
      }
      const seenMs = lastSeen.get(digest) ?? atMs;
      if (atMs - seenMs > idleMs) {
        lastSeen.delete(digest);
        await repository.remove(digest);
        return null;
      }
      remember(lastSeen, digest, active ? atMs : seenMs);
      return { holder: { ...operator, role: row.role }, csrf: hash(`${value}csrf`) };
    },
    async close(value) {
      if (value === null || !wellFormed.test(value)) return;
      lastSeen.delete(hash(value));
      await repository.remove(hash(value));
    },
  };
}

/** In constant time. */
export function sameToken(given: string | null, expected: string): boolean {
  return given !== null && timingSafeEqual(Buffer.from(hash(given)), Buffer.from(hash(expected)));
}

/** 256 bits as base64url. */
const wellFormed = /^[\w-]{43}$/;
const maxRemembered = 1000;

const hash = (text: string): string => createHash("sha256").update(text).digest("hex");

/** Keeps the map in the order of use and forgets the oldest: bounded, whatever the number of sessions. */
function remember(lastSeen: Map<string, number>, digest: string, atMs: number): void {
  lastSeen.delete(digest);
  lastSeen.set(digest, atMs);
  if (lastSeen.size > maxRemembered) lastSeen.delete(lastSeen.keys().next().value ?? digest);
}
