import type { DashboardOutbox } from "../../core/dashboard/route.ts";
import type { AlertRow, DeadLetter, ReceiverState } from "../../core/storage/outbox.ts";

export interface OutboxSeed {
  readonly receivers?: readonly ReceiverState[];
  readonly alerts?: readonly AlertRow[];
  readonly dead?: readonly DeadLetter[];
}

/** Receivers that are told nothing: the one named `broken` refuses tests. */
export function fakeOutbox({ receivers = [], alerts = [], dead = [] }: OutboxSeed = {}): DashboardOutbox & {
  readonly retried: readonly string[];
} {
  const retried: string[] = [];
  return {
    retried,
    receivers: () => receivers,
    alerts: () => ({ data: alerts, next: null }),
    deadLetters: () => ({ data: dead, next: null }),
    retry: (receiver) => retried.push(receiver),
    async test(receiver) {
      if (!receivers.some(({ name }) => name === receiver)) return undefined;
      return receiver === "broken" ? "HTTP 500" : null;
    },
  };
}

export const aReceiver = (changed: Partial<ReceiverState> = {}): ReceiverState => ({
  name: "ops",
  events: ["budget.threshold", "credit.low"],
  waiting: 0,
  behind: 0,
  oldestMs: null,
  dead: 0,
  attempts: 0,
  nextMs: null,
  lastError: null,
  lastErrorMs: null,
  lastDeliveredMs: Date.UTC(2025, 10, 23, 12),
  ...changed,
});

export const anAlert = (changed: Partial<AlertRow> = {}): AlertRow => ({
  id: "0190a1b2-c3d4-7e5f-8a9b-0000000000a1",
  type: "budget.threshold",
  text: "Budget of key nightly: 80 % of $25.00 (month) is spent, $20.10 so far.",
  data: { percent: 80 },
  createdMs: Date.UTC(2025, 10, 23, 12),
  deliveries: [
    {
      receiver: "ops",
      state: "delivered",
      attempts: 0,
      nextMs: null,
      endedMs: Date.UTC(2025, 10, 23, 12, 0, 1),
      lastError: null,
    },
  ],
  ...changed,
});
