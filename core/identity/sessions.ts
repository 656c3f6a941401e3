import { Buffer } from "node:buffer";
import { createHash, timingSafeEqual } from "node:crypto";
import type { SessionRepository, SessionRow } from "../storage/people.ts";
import { holderOf } from "./person.ts";
import { type Holder, operator } from "./policy.ts";

/** After this a session ends, whatever happens. */
export const sessionMs = 12 * 60 * 60 * 1000;
/** After this without a request of a person a session ends; refreshes of an open page do not count. */
export const idleMs = 2 * 60 * 60 * 1000;

export interface Session {
  /** Who is signed in, as they are now. */
  readonly holder: Holder;
  /** Sent along with every request that changes something; bound to the session, useless without its cookie. */
  readonly csrf: string;
  /** Names it in the database. */
  readonly digest: string;
}
export interface ListedSession {
  readonly id: string;
  readonly createdMs: number;
  readonly expiresMs: number;
  /** When a person last asked for something in it; `null`: not since this process started. */
  readonly seenMs: number | null;
  readonly address: string | null;
  readonly agent: string | null;
  readonly digest: string;
}
/** Where a sign-in comes from, to be recognised in the list. */
export interface Origin {
  readonly address: string | null;
  readonly agent: string | null;
}
export interface Sessions {
  /** A new session; the value is for the cookie, and only its hash is kept. `null`: of the admin token. */
  open(personId: string | null, from: Origin): Promise<string>;
  /** `null`: unknown, over, or idle for too long. `active`: a person asked, so the idle time starts anew. */
  find(value: string | null, active: boolean): Promise<Session | null>;
  close(value: string | null): Promise<void>;
  /** Those of a person that are not over, newest first; `null`: those of the admin token. */
  list(personId: string | null): Promise<readonly ListedSession[]>;
  /** `false`: the person has no such session. */
  end(personId: string | null, id: string): Promise<boolean>;
}

/** Idle times are kept in memory: after a restart they start anew, while the absolute end stays. */
export function createSessions(repository: SessionRepository, now: () => number): Sessions {
  const lastSeen = new Map<string, number>();
  async function list(personId: string | null): Promise<readonly ListedSession[]> {
    const rows = await repository.list(personId, now());
    return rows
      .map((row) => listed(row, lastSeen.get(row.digest) ?? null))
      .filter(({ seenMs }) => seenMs === null || now() - seenMs <= idleMs);
  }
  return {
    async open(personId, { address, agent }) {
      const value = Buffer.from(crypto.getRandomValues(new Uint8Array(32))).toString("base64url");
      await repository.create(hash(value), {
        id: crypto.randomUUID(),
        personId,
        role: operator.role,
        createdMs: now(),
        expiresMs: now() + sessionMs,
        address,
        agent: agent === null ? null : agent.slice(0, maxAgentLength),
      });
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
      return { holder: row.person ? holderOf(row.person, "person") : operator, csrf: hash(`${value}csrf`), digest };
    },
    async close(value) {
      if (value === null || !wellFormed.test(value)) return;
      lastSeen.delete(hash(value));
      await repository.remove(hash(value));
    },
    list,
    async end(personId, id) {
      const found = (await list(personId)).find((session) => session.id === id);
      if (!found) return false;
      lastSeen.delete(found.digest);
      await repository.remove(found.digest);
      return true;
    },
  };
}

/** In constant time. */
export function sameToken(given: string | null, expected: string): boolean {
  return given !== null && timingSafeEqual(Buffer.from(hash(given)), Buffer.from(hash(expected)));
}

const maxAgentLength = 200;
/** 256 bits as base64url. */
const wellFormed = /^[\w-]{43}$/;
const maxRemembered = 1000;

const hash = (text: string): string => createHash("sha256").update(text).digest("hex");

/** One of before sessions had an id goes by the start of its digest, which opens nothing. */
const listed = ({ id, digest, createdMs, expiresMs, address, agent }: SessionRow, seenMs: number | null) => ({
  id: id ?? digest.slice(0, 32),
  digest,
  createdMs,
  expiresMs,
  seenMs,
  address,
  agent,
});

/** Keeps the map in the order of use and forgets the oldest: bounded, whatever the number of sessions. */
function remember(lastSeen: Map<string, number>, digest: string, atMs: number): void {
  lastSeen.delete(digest);
  lastSeen.set(digest, atMs);
  if (lastSeen.size > maxRemembered) lastSeen.delete(lastSeen.keys().next().value ?? digest);
}
