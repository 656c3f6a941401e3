import { connect, type Socket } from "node:net";
import { setTimeout as pause } from "node:timers/promises";
import { call, chat } from "../support/clients.ts";
import { invariants } from "../support/invariants.ts";
import { answers } from "../support/openai-answers.ts";
import { until } from "../support/poll.ts";
import { openCalls } from "../support/rows.ts";
import { hang } from "../support/scripts.ts";
import { setUp, type Setup } from "../support/setup.ts";
import { neverShed, rssMb, type Soak, tooFewFiles, unhandled } from "./soak.ts";

const everyMs = 10;
const roundMs = 3_000;
const most = { waiting: 2_000, queued: 500 };
/** Slower than this by more than a tenth is too slow; less is what a machine does by itself. */
const noiseMs = 1;

/** Calls to a provider that is well, 100 a second, with and without others that wait for one that hangs: by turns. */
export const hung: Soak = async (size) => {
  const { count, minutes, print } = size;
  const lacking = tooFewFiles(4 * count + 500);
  if (lacking.length > 0) return lacking;
  const setup = await setUp({
    dialects: ["openai-chat"],
    config: `server: { ${neverShed}, disconnect: { drainMs: 100 } }`,
  });
  try {
    const { gateway, upstream } = setup;
    upstream.on("well", answers());
    upstream.on("hung", hang);
    await underLoad(setup, 2_000);
    const alone: Percentiles[] = [];
    const beside: Percentiles[] = [];
    const wrong: string[] = [];
    let refusedMs: number[] = [];
    const rounds = Math.max(Math.round((minutes * 60_000) / (2 * roundMs)), 1);
    for (let round = 0; round < rounds; round++) {
      alone.push(percentiles(await underLoad(setup, roundMs)));
      const crowd = ask(setup, count);
      await until("all but those that wait are refused", () => crowd.refusedMs.length >= count - most.waiting, {
        deadlineMs: 60_000,
      });
      refusedMs = crowd.refusedMs;
      beside.push(percentiles(await underLoad(setup, roundMs)));
      const waiting = upstream.requestsFor("hung").filter(({ abandoned }) => !abandoned).length;
      print(
        `round ${round + 1}: ${waiting} wait for the one that hangs, ${refusedMs.length} got 503; ${rssMb(gateway).toFixed(0)} MB`,
      );
      // Beside a few that wait, nothing would be shown.
      if (waiting < 0.9 * Math.min(count, most.waiting)) wrong.push(`in round ${round + 1} only ${waiting} waited`);
      for (const socket of crowd.sockets) socket.resetAndDestroy();
      await until("no call open", () => openCalls(gateway) === 0 && upstream.open === 0, { deadlineMs: 60_000 });
    }
    await invariants(setup);
    const [before, after] = [best(alone), best(beside)];
    const atOnce = Math.max(count - most.waiting - most.queued, 0);
    for (const [what, all] of Object.entries({ alone, beside }))
      print(
        `${what}: p99 of each round ${all.map(({ p99 }) => p99.toFixed(1)).join(", ")} ms; p50 ${best(all).p50.toFixed(2)} ms`,
      );
    print(
      `best rounds: p50 ${percent(after.p50 / before.p50)}, p99 ${percent(after.p99 / before.p99)}; the first ${atOnce} refusals within ${(refusedMs[atOnce - 1] ?? 0).toFixed(0)} ms of the first call`,
    );
    return [
      ...wrong,
      ...(after.p99 <= before.p99 * 1.1 || after.p99 <= before.p99 + noiseMs
        ? []
        : [`calls to the provider that is well are slower: p99 ${percent(after.p99 / before.p99)}`]),
      ...unhandled(gateway),
    ];
  } finally {
    await setup.stop();
  }
};

/** How long each call took, begun every so often, whatever becomes of those before it. */
async function underLoad({ gateway, key }: Setup, forMs: number): Promise<readonly number[]> {
  const took: Promise<number>[] = [];
  const startMs = performance.now();
  for (let at = 0; at * everyMs < forMs; at++) {
    await pause(Math.max(startMs + at * everyMs - performance.now(), 0));
    const beganMs = performance.now();
    took.push(
      call(gateway, key.key, chat("mock/well")).then(({ status, text }) => {
        if (status !== 200) throw new Error(`${status}: ${text}`);
        return performance.now() - beganMs;
      }),
    );
  }
  return Promise.all(took);
}

/** So many calls at once that nobody will answer, each on a connection of its own, because `fetch` has a cap. */
function ask({ gateway, key }: Setup, count: number): { readonly sockets: Socket[]; readonly refusedMs: number[] } {
  const { hostname, port, host } = new URL(gateway.url);
  const body = JSON.stringify(chat("mock-openai-chat/hung"));
  const head = `POST /v1/chat/completions HTTP/1.1\r\nhost: ${host}\r\nauthorization: Bearer ${key.key}\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n`;
  const startMs = performance.now();
  const refusedMs: number[] = [];
  const sockets = Array.from({ length: count }, () => {
    const socket = connect({ host: hostname, port: Number(port) }, () => socket.write(head + body));
    socket.once("data", (piece) => {
      if (piece.toString("latin1").startsWith("HTTP/1.1 503 ")) refusedMs.push(performance.now() - startMs);
    });
    return socket.on("error", () => {});
  });
  return { sockets, refusedMs };
}

interface Percentiles {
  readonly p50: number;
  readonly p99: number;
}

function percentiles(values: readonly number[]): Percentiles {
  const sorted = values.toSorted((left, right) => left - right);
  const at = (share: number) => sorted[Math.floor((sorted.length - 1) * share)] ?? Number.NaN;
  return { p50: at(0.5), p99: at(0.99) };
}

/** What others do on the machine only ever adds. */
const best = (rounds: readonly Percentiles[]): Percentiles => ({
  p50: Math.min(...rounds.map(({ p50 }) => p50)),
  p99: Math.min(...rounds.map(({ p99 }) => p99)),
});

const percent = (ratio: number): string => `${ratio >= 1 ? "+" : ""}${((ratio - 1) * 100).toFixed(1)} %`;
