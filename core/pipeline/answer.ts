import type { Metered } from "../dialects/dialect.ts";

/** What `dispatch` brings back: a provider has begun to answer, nothing has gone to the client yet. */
export type Answer = WholeAnswer | StreamedAnswer;

export interface WholeAnswer {
  readonly kind: "whole";
  readonly body: Uint8Array | string;
  readonly contentType: string;
  readonly metered: Metered;
}
export interface StreamedAnswer {
  readonly kind: "stream";
  readonly source: Source;
}

/** Bytes for the client, and what the meter has seen of the answer they came from. */
export interface Source {
  /** The next whole events, perhaps none at all (a hidden one); `null` at the end. Throws when the upstream fails. */
  next(): Promise<Uint8Array | null>;
  metered(): Metered;
}

export const nothingMetered: Metered = {
  usage: null,
  finish: null,
  upstreamId: null,
  contentBytes: 0,
  complete: false,
  fault: null,
};
