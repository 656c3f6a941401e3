import { GatewayError } from "../chat/error.ts";
import type { Interrupt } from "../runtime/abort.ts";
import { ofProvider, type WithOwn } from "./of-provider.ts";
import type { Pause } from "./pause.ts";

/** How many calls may wait for one provider, so that one that hangs does not take what all others need. */
export type BulkheadSettings = WithOwn<BulkheadRules>;
interface BulkheadRules {
  /** Requests that are sent and whose answer has not begun. A stream that flows does not count. */
  readonly maxWaiting: number;
  /** Calls that wait for one of those to end. */
  readonly maxQueued: number;
  /** How long they do. */
  readonly queueMs: number;
}

export interface Bulkheads {
  /** `null`: there is a place, and it is taken. Throws, or rejects after a while, with `unavailable`; or as `abort`. */
  enter(provider: string, abort: Interrupt): Promise<void> | null;
  /** Whether that would throw at once. Changes nothing. */
  isFull(provider: string): boolean;
  /** Gives the place back. */
  leave(provider: string): void;
  list(): readonly { readonly provider: string; readonly waiting: number; readonly queued: number }[];
  /** Calls that found no place, since the start. */
  readonly refused: number;
}

interface Bulkhead {
  waiting: number;
  /** In order of arrival. `true`: the place is theirs. */
  readonly queue: Set<(granted: boolean) => void>;
}

/** @param settings read each time, because a reload changes them in place. */
export function providerBulkheads(settings: BulkheadSettings, pause: Pause): Bulkheads {
  const bulkheads = new Map<string, Bulkhead>();

  async function queue(bulkhead: Bulkhead, { queueMs }: BulkheadRules, abort: Interrupt): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<boolean>();
    const end = new AbortController();
    const give = (granted: boolean) => {
      if (!bulkhead.queue.delete(give)) return;
      end.abort();
      resolve(granted);
    };
    const giveUp = () => give(false);
    bulkhead.queue.add(give);
    abort.addEventListener("abort", giveUp);
    void pause(queueMs, end.signal).then(giveUp);
    const granted = await promise;
    abort.removeEventListener("abort", giveUp);
    if (granted) return;
    // The reason of every abort of ours is a GatewayError.
    throw abort.aborted ? (abort.reason as GatewayError) : busy(queueMs);
  }

  function busy(queueMs: number): GatewayError {
    told.refused += 1;
    return new GatewayError("unavailable", "too many calls wait for the model's provider", {
      code: "provider_busy",
      retryAfterSeconds: Math.max(1, Math.ceil(queueMs / 1_000)),
    });
  }

  const told = {
    refused: 0,
    enter(provider: string, abort: Interrupt): Promise<void> | null {
      let bulkhead = bulkheads.get(provider);
      if (!bulkhead) bulkheads.set(provider, (bulkhead = { waiting: 0, queue: new Set() }));
      const rules = ofProvider(settings, provider);
      if (bulkhead.waiting < rules.maxWaiting) {
        bulkhead.waiting += 1;
        return null;
      }
      if (isCrowded(bulkhead, rules)) throw busy(rules.queueMs);
      return queue(bulkhead, rules, abort);
    },
    isFull(provider: string): boolean {
      const bulkhead = bulkheads.get(provider);
      return bulkhead !== undefined && isCrowded(bulkhead, ofProvider(settings, provider));
    },
    leave(provider: string) {
      const bulkhead = bulkheads.get(provider);
      if (!bulkhead) return;
      const [next] = bulkhead.queue;
      // Beyond the places there are, since a reload made them fewer, none is handed on.
      if (next && bulkhead.waiting <= ofProvider(settings, provider).maxWaiting) next(true);
      else bulkhead.waiting -= 1;
    },
    list: () =>
      [...bulkheads].map(
        ([
          provider,
          {
            waiting,
            queue: { size },
          },
        ]) => ({ provider, waiting, queued: size }),
      ),
  };
  return told;
}

/** Neither a place nor one in the queue. */
const isCrowded = ({ waiting, queue }: Bulkhead, { maxWaiting, maxQueued }: BulkheadRules): boolean =>
  waiting >= maxWaiting && queue.size >= maxQueued;
