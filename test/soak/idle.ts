import { chat } from "../support/clients.ts";
import { invariants } from "../support/invariants.ts";
import { answers, frames, newUpstreamId, wantsUsage } from "../support/openai-answers.ts";
import { eachOf, gate, until } from "../support/poll.ts";
import { type RawAnswer, sendRaw } from "../support/raw.ts";
import { allUsage } from "../support/rows.ts";
import { stalled } from "../support/scripts.ts";
import { setUp } from "../support/setup.ts";
import { neverShed, rssMb, type Soak, tooFewFiles, unhandled, watchMemory } from "./soak.ts";
import { best, type Percentiles, percentiles, steady } from "./steady.ts";

/** What the proxy may need for 9,000 of them; for fewer it may need no less. */
const mostMb = 256;
/** A ping comes after 15 s, and a second is for who looks after all of them. */
const longestSilenceMs = 16_000;
/** What the p99 of 100 calls a second may be longer beside them, and of how many milliseconds one p99 is. */
const besideMs = 5;
const roundMs = 5_000;

/**
 * Streams that say one word and then nothing for a long time, beside 100 calls a second: none is cut, each is pinged, they
 * cost little memory, and the calls do not notice.
 */
export const idle: Soak = async (size) => {
  const { count, minutes, print } = size;
  // A stream is two connections, in the proxy and here.
  const lacking = tooFewFiles(2 * count + 500);
  if (lacking.length > 0) return lacking;
  const setup = await setUp({
    config: `server: { ${neverShed}, timeouts: { idleMs: ${Math.ceil((minutes + 10) * 60_000)} } }`,
    key: { name: "idle", budget: { usd: 1_000_000, window: "lifetime" } },
  });
  try {
    const { gateway, upstream } = setup;
    const release = gate();
    upstream.on("silent", (exchange) => {
      const id = (exchange.upstreamId = newUpstreamId());
      const all = frames(id, { text: "one two" }, wantsUsage(exchange));
      return stalled(all.slice(0, 2).join(""), release.opened, all.slice(2).join(""))(exchange);
    });
    upstream.on("brisk", answers());
    const alone: Percentiles[] = [];
    const beside: Percentiles[] = [];
    let slowestMs = 0;
    const measure = async (rounds: Percentiles[]) => {
      const took = await steady(setup, "mock/brisk", roundMs);
      slowestMs = Math.max(slowestMs, ...took);
      rounds.push(percentiles(took));
    };
    const aloneRounds = minutes > 0 ? 4 : 0;
    for (let at = 0; at < aloneRounds; at++) await measure(alone);
    print(`${count} streams; at the start ${rssMb(gateway).toFixed(0)} MB`);

    const begunStreams: Promise<RawAnswer | null>[] = [];
    const seenMs: number[] = [];
    let [ended, silenceMs] = [0, 0];
    await eachOf(
      Array.from({ length: count }, (_, at) => at),
      64,
      async (at) => {
        const begun = Promise.withResolvers<void>();
        const answer = silent(gateway.url, setup.key.key, () => {
          begun.resolve();
          silenceMs = Math.max(silenceMs, performance.now() - (seenMs[at] ?? performance.now()));
          seenMs[at] = performance.now();
        });
        begunStreams.push(answer);
        void answer.then(() => {
          ended += 1;
          begun.resolve();
        });
        await begun.promise;
      },
    );
    print(`all begun: ${rssMb(gateway).toFixed(0)} MB, ${upstream.open} open upstream`);
    let isOver = false;
    const calls = (async () => {
      while (!isOver && minutes > 0) await measure(beside);
    })();
    const most = Math.max(rssMb(gateway), await watchMemory(gateway, size));
    // How fast 9,000 ends come is another question. One that no ping came to is silent until now.
    const overMs = performance.now();
    const [early, silentMs] = [ended, seenMs.reduce((longest, ms) => Math.max(longest, overMs - ms), silenceMs)];
    isOver = true;
    await calls;
    release.open();

    const whole = await Promise.all(begunStreams);
    const pings = whole.map((answer) => answer?.text.match(/^: ping$/gm)?.length ?? 0);
    const ok = whole.filter((answer) => answer?.status === 200 && answer.text.includes("data: [DONE]")).length;
    const first = whole.find((answer) => answer?.status !== 200);
    await invariants(setup);
    await until("the last record", () => allUsage(gateway).length >= ok);
    const [before, after] = [best(alone), best(beside)];
    const median = percentiles(beside.map(({ p99 }) => p99)).p50;
    const slower = after.p99 - before.p99;
    print(`${ok} of ${count} whole, ${early} cut early, ${Math.min(...pings)} to ${Math.max(...pings)} pings each`);
    print(
      `longest silence ${(silentMs / 1_000).toFixed(1)} s; slowest call beside them ${(slowestMs / 1_000).toFixed(1)} s`,
    );
    if (minutes > 0)
      print(
        `calls beside them, best of ${beside.length} rounds: p50 ${before.p50.toFixed(1)} ms alone, ${after.p50.toFixed(1)} beside; p99 ${before.p99.toFixed(1)} alone, ${after.p99.toFixed(1)} beside (median ${median.toFixed(1)})`,
      );
    print(`at most ${most.toFixed(0)} MB, after the end ${rssMb(gateway).toFixed(0)} MB`);
    return [
      ...(early > 0 ? [`${early} streams were cut while they were silent`] : []),
      ...(ok === count ? [] : [`${count - ok} streams are not whole, e.g. ${JSON.stringify(first?.text ?? null)}`]),
      // Where others use the machine too, a ping waits for its turn as a call does.
      ...(silentMs <= longestSilenceMs + slowestMs
        ? []
        : [`a stream was silent for ${(silentMs / 1_000).toFixed(1)} s`]),
      ...(minutes === 0 || slower <= besideMs ? [] : [`calls beside them take ${slower.toFixed(1)} ms longer at p99`]),
      ...(most <= mostMb ? [] : [`${most.toFixed(0)} MB are more than ${mostMb}`]),
      ...unhandled(gateway),
    ];
  } finally {
    await setup.stop();
  }
};

function silent(url: string, key: string, onPiece: () => void): Promise<RawAnswer | null> {
  const body = JSON.stringify(chat("mock/silent", { stream: true, max_completion_tokens: 100 }));
  const headers = { authorization: `Bearer ${key}`, "content-type": "application/json" };
  const leaveWhen = (received: string): boolean => {
    if (received.includes("data:")) onPiece();
    return false;
  };
  return sendRaw(url, { path: "/v1/chat/completions", headers, body, leaveWhen });
}
