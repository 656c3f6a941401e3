import { describe, expect, test } from "bun:test";
import type { Awaitable, EventType, Receiver, ToldEvent } from "llm-proxy/plugin";
import { slotTrouble } from "../../core/plugin/slot-trouble.ts";

export interface ReceiverUnderTest {
  readonly receiver: Receiver;
  /** All that has arrived where it delivers to, one text a delivery. */
  readonly arrived: () => Awaitable<readonly string[]>;
  /** From now on the other side does not take anything. */
  readonly refuse: () => Awaitable<void>;
  /** From now on the other side takes and never answers. */
  readonly hang: () => Awaitable<void>;
}

/** What every `observer` plugin with a `receiver` must do. `create` makes a fresh one for each test. */
export function testReceiver(create: () => Awaitable<ReceiverUnderTest>): void {
  const live = () => new AbortController().signal;

  describe("receiver contract", () => {
    test("says what it takes, each type once", async () => {
      const { receiver } = await create();
      expect(receiver.events.length).toBeGreaterThan(0);
      expect(new Set(receiver.events).size).toBe(receiver.events.length);
      expect(slotTrouble("observer", { receiver })).toBeNull();
    });

    test("delivers an event of each type that it takes, and a test", async () => {
      const { receiver, arrived } = await create();
      for (const type of [...receiver.events, "test" as const]) await receiver.deliver([anEvent({ type })], live());
      expect(await arrived()).toHaveLength(receiver.events.length + 1);
    });

    test("tells the id and the words", async () => {
      const { receiver, arrived } = await create();
      const event = anEvent({ type: receiver.events[0] ?? "test" });
      await receiver.deliver([event], live());
      const text = (await arrived()).join("\n");
      expect(text).toContain(event.id);
      expect(text).toContain("nearly used up");
    });

    test("throws when it is not taken", async () => {
      const { receiver, refuse } = await create();
      await refuse();
      expect(Promise.resolve(receiver.deliver([anEvent()], live()))).rejects.toThrow();
    });

    test("gives up when it is told to", async () => {
      const { receiver, hang } = await create();
      await hang();
      const abort = new AbortController();
      const delivery = Promise.resolve(receiver.deliver([anEvent()], abort.signal));
      setImmediate(() => abort.abort());
      expect(delivery).rejects.toThrow();
    });
  });
}

/** An event as core makes it, with whatever a test changes. */
export const anEvent = (changed: Partial<ToldEvent> & { readonly type?: EventType } = {}): ToldEvent => ({
  id: "0190a1b2-c3d4-7e5f-8a9b-0000000000e1",
  type: "credit.low",
  atMs: 1_800_000_000_000,
  text: "Credit of account Acme is nearly used up: $1.00 is left.",
  data: { account: { kind: "account", id: "acme", name: "Acme" }, percent: 90, leftNano: 1_000_000_000 },
  ...changed,
});
