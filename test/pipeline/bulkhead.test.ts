import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { providerBulkheads } from "../../core/pipeline/bulkhead.ts";
import { GatewayError } from "../../core/chat/error.ts";
import { turns } from "./stream-bench.ts";

/** Time that passes when a test says so. */
function timers() {
  const waiting = new Set<() => void>();
  return {
    pause: (_: number, signal: AbortSignal) =>
      new Promise<void>((resolve) => {
        const end = () => (waiting.delete(end), resolve());
        waiting.add(end);
        signal.addEventListener("abort", end);
      }),
    pass: () => [...waiting].forEach((end) => end()),
    waiting,
  };
}
const never = new AbortController().signal;
const settings = { maxWaiting: 2, maxQueued: 2, queueMs: 1_500, providers: {} };

describe("a bulkhead", () => {
  test("of a provider with places of its own has so many", () => {
    const bulkheads = providerBulkheads(
      { ...settings, providers: { few: { maxWaiting: 1, maxQueued: 0 } } },
      timers().pause,
    );
    expect(bulkheads.isFull("few")).toBe(false);
    expect(bulkheads.enter("few", never)).toBeNull();
    expect([bulkheads.isFull("few"), bulkheads.isFull("other")]).toEqual([true, false]);
    expect(() => bulkheads.enter("few", never)).toThrow(GatewayError);
    expect([bulkheads.enter("other", never), bulkheads.enter("other", never)]).toEqual([null, null]);
  });

  test("gives places, then a queue, then a 503 at once; each provider its own", async () => {
    const { pause, pass, waiting } = timers();
    const bulkheads = providerBulkheads(settings, pause);
    expect([bulkheads.enter("a", never), bulkheads.enter("a", never)]).toEqual([null, null]);
    const order: string[] = [];
    const first = bulkheads.enter("a", never)?.then(() => order.push("first"));
    const second = bulkheads.enter("a", never)?.catch((error: unknown) => order.push(String(error)));
    expect(() => bulkheads.enter("a", never)).toThrow(GatewayError);
    expect(bulkheads.enter("b", never)).toBeNull();
    expect(bulkheads.list()).toEqual([
      { provider: "a", waiting: 2, queued: 2 },
      { provider: "b", waiting: 1, queued: 0 },
    ]);
    bulkheads.leave("a");
    await first;
    pass();
    await second;
    expect(order).toEqual(["first", "GatewayError: too many calls wait for the model's provider"]);
    expect([waiting.size, bulkheads.refused]).toEqual([0, 2]);
    bulkheads.leave("a");
    bulkheads.leave("a");
    bulkheads.leave("b");
    expect(bulkheads.list()).toMatchObject([{ waiting: 0 }, { waiting: 0 }]);
  });

  test("lets go who is aborted while queued, with that reason", async () => {
    const { pause, waiting } = timers();
    const bulkheads = providerBulkheads({ ...settings, maxWaiting: 1 }, pause);
    expect(bulkheads.enter("a", never)).toBeNull();
    const leaving = new AbortController();
    const queued = bulkheads.enter("a", leaving.signal)?.catch((error: unknown) => error);
    leaving.abort("left");
    expect(await queued).toBe("left");
    expect(waiting.size).toBe(0);
    expect(bulkheads.list()).toEqual([{ provider: "a", waiting: 1, queued: 0 }]);
  });

  test("never has more than its places taken, and loses none, whoever comes, leaves, gives up or waits too long", async () => {
    const deeds = fc.array(fc.constantFrom("come", "leave", "abort", "time"), { minLength: 20, maxLength: 200 });
    await fc.assert(
      fc.asyncProperty(deeds, async (steps) => {
        const { pause, pass } = timers();
        const bulkheads = providerBulkheads({ maxWaiting: 3, maxQueued: 4, queueMs: 1, providers: {} }, pause);
        let inside = 0;
        const queued: AbortController[] = [];
        for (const deed of steps) {
          if (deed === "come") {
            const signal = new AbortController();
            try {
              const place = bulkheads.enter("a", signal.signal);
              if (place === null) inside += 1;
              else {
                queued.push(signal);
                place.then(() => (inside += 1)).catch(() => {});
              }
            } catch {
              // Places and queue are full.
            }
          } else if (deed === "leave" && inside > 0) {
            inside -= 1;
            bulkheads.leave("a");
          } else if (deed === "abort") queued.shift()?.abort("left");
          else if (deed === "time") pass();
          await turns();
          expect(inside).toBeLessThanOrEqual(3);
          expect(bulkheads.list()[0]?.waiting ?? 0).toBe(inside);
        }
        pass();
        await turns();
        for (; inside > 0; inside--) bulkheads.leave("a");
        expect(bulkheads.list()[0] ?? { waiting: 0, queued: 0 }).toMatchObject({ waiting: 0, queued: 0 });
      }),
      { numRuns: 50 },
    );
  });
});
