import { GatewayError } from "../chat/error.ts";
import { maskSecrets, printable } from "../chat/mask.ts";
import { within } from "../plugin/deadline.ts";
import { tallied } from "../plugin/hook-tally.ts";
import type { Logger, Receiver, ToldEvent } from "../plugin/plugin.ts";
import { toldError } from "../plugin/told-error.ts";
import type { OutboxRepository, UsageEvent } from "../storage/outbox.ts";
import { pauseMs } from "./backoff.ts";

/** How long one delivery may take. */
const deliveryMs = 10_000;
/** For how long an event is tried before it is put aside. */
const triedMs = 3 * 24 * 3_600_000;
/** Alerts that are delivered at once. */
const alertsAtOnce = 8;
/** Calls and adjustments that are looked through at once. */
const usageAtOnce = 200;

export interface CourierDependencies {
  readonly name: string;
  readonly receiver: Receiver;
  readonly outbox: OutboxRepository;
  readonly logger: Logger;
  /** Epoch milliseconds. */
  readonly now: () => number;
  /** Uniform in [0, 1). */
  readonly random: () => number;
  /** Covers what is known to be secret. */
  readonly mask: (text: string) => string;
  /** When the process stops: what is under way then is neither delivered nor failed, and comes again. */
  readonly signal: AbortSignal;
}

/** Brings events to one receiver. Each step does what is due, and says whether there may be more at once. */
export interface Courier {
  readonly name: string;
  /** Alerts, and what is asked for again; one does not wait for another. */
  alerts(): Promise<boolean>;
  /** Usage, in its order: what does not get through holds up what comes behind it, until it is put aside. */
  usage(): Promise<boolean>;
  /** One event, at once and once, that is kept nowhere. `null`: it was taken; else why not. */
  test(event: ToldEvent): Promise<string | null>;
  /** Since the process began. */
  readonly counts: { delivered: number; failed: number };
}

export function courier(dependencies: CourierDependencies): Courier {
  const { name, receiver, outbox, logger, now, random, mask, signal } = dependencies;
  const counts = { delivered: 0, failed: 0 };
  const { batch = 1 } = receiver;
  // A plugin may be plain JavaScript: what is no size is one at a time.
  const size = Number.isInteger(batch) && batch > 0 ? batch : 1;

  /** `null`: taken. */
  async function tried(events: readonly ToldEvent[]): Promise<{ readonly error: string; asked?: number } | null> {
    const abort = new AbortController();
    const stop = () => abort.abort();
    signal.addEventListener("abort", stop);
    try {
      await tallied("observer", name, "receiver", () =>
        within(deliveryMs, async () => receiver.deliver(events, abort.signal)),
      );
      counts.delivered += events.length;
      return null;
    } catch (thrown) {
      const error = toldError(thrown);
      if (!signal.aborted) counts.failed += events.length;
      const asked = error instanceof GatewayError ? error.details.retryAfterSeconds : undefined;
      return { error: reasonOf(error, mask), ...(asked !== undefined && { asked }) };
    } finally {
      signal.removeEventListener("abort", stop);
      abort.abort();
    }
  }

  /** `null`: not again. */
  function nextMs(sinceMs: number, failures: number, asked: number | undefined): number | null {
    const atMs = now();
    return atMs - sinceMs >= triedMs ? null : atMs + pauseMs(failures, random(), asked);
  }

  /** Of a list that is given up, those that have had their time, the first one at least: newer ones have theirs before them. */
  function outOfTime(events: readonly UsageEvent[]): readonly UsageEvent[] {
    const young = events.findIndex(({ event }, at) => at > 0 && now() - event.atMs < triedMs);
    return young === -1 ? events : events.slice(0, young);
  }

  function log(failures: number, given: boolean, events: number, error: string) {
    if (given) logger.error({ receiver: name, events, error }, "a receiver did not take events for three days");
    else if (failures === 1) logger.warn({ receiver: name, events, error }, "a receiver did not take an event");
  }

  async function bring(waiting: Awaited<ReturnType<OutboxRepository["due"]>>[number]) {
    const failure = await tried([waiting.event]);
    if (failure === null) return outbox.delivered(waiting, name, now());
    if (signal.aborted) return;
    const failures = waiting.attempts + 1;
    const next = nextMs(waiting.sinceMs, failures, failure.asked);
    log(failures, next === null, 1, failure.error);
    await outbox.failed(waiting, name, { atMs: now(), error: failure.error, nextMs: next });
  }

  return {
    name,
    counts,
    async alerts() {
      const due = await outbox.due(name, now(), alertsAtOnce);
      await Promise.all(due.map(bring));
      return due.length === alertsAtOnce && !signal.aborted;
    },
    async usage() {
      const page = await outbox.usage(name, now(), Math.max(usageAtOnce, size));
      if (page === null) return false;
      let { attempts, failedSinceMs } = page;
      for (let at = 0; at < page.events.length; at += size) {
        const events = page.events.slice(at, at + size);
        const failure = await tried(events.map(({ event }) => event));
        if (failure !== null) {
          if (signal.aborted) return false;
          const next = nextMs(failedSinceMs ?? now(), attempts + 1, failure.asked);
          const given = next === null ? outOfTime(events) : events;
          log(attempts + 1, next === null, given.length, failure.error);
          await outbox.stalled(name, given, { atMs: now(), error: failure.error, nextMs: next });
          return next === null;
        }
        await outbox.passed(name, lastOf(events), now());
        [attempts, failedSinceMs] = [0, null];
        if (signal.aborted) return false;
      }
      // Behind the last event there may be what this receiver does not take.
      await outbox.passed(name, page.position, null);
      return true;
    },
    async test(event) {
      return (await tried([event]))?.error ?? null;
    },
  };
}

function lastOf(events: readonly UsageEvent[]) {
  const last = events.at(-1);
  if (!last) throw new Error("there is no event to be behind of");
  return last.position;
}

const maxReason = 200;

/** Of a fault that has a code, that alone: messages of others may have the address in them, which may be a secret. */
function reasonOf(error: unknown, mask: (text: string) => string): string {
  if (!(error instanceof Error)) return "it threw no error";
  const code =
    "code" in error && typeof error.code === "string" && !(error instanceof GatewayError) ? error.code : null;
  const text = code ?? (error.message === "" ? error.name : String(error.message));
  return printable(maskSecrets(mask(text)).replaceAll(/(https?:\/\/[^/\s]+)\S*/gi, "$1"), maxReason);
}
