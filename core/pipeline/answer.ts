import type { GatewayError } from "../chat/error.ts";
import type { ErrorBody, Metered } from "../dialects/dialect.ts";
import type { Framing } from "../dialects/framing.ts";
import type { Flow } from "../runtime/upstream-response.ts";

/** What an attempt brings back: nothing of it has gone to the client yet. */
export type Answer = BegunAnswer | FailedAnswer;
/** What `dispatch` brings back: a provider has begun to answer. */
export type BegunAnswer = WholeAnswer | StreamedAnswer;

export interface WholeAnswer {
  readonly kind: "whole";
  /** JSON. */
  readonly body: Uint8Array | string;
  readonly metered: Metered;
}
export interface StreamedAnswer {
  readonly kind: "stream";
  /** Absent: server-sent events. */
  readonly framing?: Framing;
  readonly source: Source;
}

/** A 200 that holds an error, or no answer at all; what it used counts nevertheless. */
export interface FailedAnswer {
  readonly kind: "failed";
  readonly error: GatewayError;
  readonly metered: Metered;
}

/** Bytes for the client, and what the meter has seen of the answer they came from. */
export interface Source extends Flow {
  /** Whole events, perhaps none at all (a hidden one). Throws, or tells, when the upstream fails. */
  next: Flow["next"];
  metered(): Metered;
  /**
   * What ends the stream after a failure. Absent where the bytes are the provider's own events: then a fault that they tell
   * needs no second event of ours, and any other one is the dialect's `encodeStreamError`.
   */
  fail?(error: ErrorBody): string;
}

/** Whatever becomes of its connection, all of the answer is there, and what it used is told or never will be. */
export const isAllThere = ({ complete, usage, isEnded, fault }: Metered): boolean =>
  complete && (usage !== null || isEnded === true) && fault === null;

export const nothingMetered: Metered = {
  usage: null,
  finish: null,
  upstreamId: null,
  contentBytes: 0,
  complete: false,
  fault: null,
};
