/** Looks after all open streams with one timer, because a timer for each chunk costs more than the chunk. */
export interface Watch {
  /** The clock that its streams are watched by, in ms. Never steps: one that is set forward must not end them all. */
  now(): number;
  add(stream: Watched): () => void;
  /** Streams open now. */
  size(): number;
  /** Those of them whose client had taken nothing for a second when they were last looked at. */
  held(): number;
  /** Those whose client takes nothing end now as such. */
  endHeld(): void;
  stop(): void;
}
export interface Watched {
  /** When bytes last moved, by the watch's clock. */
  lastMs: number;
  /** When some of them were for the client: much of what a provider sends may say nothing to it. */
  saidMs: number;
  /** Silence allowed to the provider. */
  readonly idleTimeoutMs: number;
  /** When it must have ended, by the watch's clock; `Infinity`: never. */
  readonly endMs: number;
  /** How long the client may take nothing. */
  readonly stallTimeoutMs: number;
  /** The client has bytes that it does not take; else it waits for the provider. */
  readonly isHeld: boolean;
  /** The provider sent no byte for `idleTimeoutMs`. */
  onIdle(): void;
  /** `endMs` has come. */
  onEnd(): void;
  /** The client took no byte for `stallTimeoutMs`. */
  onStalled(): void;
  /** No byte for the client for a while, and it may be told that we live. Called once a period of silence of `pingMs`. */
  onSilence(): void;
}

export const pingMs = 15_000;
const tickMs = 1_000;
/** A client that took nothing for so long is not merely slow by a turn. */
const heldAfterMs = 1_000;

/** What the watch itself has seen of a stream, by its clock. */
interface Seen {
  pingedMs: number;
  /** The provider's silence counts from when its client last had something to take: it was not asked before. */
  heldMs: number;
}

export function watchStreams(now: () => number): Watch {
  const streams = new Map<Watched, Seen>();
  let timer: ReturnType<typeof setInterval> | undefined;
  let held = 0;

  function tick() {
    const atMs = now();
    held = 0;
    for (const [stream, seen] of streams) if (isOver(stream, seen, atMs)) streams.delete(stream);
    if (streams.size === 0) stop();
  }

  /** Looks at one stream; whether it is to be forgotten. */
  function isOver(stream: Watched, seen: Seen, atMs: number): boolean {
    const unmovedMs = atMs - stream.lastMs;
    if (atMs >= stream.endMs) {
      stream.onEnd();
      // What a client has not taken yet, it may still take.
      if (!stream.isHeld) return true;
    }
    if (stream.isHeld) {
      seen.heldMs = atMs;
      if (unmovedMs >= heldAfterMs) held += 1;
      if (unmovedMs < stream.stallTimeoutMs) return false;
      stream.onStalled();
      return true;
    }
    if (atMs - Math.max(stream.lastMs, seen.heldMs) >= stream.idleTimeoutMs) {
      stream.onIdle();
      return true;
    }
    if (atMs - Math.max(stream.saidMs, seen.heldMs, seen.pingedMs) >= pingMs) {
      seen.pingedMs = atMs;
      stream.onSilence();
    }
    return false;
  }

  function stop() {
    clearInterval(timer);
    timer = undefined;
    held = 0;
  }
  return {
    now,
    stop,
    size: () => streams.size,
    held: () => held,
    endHeld() {
      for (const stream of streams.keys()) if (stream.isHeld) stream.onStalled();
    },
    add(stream) {
      streams.set(stream, { pingedMs: 0, heldMs: 0 });
      timer ??= setInterval(tick, tickMs);
      return () => void streams.delete(stream);
    },
  };
}
