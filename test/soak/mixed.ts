import { readdirSync } from "node:fs";
import { setInterval, setTimeout as pause } from "node:timers/promises";
import { until } from "../support/poll.ts";
import type { CreatedKey } from "../support/process.ts";
import { seeded } from "../support/random.ts";
import { allBudgets, openCalls } from "../support/rows.ts";
import { setUp, type Setup } from "../support/setup.ts";
import { answering } from "./fault-answers.ts";
import { aliases, ask, Seen, spoken } from "./fault-calls.ts";
import { doctor, neverShed, rssMb, type Soak, unhandled } from "./soak.ts";
import { best, type Percentiles, percentiles } from "./steady.ts";

/** Of so many calls one meets what the upstream of the soak of faults does. */
const faultyEvery = 10;
/** What memory may grow, by a line through the least of each minute, once it has found its size. */
const mostMbIn10Minutes = 1;
/** A shorter run has nothing to draw such a line through. */
const fewestMinutes = 15;
/** Of the best minutes at the start and in the end, or of a millisecond, which is what a machine does by itself. */
const [flat, noiseMs] = [1.1, 1];
const [mostFdsMore, sampleMs] = [20, 1_000];

/**
 * `count` calls a second for long, in one process: all dialects, JSON and streams, retries, fallbacks, budgets that are spent,
 * limits, clients that leave, and now and then an upstream that fails. What it takes stays as it was.
 */
export const mixed: Soak = async ({ count, minutes, print }) => {
  const { seed } = seeded("mixed");
  const setup = await setUp({
    dialects: spoken,
    config: [
      ...aliases,
      "server:",
      `  ${neverShed}`,
      "  attempts: { max: 3, backoffMs: 20, maxWaitMs: 200 }",
      "  timeouts: { firstByteMs: 2000, idleMs: 2000 }",
      "  breaker: { probeMs: 300 }",
      "  disconnect: { drainMs: 300 }",
    ].join("\n"),
  });
  const { gateway, upstream } = setup;
  try {
    const { pid } = gateway;
    const seen = new Seen();
    const rich = await gateway.createKey({ name: "rich", budget: { usd: 1_000_000, window: "day" } });
    const tight = await gateway.createKey({ name: "tight", budget: { usd: 0.03, window: "lifetime" } });
    const few = await gateway.createKey({ name: "few", limits: { concurrency: 3, requestsPerMinute: 600 } });
    const keyOf = (id: number): CreatedKey => (id % 20 === 7 ? tight : id % 20 === 13 ? few : rich);
    const mayFail = (id: number): boolean => id % faultyEvery === 1;
    const answer = answering(seen, { seed, mayLie: (id) => keyOf(id) !== tight, mayFail });
    for (const model of "abcdefghijkl") upstream.on(model, answer);

    print(`at the start ${rssMb(gateway).toFixed(0)} MB, ${filesOf(pid)} files`);
    const figures: Minute[] = [];
    const under = new Set<Promise<void>>();
    let [calls, took, samples] = [0, new Array<number>(), new Array<number>()];
    const one = async (id: number): Promise<void> => {
      const startMs = performance.now();
      await ask(setup, seen, { seed, id, keyOf });
      if (keyOf(id) === rich && !mayFail(id) && !seen.left.has(id)) took.push(performance.now() - startMs);
    };
    const startMs = performance.now();
    let [requests, sampledMs] = [0, startMs];
    for await (const _ of setInterval(5)) {
      const nowMs = performance.now();
      if (nowMs - startMs >= minutes * 60_000 || !gateway.running) break;
      for (const due = ((nowMs - startMs) / 1_000) * count; calls < due; calls++) {
        const call = one(calls).finally(() => under.delete(call));
        under.add(call);
      }
      if (nowMs - sampledMs < sampleMs) continue;
      sampledMs = nowMs;
      samples.push(rssMb(gateway));
      for (const { limit_nano: limit, spent_nano: spent, held_nano: held } of allBudgets(gateway))
        if (spent + held > limit) seen.wrong(`a budget of ${limit} has ${spent} spent and ${held} held`);
      if (nowMs - startMs < (figures.length + 1) * 60_000) continue;
      const minute = { ...percentiles(took), mb: Math.min(...samples), files: filesOf(pid) };
      figures.push(minute);
      print(
        `${figures.length} min: ${calls} calls, p50 ${minute.p50.toFixed(1)} ms, p99 ${minute.p99.toFixed(1)} ms; ${minute.mb.toFixed(0)} MB at least, ${minute.files} files`,
      );
      [took, samples] = [[], []];
      requests += forget(upstream.log);
    }
    await Promise.all(under);
    for (const id of seen.good)
      if (!seen.whole.has(id)) seen.wrong(`call ${id} ended well, and the upstream never did`);
    await until("no call open", () => openCalls(gateway) === 0 && upstream.open === 0, { deadlineMs: 15_000 });
    requests += upstream.log.length;
    await pause(sampleMs);

    const statuses = gateway.sql<{ status: string; n: number }>(
      "select status, count(*) as n from v_usage group by status order by n desc",
    );
    const tally = (counts: Iterable<readonly [unknown, number]>) =>
      [...counts].map(([what, n]) => `${n} ${String(what)}`).join(", ");
    print(`${calls} calls, ${seen.left.size} of them left; ${requests} requests upstream`);
    print(
      `answers: ${tally(seen.statuses)}; records: ${statuses.map(({ status, n }) => `${n} ${status}`).join(", ")}; at the end ${rssMb(gateway).toFixed(0)} MB, ${filesOf(pid)} files`,
    );
    const good = new Set(
      gateway.sql<{ id: string }>("select call_id as id from v_usage where status = 'ok'").map(({ id }) => id),
    );
    const unlike = [...seen.ends].filter(([callId, isGood]) => good.has(callId) !== isGood);
    const goodEnds = [...seen.ends.values()].filter(Boolean).length;
    return [
      ...seen.broken,
      // As a rule nine in ten do; of refusals alone, all of the rest would hold.
      ...(goodEnds >= seen.ends.size / 2 ? [] : [`only ${goodEnds} of ${seen.ends.size} calls ended well`]),
      ...(gateway.pid === pid && gateway.running ? [] : ["another process serves"]),
      ...(unlike.length === 0
        ? []
        : [`${unlike.length} records differ from what the client saw, e.g. ${unlike[0]?.[0]}`]),
      ...(minutes < fewestMinutes ? [] : steadyIn(figures, print)),
      ...unhandled(gateway),
      ...(await doctor(gateway)),
    ];
  } finally {
    await setup.stop();
  }
};

interface Minute extends Percentiles {
  /** The least of its samples: garbage comes and goes above it. */
  readonly mb: number;
  readonly files: number;
}

/** What of the first minutes does not hold in the last; a third of the run is for caches to fill and the collector to find its size. */
function steadyIn(figures: readonly Minute[], print: (line: string) => void): readonly string[] {
  const third = Math.floor(figures.length / 3);
  const [first, last] = [figures.slice(1, 1 + third), figures.slice(-third)];
  const [early, late] = [best(first), best(last)];
  const slope = 10 * slopeOf(figures.slice(third).map(({ mb }) => mb));
  const files = (part: readonly Minute[]) => Math.min(...part.map((minute) => minute.files));
  print(
    `from the first third to the last: best p99 ${early.p99.toFixed(1)} to ${late.p99.toFixed(1)} ms, files ${files(first)} to ${files(last)}; after the first third ${slope.toFixed(2)} MB in 10 minutes`,
  );
  return [
    ...(slope <= mostMbIn10Minutes ? [] : [`memory grows by ${slope.toFixed(2)} MB in 10 minutes`]),
    ...(files(last) <= files(first) + mostFdsMore ? [] : ["files stay open"]),
    ...(late.p99 <= Math.max(early.p99 * flat, early.p99 + noiseMs) ? [] : ["calls become slower"]),
  ];
}

/** Of a line through values in even steps: the middle one of all between two of them, which a few that stand out do not move. */
function slopeOf(values: readonly number[]): number {
  const between = values.flatMap((value, at) => values.slice(at + 1).map((later, gap) => (later - value) / (gap + 1)));
  return percentiles(between).p50;
}

const filesOf = (pid: number): number => readdirSync(`/proc/${pid}/fd`).length;

/** Drops what is over, which a long run would fill the memory with, and tells how many. */
function forget(log: Setup["upstream"]["log"]): number {
  const open = log.filter(({ finished, abandoned }) => !finished && !abandoned);
  return log.splice(0, log.length, ...open).length - open.length;
}
