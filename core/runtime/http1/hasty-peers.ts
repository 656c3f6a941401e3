import type { Connection } from "./connection.ts";

/** For how long that is believed at first, and at most: each further loss doubles it. */
const firstSpanMs = 60_000;
const maxSpanMs = 3_600_000;
/** A connection that ended later after its request did so for another reason: nothing is on its way for longer. */
const promptMs = 1_000;
/** Of what the peer is known to keep: a request takes its time to get there. */
const marginMs = 1_000;
/** After so many answers on one connection its end is an accident, and not what the peer does after each. */
const fewReuses = 3;
const maxKnown = 1_000;

/** How long connections stayed idle at most, in ms, before one was lost, and until when that is believed. */
interface Haste {
  readonly keptMs: number;
  readonly untilMs: number;
  readonly spanMs: number;
}

/**
 * Peers that close connections without a word: right after an answer, or after some seconds of silence. A request that
 * meets such an end is lost, since nothing is sent twice. So from the first one on, connections to that place are used
 * again only as soon as is known to be safe, or not at all.
 */
export function hastyPeers() {
  /** By place. */
  const known = new Map<string, Haste>();
  return {
    /** Asked first, because it nearly always is so. */
    get isNone(): boolean {
      return known.size === 0;
    },
    /** Whether it may wait for a further request, having just carried one; sets how long. */
    allows(connection: Connection, nowMs: number): boolean {
      const { key } = connection.place;
      const haste = known.get(key);
      if (!haste) return true;
      if (nowMs < haste.untilMs) {
        connection.keptMs = Math.min(connection.keptMs, haste.keptMs);
        return haste.keptMs > marginMs;
      }
      // One that was silent for as long did carry another: what was lost before was an accident, as of a peer that died.
      if (connection.idleForMs !== null && connection.idleForMs >= haste.keptMs) known.delete(key);
      return true;
    },
    /** It ended where the answer to a further request should have begun. */
    lost({ place: { key }, idleSinceMs, idleForMs, reuses }: Connection, nowMs: number): void {
      const keptMs = idleForMs ?? 0;
      if (nowMs - idleSinceMs - keptMs > promptMs || (keptMs <= marginMs && reuses > fewReuses)) return;
      const before = known.get(key);
      const isBelieved = before !== undefined && nowMs < before.untilMs;
      const spanMs = before === undefined ? firstSpanMs : isBelieved ? before.spanMs : before.spanMs * 2;
      if (known.size >= maxKnown) known.clear();
      known.set(key, {
        keptMs: isBelieved ? Math.min(keptMs, before.keptMs) : keptMs,
        untilMs: nowMs + Math.min(spanMs, maxSpanMs),
        spanMs: Math.min(spanMs, maxSpanMs),
      });
    },
  };
}
