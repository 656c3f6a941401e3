import type { JsonObject } from "../chat/json.ts";
import type { EventType, ToldEvent } from "../plugin/events.ts";
import type { Awaitable } from "../plugin/plugin.ts";
import type { Page, PageQuery } from "./database.ts";

/** Who takes what. */
export interface Subscription {
  readonly name: string;
  readonly events: readonly EventType[];
}

/** How far a receiver of usage is: it has had every call and adjustment up to these numbers. */
export interface Position {
  readonly callSeq: number;
  readonly adjustmentSeq: number;
}
export interface UsageEvent {
  readonly event: ToldEvent;
  /** Where the receiver is once it has this one. */
  readonly position: Position;
}
/** Part of the events after a position, in the order they are delivered in. */
export interface UsagePage {
  readonly events: readonly UsageEvent[];
  /** After all of them, and after what is no event (refused calls). */
  readonly position: Position;
}

/** An event with a row of its own: an alert, or one that is asked for again. */
export interface Waiting {
  readonly seq: number;
  readonly event: ToldEvent;
  /** Deliveries that have failed. */
  readonly attempts: number;
  /** Epoch milliseconds since when it waits. */
  readonly sinceMs: number;
}
/** Of one receiver, what comes next and how it went so far. */
export interface UsageWaiting extends UsagePage {
  readonly attempts: number;
  /** `null`: the last delivery went well. */
  readonly failedSinceMs: number | null;
}
export interface Failure {
  readonly atMs: number;
  /** Without secrets. */
  readonly error: string;
  /** `null`: never again, unless somebody asks for it. */
  readonly nextMs: number | null;
}

/** No pause between two tries is longer: what is due later was put off by a clock that has been set back since. */
export const longestPauseMs = 3_600_000;

/**
 * What is to be told to receivers. Alerts get a row, in the transaction of what they tell; events of usage are the
 * records of the calls themselves, of which each receiver keeps how far it is. So nothing is lost, and what a receiver
 * had when the process died, before that was written down, it gets again with the same id.
 */
export interface OutboxRepository {
  /**
   * What these take is kept for them from now on; a new one gets the usage of calls that end from now on. Whoever is not
   * among them keeps what waits for it. Called at the start, before any call is admitted or swept.
   */
  subscribe(receivers: readonly Subscription[]): Awaitable<void>;
  /** What may be delivered now, of what has a row: first what waits longest. */
  due(receiver: string, nowMs: number, limit: number): Awaitable<readonly Waiting[]>;
  delivered(waiting: Pick<Waiting, "seq">, receiver: string, atMs: number): Awaitable<void>;
  failed(waiting: Pick<Waiting, "seq">, receiver: string, failure: Failure): Awaitable<void>;
  /** `null`: nothing to deliver now. */
  usage(receiver: string, nowMs: number, limit: number): Awaitable<UsageWaiting | null>;
  /** The receiver has all up to there. `atMs`: when it took it; `null`: there was nothing in between for it. */
  passed(receiver: string, position: Position, atMs: number | null): Awaitable<void>;
  /** These did not get through. With no next time they are put aside as dead letters, and what comes after them is next. */
  stalled(receiver: string, events: readonly UsageEvent[], failure: Failure): Awaitable<void>;

  receivers(): Awaitable<readonly ReceiverState[]>;
  alerts(query: PageQuery): Awaitable<Page<AlertRow>>;
  deadLetters(receiver: string, query: PageQuery): Awaitable<Page<DeadLetter>>;
  /** Dead letters are due again, one or all, and so is what failed before. Returns how many dead letters there were. */
  retry(receiver: string, eventId: string | null, nowMs: number): Awaitable<number>;
  /** Alerts from before that go, but for those that wait or were given up. */
  forget(beforeMs: number): Awaitable<void>;
}

export interface ReceiverState {
  readonly name: string;
  /** Empty: it is not in the config any more. */
  readonly events: readonly EventType[];
  /** Events that have a row and wait. */
  readonly waiting: number;
  /** Calls and adjustments after its position; 0 where it takes no usage. */
  readonly behind: number;
  /** Since when the oldest of all these waits; `null`: nothing waits. */
  readonly oldestMs: number | null;
  readonly dead: number;
  /** Failed deliveries of the usage that comes next, and when it is tried again. */
  readonly attempts: number;
  readonly nextMs: number | null;
  readonly lastError: string | null;
  readonly lastErrorMs: number | null;
  readonly lastDeliveredMs: number | null;
}
export interface AlertRow {
  readonly id: string;
  readonly type: string;
  readonly text: string;
  readonly data: JsonObject;
  readonly createdMs: number;
  readonly deliveries: readonly DeliveryRow[];
}
export interface DeliveryRow {
  readonly receiver: string;
  readonly state: "waiting" | "delivered" | "dead";
  readonly attempts: number;
  readonly nextMs: number | null;
  readonly endedMs: number | null;
  readonly lastError: string | null;
}
export interface DeadLetter extends Pick<DeliveryRow, "attempts" | "lastError"> {
  readonly id: string;
  readonly type: string;
  readonly text: string;
  readonly sinceMs: number;
  readonly endedMs: number | null;
}
