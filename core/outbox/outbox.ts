import type { Awaitable, Logger, Metric, Observer, ToldEvent } from "../plugin/plugin.ts";
import type { Instance } from "../plugin/slots.ts";
import type { OutboxRepository, Subscription } from "../storage/outbox.ts";
import { courier, type Courier } from "./courier.ts";
import { loopOf } from "./loop.ts";
import { outboxMetrics } from "./metrics.ts";

/** What the API and the pages ask of the receivers, and what the process starts and stops. */
export interface Outbox extends Pick<OutboxRepository, "receivers" | "alerts" | "deadLetters"> {
  /** Tries at once what failed for a receiver or was given up. Returns how many were given up. */
  retry(receiver: string): Awaitable<number>;
  /** Sends a test event. `null`: it was taken; else why not. `undefined`: no such receiver in the config. */
  test(receiver: string): Promise<string | null | undefined>;
  metrics(): Promise<readonly Metric[]>;
  start(): void;
  /** Resolves when nothing is under way any more. */
  stop(): Promise<void>;
}

/** One for the receivers of one config. */
export interface MadeOutbox extends Outbox {
  /** What receivers take is kept from when this resolves on. */
  subscribe(): Promise<void>;
}

export interface OutboxDependencies {
  readonly observers: readonly Instance<Observer>[];
  readonly outbox: OutboxRepository;
  readonly logger: Logger;
  readonly now: () => number;
  readonly random: () => number;
  readonly newId: () => string;
  readonly mask: (text: string) => string;
}

/** Alerts that went to everybody are kept so long. */
const keptMs = 90 * 24 * 3_600_000;
const forgetEveryMs = 3_600_000;

export function outboxOf(dependencies: OutboxDependencies): MadeOutbox {
  const { observers, outbox, logger, now, newId } = dependencies;
  const abort = new AbortController();
  const couriers: Courier[] = [];
  const subscriptions: Subscription[] = [];
  for (const { name, slot } of observers) {
    if (!slot.receiver) continue;
    subscriptions.push({ name, events: slot.receiver.events });
    couriers.push(courier({ ...dependencies, name, receiver: slot.receiver, signal: abort.signal }));
  }
  const loops = couriers.flatMap((one) => [loopOf(() => one.alerts(), logger), loopOf(() => one.usage(), logger)]);
  if (couriers.length > 0)
    loops.push(
      loopOf(
        async () => {
          await outbox.forget(now() - keptMs);
          return false;
        },
        logger,
        forgetEveryMs,
      ),
    );

  return {
    async subscribe() {
      await outbox.subscribe(subscriptions);
    },
    receivers: () => outbox.receivers(),
    alerts: (query) => outbox.alerts(query),
    deadLetters: (receiver, query) => outbox.deadLetters(receiver, query),
    retry: (receiver) => outbox.retry(receiver, null, now()),
    async test(receiver) {
      const event: ToldEvent = {
        id: newId(),
        type: "test",
        atMs: now(),
        text: "A test of LLM Proxy: events get through to here.",
        data: {},
      };
      return couriers.find(({ name }) => name === receiver)?.test(event);
    },
    metrics: async () => (couriers.length === 0 ? [] : outboxMetrics(couriers, await outbox.receivers(), now())),
    start() {
      for (const loop of loops) loop.start();
    },
    async stop() {
      abort.abort();
      await Promise.all(loops.map((loop) => loop.stop()));
    },
  };
}
