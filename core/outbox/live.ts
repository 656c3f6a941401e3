import type { Observer } from "../plugin/plugin.ts";
import type { Instance } from "../plugin/slots.ts";
import { type Outbox, outboxOf, type OutboxDependencies } from "./outbox.ts";

/** An outbox whose receivers a reload may change. */
export interface LiveOutbox extends Outbox {
  /**
   * Resolves when the receivers of before get nothing more. Events lose nothing by it: they wait in the database. Throws
   * when what the receivers take could not be written down; they get what waits for them all the same.
   */
  use(observers: OutboxDependencies["observers"], mask: OutboxDependencies["mask"]): Promise<void>;
}

export async function liveOutbox(dependencies: OutboxDependencies): Promise<LiveOutbox> {
  let current = outboxOf(dependencies);
  await current.subscribe();
  /** `null`: what they take is not written down. */
  let told: ReturnType<typeof receiversOf> | null = receiversOf(dependencies.observers);
  let isStarted = false;
  return {
    receivers: () => current.receivers(),
    alerts: (query) => current.alerts(query),
    deadLetters: (receiver, query) => current.deadLetters(receiver, query),
    retry: (receiver) => current.retry(receiver),
    test: (receiver) => current.test(receiver),
    metrics: () => current.metrics(),
    start() {
      isStarted = true;
      current.start();
    },
    stop: () => current.stop(),
    async use(observers, mask) {
      const next = receiversOf(observers);
      if (next.length === told?.length && next.every(({ slot }, at) => slot === told?.[at]?.slot)) return;
      told = null;
      await current.stop();
      current = outboxOf({ ...dependencies, observers, mask });
      try {
        await current.subscribe();
        told = next;
      } finally {
        if (isStarted) current.start();
      }
    },
  };
}

const receiversOf = (observers: readonly Instance<Observer>[]) =>
  observers.filter(({ slot }) => slot.receiver !== undefined);
