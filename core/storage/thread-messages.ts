import { type ErrorDetails, type ErrorKind, GatewayError } from "../chat/error.ts";
import type { ReadName } from "./reads.ts";

/** What a thread gets to know when it starts. */
export interface ThreadWork {
  /** The database file. */
  readonly path: string;
  /** Of the thread that copies the write-ahead log as well: the memory of the writer's gate. `null`: it copies nothing. */
  readonly gate: SharedArrayBuffer | null;
}

export type ThreadOrder =
  "stop" | { readonly id: number; readonly name: ReadName; readonly values: readonly unknown[] };

export type ThreadAnswer =
  | { readonly ready: true }
  | { readonly id: number; readonly value: unknown }
  | { readonly id: number; readonly error: SentError };

/** An error as it passes between threads, which keep no classes. */
export interface SentError {
  readonly message: string;
  /** `null`: not a GatewayError. */
  readonly kind: ErrorKind | null;
  readonly details: ErrorDetails;
}

export function sentError(error: unknown): SentError {
  if (!(error instanceof GatewayError)) return { message: String(error), kind: null, details: {} };
  const { cause: _, ...details } = error.details;
  return { message: error.message, kind: error.kind, details };
}

export const revived = ({ message, kind, details }: SentError): Error =>
  kind === null ? new Error(message) : new GatewayError(kind, message, details);
