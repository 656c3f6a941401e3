import type { Scope } from "./error.ts";

/** What is counted. `tokens`: input and output; `spend`: the charge, in nano-USD; `concurrency`: calls that run. */
export type Measure = "requests" | "tokens" | "input-tokens" | "output-tokens" | "spend" | "concurrency";

/** Milliseconds of each period. */
export const periods = { second: 1_000, minute: 60_000, hour: 3_600_000, day: 86_400_000 } as const;
export type Period = keyof typeof periods;

/** Whose use is counted together. `ip`: who has shown no credential that holds, by address. */
export interface LimitScope {
  readonly kind: Scope["kind"] | "ip";
  readonly id: string;
}

/** So much of one thing over one period, for one scope. */
export interface Limit {
  readonly scope: LimitScope;
  readonly measure: Measure;
  /** How many per period, or at once for `concurrency`; nano-USD for `spend`. */
  readonly amount: number;
  /** Default: a minute. Means nothing for `concurrency`. */
  readonly per?: Period;
  /** `false`: refuses nothing, and tells what it would have refused. */
  readonly enforce?: boolean;
}

/** Where a limit stands. */
export interface LimitUse {
  readonly limit: Limit;
  /** Counted, and taken by calls that still run. */
  readonly used: number;
  readonly held: number;
  /** Milliseconds until all is free again; `null`: nobody knows. */
  readonly resetMs: number | null;
}

export const remainingOf = ({ limit, used, held }: LimitUse): number => Math.max(0, limit.amount - used - held);

const units: Readonly<Record<Measure, string>> = {
  requests: "requests",
  tokens: "tokens",
  "input-tokens": "input tokens",
  "output-tokens": "output tokens",
  spend: "USD",
  concurrency: "calls at once",
};

/** `60 requests a minute`, for messages and pages. */
export const limitText = ({ measure, amount, per = "minute" }: Limit): string =>
  measure === "concurrency"
    ? `${amount} ${units.concurrency}`
    : `${quantityText(measure, amount)} ${per === "hour" ? "an" : "a"} ${per}`;

/** `60 requests`. */
export const quantityText = (measure: Measure, amount: number): string =>
  `${measure === "spend" ? usdText(amount) : amount} ${units[measure]}`;

/** `for this key`. */
export const subjectText = ({ kind }: LimitScope): string =>
  kind === "global" ? "for all" : kind === "ip" ? "for this address" : `for this ${kind}`;

/** Nano-USD are nine places; those that are 0 at the end say nothing. */
const usdText = (nano: number): string => {
  const digits = String(nano).padStart(10, "0");
  const fraction = digits.slice(-9).replace(/0+$/, "");
  return fraction === "" ? digits.slice(0, -9) : `${digits.slice(0, -9)}.${fraction}`;
};
