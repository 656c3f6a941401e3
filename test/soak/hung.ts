import { connect, type Socket } from "node:net";
import { chat } from "../support/clients.ts";
import { invariants } from "../support/invariants.ts";
import { answers } from "../support/openai-answers.ts";
import { until } from "../support/poll.ts";
import { openCalls } from "../support/rows.ts";
import { hang } from "../support/scripts.ts";
import { setUp, type Setup } from "../support/setup.ts";
import { neverShed, rssMb, type Soak, tooFewFiles, unhandled } from "./soak.ts";
import { best, percent, type Percentiles, percentiles, steady } from "./steady.ts";

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
    await steady(setup, "mock/well", 2_000);
    const alone: Percentiles[] = [];
    const beside: Percentiles[] = [];
    const wrong: string[] = [];
    let refusedMs: number[] = [];
    const rounds = Math.max(Math.round((minutes * 60_000) / (2 * roundMs)), 1);
    for (let round = 0; round < rounds; round++) {
      alone.push(percentiles(await steady(setup, "mock/well", roundMs)));
      const crowd = ask(setup, count);
      await until("all but those that wait are refused", () => crowd.refusedMs.length >= count - most.waiting, {
        deadlineMs: 60_000,
      });
      refusedMs = crowd.refusedMs;
      beside.push(percentiles(await steady(setup, "mock/well", roundMs)));
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
