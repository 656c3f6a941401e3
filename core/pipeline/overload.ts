import { GatewayError } from "../chat/error.ts";
import type { Memory } from "../runtime/memory.ts";

/**
 * Says no before the process dies of a yes. A sample of memory and loop lag, some times a second and once more in a
 * crowd, sets two fields; a call reads them. What has begun is never cut for it.
 */
export interface Overload {
  /** Why no call is taken now, as the operator may read it; `null`: calls are taken. */
  readonly calls: string | null;
  /** The same for streams: also when those open hold too much for clients that do not read. */
  readonly streams: string | null;
  /** Calls refused since the start. */
  readonly shed: number;
  /** Throws 503 when no call is taken. `open`: calls that run, this one among them. */
  admitCall(open: number): void;
  admitStream(): void;
  /**
   * A request body takes memory until it is sent on. Throws 503 when all of them together would take too much, or more
   * than is free; a single one fits while calls are taken. Whoever holds it gives the same number back to `releaseBody`.
   */
  holdBody(bytes: number): void;
  releaseBody(bytes: number): void;
  /** Takes a sample of how late the loop is. */
  sample(lagMs: number): void;
}

export interface OverloadOptions {
  readonly memory: Memory;
  /** Streams whose client takes nothing. */
  readonly heldStreams: () => number;
  /** Read each time, because a reload changes them in place. */
  readonly limits: OverloadLimits;
  readonly collectGarbage: () => void;
  /** New calls or streams begin or cease to be refused. */
  readonly onChange: (reason: string | null) => void;
}

export interface OverloadLimits {
  readonly maxBufferedBytes: number;
  readonly maxLoopLagMs: number;
  /** Calls that may run at once. */
  readonly maxCalls: number;
  /** Absent: what the machine has. */
  readonly maxMemoryBytes?: number;
}

const mib = 1024 * 1024;
/** What the runtime keeps of a stream whose client stalls, measured: its receive buffers and the chunk on its way out. */
const heldStreamBytes = 2 * mib;
/** A body lies in memory as bytes, as text and as what was parsed of it. */
const bodyCopies = 3;
/** A lag, or its end, must last for so many samples: one long turn of the loop is over when it is seen. */
const lastingSamples = 3;
const garbageEvery = 10;
/** Between two samples a crowd may take what was free: after so many new streams, or so much of bodies, memory is looked at. */
const streamsPerLook = 16;
const bodyBytesPerLook = 256 * 1024;
/** So many samples after the last call that was one too many, it is told that calls are taken again. */
const crowdedSamples = 10;

export function watchOverload(options: OverloadOptions): Overload {
  const { memory, heldStreams, limits, collectGarbage, onChange } = options;
  let bodyBytes = 0;
  let reserveBytes = reserveOf(memory.limitBytes);
  let freeBytes = memory.limitBytes;
  /** Since memory was looked at. */
  let newStreams = 0;
  let newBodyBytes = 0;
  let isFull = false;
  let isSlow = false;
  let samples = 0;
  /** In a row on the other side of what `isSlow` says. */
  let turning = 0;
  /** Samples for which calls still count as too many. */
  let crowded = 0;
  let told: string | null = null;

  const overload = {
    calls: null as string | null,
    streams: null as string | null,
    shed: 0,
    admitCall(open: number) {
      if (overload.calls !== null) throw refusal();
      if (open <= limits.maxCalls) return;
      crowded = crowdedSamples;
      throw refusal();
    },
    admitStream() {
      if (++newStreams >= streamsPerLook) look();
      if (overload.streams !== null) throw refusal();
    },
    holdBody(bytes: number) {
      newBodyBytes += bytes;
      if (newBodyBytes >= bodyBytesPerLook) look();
      const takenBytes = (bodyBytes + bytes) * bodyCopies;
      if (
        overload.calls !== null ||
        (bodyBytes > 0 && takenBytes > Math.min(limits.maxBufferedBytes, freeBytes - reserveBytes))
      )
        throw refusal();
      bodyBytes += bytes;
    },
    releaseBody(bytes: number) {
      bodyBytes -= bytes;
    },
    sample(lagMs: number) {
      samples += 1;
      turning = (isSlow ? lagMs < limits.maxLoopLagMs / 2 : lagMs >= limits.maxLoopLagMs) ? turning + 1 : 0;
      if (turning >= lastingSamples) {
        isSlow = !isSlow;
        turning = 0;
      }
      look();
      // The runtime keeps pages that it no longer needs, and would look full for ever.
      if (isFull && samples % garbageEvery === 0) collectGarbage();
      crowded = Math.max(crowded - 1, 0);
      const reason = overload.streams ?? (crowded > 0 ? "as many calls run as may" : null);
      if (reason !== told) onChange(reason);
      told = reason;
    },
  };

  function look() {
    const limitBytes = Math.min(memory.limitBytes, limits.maxMemoryBytes ?? Infinity);
    reserveBytes = reserveOf(limitBytes);
    freeBytes = limitBytes - memory.usedBytes();
    newStreams = 0;
    newBodyBytes = 0;
    isFull = freeBytes < (isFull ? 1.5 * reserveBytes : reserveBytes);
    overload.calls = isFull ? "memory is almost used up" : isSlow ? "the event loop is too far behind" : null;
    overload.streams =
      overload.calls ??
      (heldStreams() * heldStreamBytes >= limits.maxBufferedBytes ? "clients do not read the streams they have" : null);
  }

  function refusal(): GatewayError {
    overload.shed += 1;
    return overloaded();
  }
  return overload;
}

/** Counts the body of a call as it comes. Throws `unavailable` when there is no room for it. */
export function holdBodyOf(
  call: BodyHolder,
  bytes: number,
  overload: Pick<Overload, "holdBody" | "releaseBody">,
): void {
  try {
    overload.holdBody(bytes);
    call.heldBodyBytes += bytes;
  } catch (error) {
    // Now and not when the call is over: it would count against those beside it, and they would be refused as well.
    releaseBodyOf(call, overload);
    throw error;
  }
}

export function releaseBodyOf(call: BodyHolder, overload: Pick<Overload, "releaseBody">): void {
  if (call.heldBodyBytes > 0) overload.releaseBody(call.heldBodyBytes);
  call.heldBodyBytes = 0;
}

interface BodyHolder {
  heldBodyBytes: number;
}

/** A tenth; where that is little, so much more that the streams which have just begun find room for their buffers. */
const reserveOf = (limitBytes: number): number =>
  Math.min(Math.max(limitBytes * 0.1, Math.min(limitBytes / 6, 64 * mib)), 256 * mib);

/** Ours is the trouble, not the client's or a provider's; in a moment it is likely over. */
export const overloaded = (cause?: unknown): GatewayError =>
  new GatewayError("unavailable", "the proxy has too much to do; try again soon", {
    code: "overloaded",
    retryAfterSeconds: 2,
    ...(cause !== undefined && { cause }),
  });
