/** Looks after all open streams with one timer, because a timer for each chunk costs more than the chunk. */
export interface Watch {
  add(stream: Watched): () => void;
  /** Streams open now. */
  size(): number;
  stop(): void;
}
export interface Watched {
  /** When bytes last moved, in epoch ms. */
  lastMs: number;
  readonly idleTimeoutMs: number;
  /** No byte for `idleTimeoutMs`. */
  onIdle(): void;
  /** No byte for a while, and the client may be told that we live. Called once a period of silence of `pingMs`. */
  onSilence(): void;
}

export const pingMs = 15_000;
const tickMs = 1_000;

export function watchStreams(now: () => number): Watch {
  const streams = new Map<Watched, { pingedMs: number }>();
  let timer: ReturnType<typeof setInterval> | undefined;

  function tick() {
    const atMs = now();
    for (const [stream, state] of streams) {
      if (atMs - stream.lastMs >= stream.idleTimeoutMs) {
        streams.delete(stream);
        stream.onIdle();
        continue;
      }
      const silentMs = atMs - Math.max(stream.lastMs, state.pingedMs);
      if (silentMs < pingMs) continue;
      state.pingedMs = atMs;
      stream.onSilence();
    }
    if (streams.size === 0) stop();
  }
  function stop() {
    clearInterval(timer);
    timer = undefined;
  }
  return {
    stop,
    size: () => streams.size,
    add(stream) {
      streams.set(stream, { pingedMs: 0 });
      timer ??= setInterval(tick, tickMs);
      return () => void streams.delete(stream);
    },
  };
}
