import { setTimeout as pause } from "node:timers/promises";
import { invariants } from "../support/invariants.ts";
import { until } from "../support/poll.ts";
import type { CreatedKey } from "../support/process.ts";
import { seeded } from "../support/random.ts";
import { allBudgets, allUsage, openCalls } from "../support/rows.ts";
import { setUp, type Setup } from "../support/setup.ts";
import { answering } from "./fault-answers.ts";
import { aliases, ask, Seen, spoken } from "./fault-calls.ts";
import { isWhole } from "./fault-scripts.ts";
import { doctor, neverShed, rssMb, type Soak, unhandled } from "./soak.ts";

const lanes = 24;
/** A process of its own for each part of a long run: what is looked at in the end must fit into memory. */
const roundMinutes = 10;
const maxAttempts = 3;

/** Upstreams that reset, stall, drip, lie and explode, below calls of all dialects with retries, fallbacks and budgets. */
export const faults: Soak = async ({ minutes, print }) => {
  const { seed } = seeded("faults");
  const broken: string[] = [];
  for (let left = minutes, at = 0; left > 0 && broken.length === 0; left -= roundMinutes, at++)
    broken.push(...(await round({ seed: seed + at, minutes: Math.min(left, roundMinutes), print })));
  return broken;
};

interface Round {
  readonly seed: number;
  readonly minutes: number;
  readonly print: (line: string) => void;
}

async function round({ seed, minutes, print }: Round): Promise<readonly string[]> {
  const setup = await setUp({
    dialects: spoken,
    config: [
      ...aliases,
      "server:",
      `  ${neverShed}`,
      `  attempts: { max: ${maxAttempts}, backoffMs: 20, maxWaitMs: 200 }`,
      "  timeouts: { firstByteMs: 800, idleMs: 800 }",
      "  breaker: { probeMs: 300 }",
      "  bulkhead: { maxWaiting: 12, maxQueued: 6, queueMs: 200 }",
      "  disconnect: { drainMs: 300 }",
    ].join("\n"),
  });
  try {
    return await under(setup, { seed, minutes, print });
  } finally {
    await setup.stop();
  }
}

async function under(setup: Setup, { seed, minutes, print }: Round): Promise<readonly string[]> {
  const { gateway, upstream } = setup;
  const { pid } = gateway;
  const seen = new Seen();
  const tight = await gateway.createKey({ name: "tight", budget: { usd: 0.03, window: "lifetime" } });
  const few = await gateway.createKey({ name: "few", limits: { concurrency: 3 } });
  const rich = await gateway.createKey({ name: "rich", budget: { usd: 1_000_000, window: "day" } });
  const keys = [rich, few, rich, tight, rich];
  const keyOf = (id: number): CreatedKey => keys[id % keys.length] ?? rich;
  let isOver = false;
  const answer = answering(seen, {
    seed,
    mayFail: () => !isOver,
    mayLie: (id) => keyOf(id) !== tight,
    onWhole: (exchange, sent) => void seen.sent.set(exchange, sent),
  });
  for (const model of "abcdefghijkl") upstream.on(model, answer);

  print(`at the start ${rssMb(gateway).toFixed(0)} MB`);
  const endMs = performance.now() + minutes * 60_000;
  let calls = 0;
  let sampling = true;

  const sampled = (async () => {
    for (; sampling; await pause(100))
      for (const { limit_nano: limit, spent_nano: spent, held_nano: held } of allBudgets(gateway))
        if (spent + held > limit) seen.wrong(`a budget of ${limit} has ${spent} spent and ${held} held`);
  })();
  const lane = async () => {
    while (performance.now() < endMs && gateway.running) await ask(setup, seen, { seed, id: calls++, keyOf });
  };
  await Promise.all(Array.from({ length: lanes }, lane));
  const faultyCalls = calls;

  isOver = true;
  await until("well again", async () => (await Promise.all([1, 2, 3, 4].map(() => after(calls++)))).every(Boolean), {
    deadlineMs: 10_000,
    everyMs: 100,
  }).catch((error: unknown) => seen.wrong(String(error)));
  function after(id: number): Promise<boolean> {
    return ask(setup, seen, { seed, id, keyOf: () => rich, stays: true });
  }

  await until("no call open", () => openCalls(gateway) === 0 && upstream.open === 0, { deadlineMs: 15_000 });
  for (const id of seen.good) if (!seen.whole.has(id)) seen.wrong(`call ${id} ended well, and the upstream never did`);
  // Of several whole answers to one call, the proxy may have let one go.
  const answersTo = Map.groupBy(seen.sent, ([, { id }]) => id);
  for (const [id, [first, another]] of answersTo)
    if (first && !another && seen.good.has(id)) first[0].upstreamId = first[1].upstreamId;
  sampling = false;
  await sampled;
  const rows = allUsage(gateway);
  tell(print, { seen, calls: faultyCalls, minutes, rows });
  const attempts = gateway.sql<{ n: number }>("select count(*) as n from v_attempts")[0]?.n ?? 0;
  // A client that leaves may leave a request that had not reached the upstream yet.
  const sent = upstream.log.length - seen.counted;
  const unreached = Math.min(Math.max(attempts - sent, 0), seen.left.size);
  await invariants(setup, { unreached: unreached - seen.counted }).catch((error: unknown) => seen.wrong(String(error)));
  print(`at the end ${rssMb(gateway).toFixed(0)} MB`);
  const tooMany = Object.values(seen.requests).filter((count) => count > maxAttempts).length;
  const rowsOf = new Map(rows.map((row) => [row.call_id, row.status]));
  const unlike = [...seen.ends].filter(([callId, isGood]) => (rowsOf.get(callId) === "ok") !== isGood);
  const goodEnds = [...seen.ends.values()].filter(Boolean).length;
  return [
    ...seen.broken,
    // As a rule some six in ten do; where hardly one does, the rest says little.
    ...(goodEnds >= seen.ends.size / 4 ? [] : [`only ${goodEnds} of ${seen.ends.size} calls ended well`]),
    ...(gateway.pid === pid && gateway.running ? [] : ["another process serves"]),
    ...(tooMany === 0 ? [] : [`${tooMany} calls were sent more than ${maxAttempts} times`]),
    ...(unlike.length === 0
      ? []
      : [`${unlike.length} records differ from what the client saw, e.g. ${unlike[0]?.[0]}`]),
    ...unhandled(gateway),
    ...(await doctor(gateway)),
  ];
}

function tell(
  print: Round["print"],
  { seen, calls, minutes, rows }: { seen: Seen; calls: number; minutes: number; rows: readonly { status: string }[] },
) {
  const sum = (values: Iterable<number>) => [...values].reduce((total, value) => total + value, 0);
  const asked = sum(seen.kinds.values());
  const ill = sum([...seen.kinds].map(([kind, count]) => (isWhole(kind) ? 0 : count)));
  const list = (counts: Iterable<readonly [unknown, number]>) =>
    [...counts]
      .toSorted((left, right) => right[1] - left[1])
      .map(([what, count]) => `${count} ${String(what)}`)
      .join(", ");
  print(
    `${calls} calls in ${(minutes * 60).toFixed(0)} s, ${seen.left.size} of them left; ${asked} requests upstream, ${ill} of them failed as planned`,
  );
  print(`planned: ${list(seen.kinds)}`);
  print(
    `answers: ${list(seen.statuses)}; good ends: ${[...seen.ends.values()].filter(Boolean).length} of ${seen.ends.size}`,
  );
  print(
    `records: ${list([...Map.groupBy(rows, ({ status }) => status)].map(([status, all]) => [status, all.length]))}`,
  );
}
