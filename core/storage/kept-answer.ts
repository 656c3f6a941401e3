import type { Awaitable } from "../plugin/plugin.ts";

/**
 * `open`: the first call has not ended, or its process died. `kept`: its answer is here. `unkept`: it was answered, and
 * the answer was too large or had to make room. `broken`: it cost something and had no whole answer.
 */
export type KeptState = "open" | "kept" | "unkept" | "broken";

export interface KeptAnswer {
  readonly callId: string;
  readonly fingerprint: string;
  readonly state: KeptState;
  /** Sealed. */
  readonly answer: Uint8Array | null;
  /** Where the first call is; `nowhere`: it was never admitted. */
  readonly call: "open" | "ended" | "nowhere";
}
export interface NewKeptAnswer {
  readonly place: string;
  readonly accountId: string;
  readonly callId: string;
  readonly fingerprint: string;
  readonly createdMs: number;
  readonly expiresMs: number;
}
/** Of all accounts together; beyond it the account with the most gives up its oldest. */
export interface AnswerBounds {
  readonly maxKeys: number;
  /** Of sealed answers. */
  readonly maxBytes: number;
}

/** The answers to calls that came with an `Idempotency-Key`, by `place`: whose key, and which one. */
export interface AnswerRepository {
  /** `null`: unknown, or its time is over. */
  find(place: string, nowMs: number): Awaitable<KeptAnswer | null>;
  /** `false`: somebody else has the place. */
  claim(row: NewKeptAnswer, bounds: AnswerBounds): Awaitable<boolean>;
  /** These three end the claim of this very call, and do nothing to that of another one. */
  keep(place: string, callId: string, answer: Uint8Array, bounds: AnswerBounds): Awaitable<void>;
  leave(place: string, callId: string, state: "unkept" | "broken"): Awaitable<void>;
  free(place: string, callId: string): Awaitable<void>;
  /** Counts one more replay; `CallDetail` tells how many there were. */
  replayed(place: string): Awaitable<void>;
  /** Removes some of those whose time is over; whether there may be more. */
  sweep(nowMs: number): Awaitable<boolean>;
}
