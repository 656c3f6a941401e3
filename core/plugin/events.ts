import type { JsonObject } from "../chat/json.ts";
import type { Awaitable } from "./plugin.ts";

/** Something to know at once. */
export const alertTypes = ["budget.threshold", "credit.low", "call.over_hold", "call.anomalous"] as const;
/** Every call that has ended, and every change of what one cost: all that a metering service needs. */
export const usageTypes = ["usage.call", "usage.adjustment"] as const;

export type AlertType = (typeof alertTypes)[number];
export type UsageType = (typeof usageTypes)[number];
/** `test`: somebody wants to see whether the receiver can be reached. */
export type EventType = AlertType | UsageType | "test";

/** Something that has happened. No prompt, no answer, no secret. */
export interface ToldEvent {
  /** The same however often it is delivered, by which a receiver knows what it has had: the call's id for `usage.call`. */
  readonly id: string;
  readonly type: EventType;
  /** When it happened, in epoch milliseconds. */
  readonly atMs: number;
  /** One line for a person. Names in it were made up by others: escape them for the format. */
  readonly text: string;
  /** The same in fields; money in integer nano-USD. */
  readonly data: JsonObject;
}

/** Where events go. Core keeps each until it is taken, also over a restart, and asks again after a failure. */
export interface Receiver {
  /** What it takes. */
  readonly events: readonly EventType[];
  /** How many events of usage it takes at once; default 1. Alerts come one by one. */
  readonly batch?: number;
  /**
   * Resolves once the events are taken for good. A throw: the same events come again, later and later, for three days;
   * `retryAfterSeconds` of a GatewayError is kept. Usage comes in its order and one delivery after the other, alerts
   * beside it. `signal` aborts after 10 s.
   */
  deliver(events: readonly ToldEvent[], signal: AbortSignal): Awaitable<void>;
}
