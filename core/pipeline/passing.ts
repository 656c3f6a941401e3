import type { Flow, Waiter } from "../runtime/upstream-response.ts";
import type { Metered } from "../dialects/dialect.ts";
import type { Source } from "./answer.ts";

/** A source that makes each piece of the provider's into one for the client. One object, as `Streaming` is. */
export abstract class PassingSource implements Source, Waiter {
  readonly #pieces: Flow;
  #waiter: Waiter | null = null;

  constructor(pieces: Flow) {
    this.#pieces = pieces;
  }

  abstract metered(): Metered;
  /** What is left to say without asking the provider; `undefined`: it is asked. Throws as `next`. */
  protected abstract left(): Uint8Array | null | undefined;
  /** What became of a piece. Throws when it cannot be read. */
  protected abstract passed(piece: Uint8Array): Uint8Array;
  /** What is still to be said at the end of the body; `null`: nothing. */
  protected abstract ended(): Uint8Array | null;
  /** As `ended`, where the body broke off or a piece could not be read; or throws what the client is to be told. */
  protected abstract broken(error: unknown): Uint8Array | null;

  next(waiter: Waiter): Uint8Array | null | undefined {
    this.#waiter = null;
    const left = this.left();
    if (left !== undefined) return left;
    let piece: Uint8Array | null | undefined;
    try {
      piece = this.#pieces.next(this);
    } catch (error) {
      return this.broken(error);
    }
    if (piece !== undefined) return this.#made(piece);
    this.#waiter = waiter;
    return undefined;
  }

  came(piece: Uint8Array | null): void {
    const waiter = this.#waiter;
    this.#waiter = null;
    let made: Uint8Array | null;
    try {
      made = this.#made(piece);
    } catch (error) {
      waiter?.failed(error);
      return;
    }
    waiter?.came(made);
  }

  failed(error: unknown): void {
    const waiter = this.#waiter;
    this.#waiter = null;
    let last: Uint8Array | null;
    try {
      last = this.broken(error);
    } catch (fault) {
      waiter?.failed(fault);
      return;
    }
    waiter?.came(last);
  }

  #made(piece: Uint8Array | null): Uint8Array | null {
    try {
      return piece === null ? this.ended() : this.passed(piece);
    } catch (error) {
      return this.broken(error);
    }
  }
}
