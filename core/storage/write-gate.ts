/**
 * Between the one writer and the thread that starts its log anew: while it is closed the writer waits, and need not ask
 * the database whether it may write. Memory that both threads have; a look at it costs next to nothing.
 */
export interface WriteGate {
  isClosed(): boolean;
  close(): void;
  open(): void;
  /** For `writeGate` in the other thread. */
  readonly memory: SharedArrayBuffer;
}

export function writeGate(memory = new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT)): WriteGate {
  const state = new Int32Array(memory);
  return {
    memory,
    isClosed: () => Atomics.load(state, 0) === 1,
    close: () => void Atomics.store(state, 0, 1),
    open: () => void Atomics.store(state, 0, 0),
  };
}
