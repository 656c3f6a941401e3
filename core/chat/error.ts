import type { AboveLimit } from "./above.ts";
import type { Json } from "./json.ts";
import type { LimitScope, LimitUse } from "./limit.ts";

/** Every way a call can fail, and the HTTP status the client gets. The one table; nothing else maps to a status. */
export const statusOf = {
  "invalid-request": 400,
  unauthenticated: 401,
  "insufficient-quota": 402,
  forbidden: 403,
  "not-found": 404,
  "model-not-found": 404,
  "method-not-allowed": 405,
  conflict: 409,
  "request-too-large": 413,
  "unsupported-media-type": 415,
  "rate-limited": 429,
  internal: 500,
  "upstream-invalid": 502,
  unavailable: 503,
  "upstream-timeout": 504,
  /** The provider refused the request itself; `details.status` keeps its own 400, 404, 409, 413, 422 or 429. */
  "upstream-refused": 400,
} as const;
export type ErrorKind = keyof typeof statusOf;

/** The account, key or other scope a limit or budget is attached to. */
export interface Scope {
  readonly kind: "key" | "account" | "model" | "provider" | "global";
  readonly id: string;
}

/** Why a call was refused or found no target, for machines: JSON values only. */
export interface ShortForm {
  /** Where it ended, e.g. `limits`, `budgets`, `targets`. */
  readonly stage: string;
  /** Tokens that limits and budgets were asked for. */
  readonly estimate?: {
    readonly expectedInputTokens: number;
    readonly mostInputTokens: number;
    readonly mostOutputTokens: number | null;
  };
  /** Those that were asked, then those that were passed over. */
  readonly targets?: readonly {
    readonly target: string;
    readonly outcome: "failed" | "passed-over";
    readonly code: string;
    /** HTTP status of the provider; `null`: none came. */
    readonly status?: number | null;
  }[];
}

export interface ErrorDetails {
  /** Machine-readable code, e.g. `unpriced_model`; default is derived from the kind. */
  readonly code?: string;
  /** The request's field at fault, e.g. `messages[0].content`. */
  readonly param?: string;
  /** The vendor's own error type, kept for `upstream-refused`. */
  readonly type?: string;
  /** Overrides the table's status; only for `upstream-refused`, a vendor's overload, and a 422 of ours. */
  readonly status?: number;
  /** Whole seconds ≥ 1 after which a retry makes sense; sent as `Retry-After`. */
  readonly retryAfterSeconds?: number;
  /** Sent as `x-should-retry: false`, which keeps the vendors' SDKs from retrying in vain. */
  readonly shouldRetry?: false;
  /** Methods for `Allow` of a 405. */
  readonly allow?: readonly string[];
  /**
   * What a vendor's error says in its `details` (Google: RetryInfo, QuotaFailure), for a client that speaks `dialect`:
   * its SDK acts on them. Masked.
   */
  readonly vendor?: { readonly dialect: string; readonly details: Json };
  /** What every 402 and 429 tells. Amounts are tokens, requests or nano-USD, as the limit's own unit; `resetsAt` is epoch ms. */
  readonly limit?: {
    readonly scope: LimitScope;
    readonly limit: number;
    readonly used: number;
    readonly held: number;
    readonly needed: number;
    readonly resetsAt: number | null;
    readonly [more: string]: unknown;
  };
  /** In the place of `limit`, to whoever is below it. */
  readonly above?: AboveLimit;
  /** Why a target is left alone for a while, and until when; times are epoch ms. */
  readonly breaker?: {
    readonly provider: string;
    readonly model: string;
    readonly reason: string;
    readonly openSince: number;
    readonly nextProbe: number;
  };
  /** The short form of why, in every 402, 429 and 503. */
  readonly explain?: ShortForm;
  /** Where all limits of the refused claim stand: for the headers. */
  readonly use?: readonly LimitUse[];
  /** For the log only, never for the client. */
  readonly cause?: unknown;
}

/** The only error a stage or plugin throws on purpose. `message` goes to the client: no secret, URL, path or SQL in it. */
export class GatewayError extends Error {
  readonly kind: ErrorKind;
  readonly details: ErrorDetails;

  constructor(kind: ErrorKind, message: string, details: ErrorDetails = {}) {
    super(message, { cause: details.cause });
    this.name = "GatewayError";
    this.kind = kind;
    this.details = details;
  }

  get status(): number {
    return this.details.status ?? statusOf[this.kind];
  }
}

/** One answer for every unknown object, whatever its kind, and for one that whoever asks may not see. */
export function missing(): never {
  throw new GatewayError("not-found", "no such object");
}
