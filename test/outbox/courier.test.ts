import { describe, expect, test } from "bun:test";
import { GatewayError, type EventType, type Receiver, type ToldEvent } from "llm-proxy/plugin";
import { backoffMs, pauseMs } from "../../core/outbox/backoff.ts";
import { courier } from "../../core/outbox/courier.ts";
import type { Database } from "../../core/storage/database.ts";
import type { OutboxRepository } from "../../core/storage/outbox.ts";
import { fakeClock, fakeContext } from "../contract/context.ts";
import { aFinal, anAdmission, startMs } from "../contract/storage-samples.ts";
import { openAt, temporaryFolder } from "../storage/folder.ts";
import { seeded } from "../support/random.ts";

const folder = temporaryFolder();
const hourMs = 3_600_000;
const all: readonly EventType[] = ["usage.call", "usage.adjustment", "call.over_hold"];
const live = new AbortController().signal;

async function world(events: readonly EventType[] = all, batch = 1) {
  const clock = fakeClock(startMs);
  const path = folder.file();
  const { seen, logger } = fakeContext(clock);
  const had: ToldEvent[] = [];
  let database = await openAt(path, clock.now);
  let answer: () => void = () => {};
  const receiver: Receiver = {
    events,
    batch,
    deliver(told) {
      answer();
      had.push(...told);
    },
  };
  const subscribe = () => database.outbox.subscribe([{ name: "ops", events }]);
  const brings = (outbox: OutboxRepository = database.outbox, random = () => 0) =>
    courier({
      name: "ops",
      receiver,
      outbox,
      logger,
      now: clock.now,
      random,
      mask: (text) => text.replaceAll("geheim", "***"),
      signal: live,
    });
  await subscribe();
  return {
    clock,
    had,
    logged: seen.logged,
    brings,
    database: () => database,
    answers: (by: () => void) => void (answer = by),
    async restart() {
      await database.close();
      database = await openAt(path, clock.now);
      await subscribe();
    },
  };
}

let target = 0;
async function finish(database: Database, clock: { readonly now: () => number }, odd = false): Promise<string> {
  const admission = anAdmission({ startedMs: clock.now() });
  await database.ledger.admit(admission);
  // Each odd one at a target of its own: of one target only one an hour is told.
  const upstreamModel = odd ? `odd-${(target += 1)}` : "echo-1";
  await database.ledger.finish(
    aFinal(admission.callId, { finishedMs: clock.now(), upstreamModel, notes: odd ? { overHold: true } : null }),
  );
  return admission.callId;
}
const refuse = (): never => {
  throw new GatewayError("unavailable", "HTTP 500 geheim");
};

describe("pauses", () => {
  test("double up to an hour, by up to half of it less", () => {
    expect([1, 2, 3, 12, 13, 400].map((failures) => backoffMs(failures, 0))).toEqual([
      1_000,
      2_000,
      4_000,
      2_048_000,
      hourMs,
      hourMs,
    ]);
    expect(backoffMs(3, 0.999)).toBeWithin(2_000, 2_010);
  });
  test("are as long as the receiver asks, up to an hour", () => {
    expect([pauseMs(1, 0, 30), pauseMs(1, 0, 1e9), pauseMs(5, 0, 2), pauseMs(1, 0, undefined)]).toEqual([
      30_000,
      hourMs,
      16_000,
      1_000,
    ]);
  });
});

describe("a receiver that fails", () => {
  test("gets usage again after pauses that grow, in its order", async () => {
    const { clock, database, had, brings, answers } = await world();
    const [first, second] = [await finish(database(), clock), await finish(database(), clock)];
    let asked = 0;
    answers(() => {
      asked += 1;
      refuse();
    });
    for (const pause of [1_000, 2_000, 4_000, 8_000]) {
      const before = asked;
      await brings().usage();
      await brings().usage();
      expect(asked).toBe(before + 1);
      clock.advance(pause - 1);
      await brings().usage();
      expect(asked).toBe(before + 1);
      clock.advance(1);
    }
    expect((await database().outbox.receivers())[0]).toMatchObject({
      attempts: 4,
      behind: 2,
      lastError: "HTTP 500 ***",
      oldestMs: startMs,
    });
    answers(() => {});
    await brings().usage();
    expect(had.map(({ id }) => id)).toEqual([first, second]);
    expect((await database().outbox.receivers())[0]).toMatchObject({ attempts: 0, behind: 0, oldestMs: null });
  });

  test("is asked when it says", async () => {
    const { clock, database, brings, answers, had } = await world();
    await finish(database(), clock);
    answers(() => {
      throw new GatewayError("rate-limited", "HTTP 429", { retryAfterSeconds: 120 });
    });
    await brings().usage();
    answers(() => {});
    clock.advance(119_000);
    await brings().usage();
    expect(had).toEqual([]);
    clock.advance(1_000);
    await brings().usage();
    expect(had).toHaveLength(1);
  });

  test("for three days: the event is put aside, listed, and delivered when somebody asks", async () => {
    const { clock, database, brings, answers, had, logged, restart } = await world();
    const id = await finish(database(), clock, true);
    answers(refuse);
    for (let hour = 0; hour <= 74; hour++) {
      await brings().usage();
      await brings().alerts();
      clock.advance(hourMs);
    }
    const { data: dead } = await database().outbox.deadLetters("ops", {});
    expect(dead).toHaveLength(2);
    expect(dead).toEqual(
      expect.arrayContaining([expect.objectContaining({ id, type: "usage.call", lastError: "HTTP 500 ***" })]),
    );
    expect(logged.filter((line) => line.includes("for three days"))).toHaveLength(2);
    // What comes behind it is not held up for ever.
    answers(() => {});
    const next = await finish(database(), clock);
    await brings().usage();
    expect(had.map((event) => event.id)).toEqual([next]);
    await restart();
    expect(await database().outbox.retry("ops", id, clock.now())).toBe(1);
    await brings().alerts();
    expect(had.at(-1)).toMatchObject({ id, type: "usage.call", data: { callId: id, overHold: true, chargeNano: 50 } });
    expect(await database().outbox.retry("ops", null, clock.now())).toBe(1);
    await brings().alerts();
    expect(had.at(-1)).toMatchObject({ type: "call.over_hold" });
    expect((await database().outbox.receivers())[0]).toMatchObject({ dead: 0, waiting: 0 });
  });

  test("in lists for three days: only those are put aside that have had their time", async () => {
    const { clock, database, brings, answers, had } = await world(all, 100);
    const [old, second] = [await finish(database(), clock), await finish(database(), clock)];
    answers(refuse);
    await brings().usage();
    clock.advance(73 * hourMs);
    const young = await finish(database(), clock);
    await brings().usage();
    const { data: dead } = await database().outbox.deadLetters("ops", {});
    expect(dead.map(({ id }) => id).toSorted()).toEqual([old, second].toSorted());
    answers(() => {});
    clock.advance(hourMs);
    await brings().usage();
    expect(had.map(({ id }) => id)).toEqual([young]);
  });

  test("is asked again though the clock was set back by days meanwhile", async () => {
    const { clock, database, brings, answers, had } = await world();
    const call = await finish(database(), clock, true);
    answers(refuse);
    await brings().usage();
    await brings().alerts();
    answers(() => {});
    clock.advance(-48 * hourMs);
    await brings().usage();
    await brings().alerts();
    expect(had.map(({ type }) => type)).toEqual(["usage.call", "call.over_hold"]);
    expect(had[0]?.id).toBe(call);
  });

  test("one alert does not wait for another", async () => {
    const { clock, database, brings, answers, had } = await world(["call.over_hold"]);
    for (let made = 0; made < 3; made++) await finish(database(), clock, true);
    let asked = 0;
    answers(() => {
      asked += 1;
      if (asked === 1) refuse();
    });
    await brings().alerts();
    expect(had).toHaveLength(2);
    clock.advance(1_000);
    await brings().alerts();
    expect(new Set(had.map(({ id }) => id)).size).toBe(3);
  });

  test("with a size that is none: gets one at a time", async () => {
    const { clock, database, had, brings } = await world(all, Number.NaN);
    const ids = [await finish(database(), clock), await finish(database(), clock)];
    await brings().usage();
    expect(had.map(({ id }) => id)).toEqual(ids);
  });

  test("with a pause or words that are none: has failed, and is asked again as any other", async () => {
    const faults = [
      new GatewayError("rate-limited", "HTTP 429", { retryAfterSeconds: Number("Wed, 21 Oct 2026 07:28:00 GMT") }),
      Object.assign(new Error("down"), { message: { text: "down" } }),
    ];
    for (const fault of faults) {
      const { clock, database, had, brings, answers } = await world();
      await finish(database(), clock);
      answers(() => {
        throw fault;
      });
      await brings().usage();
      expect((await database().outbox.receivers())[0]).toMatchObject({ attempts: 1, lastError: expect.any(String) });
      answers(() => {});
      clock.advance(1_000);
      await brings().usage();
      expect(had).toHaveLength(1);
    }
  });

  test("with an address in its words: the address is not kept", async () => {
    const { clock, database, brings, answers } = await world();
    await finish(database(), clock);
    answers(() => {
      throw new Error("cannot reach https://hooks.example.com/services/T0/B0/canary?x=1 now");
    });
    await brings().usage();
    expect((await database().outbox.receivers())[0]?.lastError).toBe("cannot reach https://hooks.example.com now");
  });
});

/** Whatever is refused, taken and lost in a crash: each event comes at least once, none that never was, usage in order. */
test("any schedule of calls, re-rating, failures, crashes and restarts delivers all there was", async () => {
  const random = seeded("schedules of deliveries");
  for (let schedule = 0; schedule < 6; schedule++) {
    const { clock, database, had, brings, answers, restart } = await world(all, schedule % 3 === 0 ? 7 : 1);
    const finished: string[] = [];
    let adjusted = 0;
    const crashing = (): OutboxRepository => {
      const lost = () => Promise.reject(new Error("the process died before it was written down"));
      return { ...database().outbox, passed: lost, stalled: lost, delivered: lost, failed: lost };
    };
    const steps: (() => Promise<unknown>)[] = [
      async () => finished.push(await finish(database(), clock)),
      async () => finished.push(await finish(database(), clock, true)),
      async () => {
        const { calls } = await database().adjustments.ratedCalls({ from: 0, to: clock.now() + 1, limit: 100 });
        const one = calls[random.below(calls.length)];
        if (!one) return;
        adjusted += 1;
        const rated = {
          seq: one.seq,
          costNano: 1_000 + adjusted,
          chargeNano: 2_000 + adjusted,
          priceVersion: "book 2",
        };
        await database().adjustments.write([rated], { reason: "test", author: "test" });
      },
      async () => clock.advance(random.below(3_000)),
      async () => brings(database().outbox, () => random.below(1_000) / 1_000).usage(),
      async () => brings().alerts(),
      async () =>
        brings(crashing())
          .usage()
          .catch(() => {}),
      async () =>
        brings(crashing())
          .alerts()
          .catch(() => {}),
      async () => answers(() => void (random.below(3) === 0 && refuse())),
      restart,
    ];
    for (let step = 0; step < 120; step++) await steps[random.below(steps.length)]?.();

    answers(() => {});
    clock.advance(hourMs);
    while (await brings().usage());
    while (await brings().alerts());
    await brings().alerts();
    const ids = (type: EventType) => [...new Set(had.filter((event) => event.type === type).map(({ id }) => id))];
    expect(ids("usage.call")).toEqual(finished);
    expect(ids("usage.adjustment")).toHaveLength(adjusted);
    const { data: alerts } = await database().outbox.alerts({ limit: 200 });
    expect(ids("call.over_hold").toSorted()).toEqual(alerts.map(({ id }) => id).toSorted());
    // What both say together is the ledger.
    const once = new Map(had.map((event) => [event.id, event.data]));
    const told = [...once.values()].reduce(
      (sum, { chargeNano, chargeDeltaNano, heldNano }) =>
        sum + (heldNano === undefined ? Number(chargeNano ?? chargeDeltaNano ?? 0) : 0),
      0,
    );
    const { total } = await database().calls.usage({ from: 0, to: clock.now() + 1, groupBy: [] });
    expect(told).toBe(Number(total.chargeNano));
    // An adjustment never comes before its call.
    const order = had.map(({ type, data }) => `${type} ${String(data["callId"])}`);
    for (const [at, line] of order.entries())
      if (line.startsWith("usage.adjustment"))
        expect(order.indexOf(line.replace("adjustment", "call"))).toBeWithin(0, at);
    await database().close();
  }
}, 60_000);
