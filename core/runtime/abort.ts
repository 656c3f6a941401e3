/** The part of an AbortSignal that is used of one: either will do. */
export interface Interrupt {
  readonly aborted: boolean;
  readonly reason: unknown;
  addEventListener(type: "abort", listener: Listener): void;
  removeEventListener(type: "abort", listener: Listener): void;
}
type Listener = (() => void) | { handleEvent(): void };

/**
 * An AbortController that is its own signal, and has a native one only for who asks for `signal`: each attempt has one of
 * these, nearly none is aborted, and to make, hear and leave it costs a fiftieth.
 */
export class Abort implements Interrupt {
  aborted = false;
  reason: unknown = undefined;
  #listeners: Listener[] | null = null;
  #native: AbortController | null = null;

  /** For what takes the runtime's own. */
  get signal(): AbortSignal {
    if (this.#native === null) {
      this.#native = new AbortController();
      if (this.aborted) this.#native.abort(this.reason);
    }
    return this.#native.signal;
  }

  /** Somebody of ours waits for it. */
  get isHeard(): boolean {
    return this.#listeners !== null && this.#listeners.length > 0;
  }

  /** The first one counts. */
  abort(reason: unknown): void {
    if (this.aborted) return;
    this.aborted = true;
    this.reason = reason;
    const listeners = this.#listeners ?? [];
    this.#listeners = null;
    for (const listener of listeners) {
      if (typeof listener === "function") listener();
      else listener.handleEvent();
    }
    this.#native?.abort(reason);
  }

  addEventListener(_type: "abort", listener: Listener): void {
    (this.#listeners ??= []).push(listener);
  }

  removeEventListener(_type: "abort", listener: Listener): void {
    const at = this.#listeners?.indexOf(listener) ?? -1;
    if (at >= 0) this.#listeners?.splice(at, 1);
  }
}
