import { chat } from "../support/clients.ts";
import { invariants } from "../support/invariants.ts";
import { frames, newUpstreamId, wantsUsage } from "../support/openai-answers.ts";
import { eachOf, gate, until } from "../support/poll.ts";
import { type RawAnswer, sendRaw } from "../support/raw.ts";
import { allUsage } from "../support/rows.ts";
import { stalled } from "../support/scripts.ts";
import { setUp } from "../support/setup.ts";
import { neverShed, rssMb, type Soak, tooFewFiles, unhandled, watchMemory } from "./soak.ts";

/** What the proxy may need for 9,000 of them; for fewer it may need no less. */
const mostMb = 256;

/** Streams that say one word and then nothing for a long time: none is cut, and they cost little memory. */
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
    print(`${count} streams; at the start ${rssMb(gateway).toFixed(0)} MB`);

    const answers: Promise<RawAnswer | null>[] = [];
    let ended = 0;
    await eachOf(
      Array.from({ length: count }, (_, at) => at),
      64,
      async () => {
        const begun = Promise.withResolvers<void>();
        const answer = silent(gateway.url, setup.key.key, () => begun.resolve());
        answers.push(answer);
        void answer.then(() => {
          ended += 1;
          begun.resolve();
        });
        await begun.promise;
      },
    );
    print(`all begun: ${rssMb(gateway).toFixed(0)} MB, ${upstream.open} open upstream`);
    const most = Math.max(rssMb(gateway), await watchMemory(gateway, size));
    const early = ended;
    release.open();

    const whole = await Promise.all(answers);
    const pings = whole.map((answer) => answer?.text.match(/^: ping$/gm)?.length ?? 0);
    const ok = whole.filter((answer) => answer?.status === 200 && answer.text.includes("data: [DONE]")).length;
    const first = whole.find((answer) => answer?.status !== 200);
    await invariants(setup);
    await until("the last record", () => allUsage(gateway).length >= ok);
    print(`${ok} of ${count} whole, ${early} cut early, ${Math.min(...pings)} to ${Math.max(...pings)} pings each`);
    print(`at most ${most.toFixed(0)} MB, after the end ${rssMb(gateway).toFixed(0)} MB`);
    return [
      ...(early > 0 ? [`${early} streams were cut while they were silent`] : []),
      ...(ok === count ? [] : [`${count - ok} streams are not whole, e.g. ${JSON.stringify(first?.text ?? null)}`]),
      ...(most <= mostMb ? [] : [`${most.toFixed(0)} MB are more than ${mostMb}`]),
      ...unhandled(gateway),
    ];
  } finally {
    await setup.stop();
  }
};

function silent(url: string, key: string, onBegun: () => void): Promise<RawAnswer | null> {
  const body = JSON.stringify(chat("mock/silent", { stream: true, max_completion_tokens: 100 }));
  const headers = { authorization: `Bearer ${key}`, "content-type": "application/json" };
  const leaveWhen = (received: string): boolean => {
    if (received.includes("data:")) onBegun();
    return false;
  };
  return sendRaw(url, { path: "/v1/chat/completions", headers, body, leaveWhen });
}
