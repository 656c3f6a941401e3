import { call, chat } from "../support/clients.ts";
import { invariants } from "../support/invariants.ts";
import { frames, newUpstreamId, wantsUsage } from "../support/openai-answers.ts";
import { eachOf, until } from "../support/poll.ts";
import { type Random, seeded } from "../support/random.ts";
import { sendRaw } from "../support/raw.ts";
import { openCalls } from "../support/rows.ts";
import { openStream, sse, taken } from "../support/scripts.ts";
import { defaultPrice, setUp, type Setup } from "../support/setup.ts";
import type { Exchange } from "../support/upstream.ts";
import { doctor, neverShed, type Soak, unhandled } from "./soak.ts";

const width = 32;
/** Whole calls by which the proxy learns the model. */
const lessons = 60;

/** What the upstream says that a call used, by its own id of it. */
type Account = Map<string, { readonly input: number; readonly output: number }>;
interface Row {
  readonly upstream_id: string;
  readonly source: string;
  readonly input_tokens: number | null;
  readonly output_tokens: number | null;
  readonly cost_nano: number | null;
}

/**
 * Streams that are cut, against the upstream's own account: where it goes on to tell its usage after the client has left,
 * what is charged is exactly that; where it never does, the sum is within a tenth. The model's tokens are not the usual
 * four bytes, and differ from call to call.
 */
export const cuts: Soak = async ({ count, print }) => {
  const random = seeded("cuts");
  const setup = await setUp({
    config: `server: { ${neverShed}, disconnect: { drainMs: 400 } }`,
    key: { name: "cut", budget: { usd: 1_000_000, window: "lifetime" } },
  });
  const { gateway, upstream } = setup;
  const account: Account = new Map();
  try {
    // One model for the proxy: what is whole teaches what is not.
    upstream.on("model", async (exchange) => {
      const all = begun(exchange, random, account);
      if (exchange.json["user"] === "lesson") return sse(all.join(""))(exchange);
      const stream = await openStream(exchange);
      const isSilent = exchange.json["user"] === "silent";
      const part = isSilent ? all.filter((frame) => !isEnd(frame)) : all.slice(0, random.below(all.length));
      await stream.send(`${part.join("")}: mark\n\n`);
      // The client leaves here, or has left before, or stays to the end.
      await Promise.race([exchange.over, isSilent ? new Promise(() => {}) : taken()]);
      if (isSilent || exchange.abandoned) return;
      await stream.send(all.slice(part.length).join(""));
      await stream.end();
    });
    const numbers = (length: number) => Array.from({ length }, (_, at) => at);
    await eachOf(numbers(lessons), 8, () => call(gateway, setup.key.key, body("lesson", random)));
    await eachOf(numbers(count), width, (at) => leave(setup, at % 2 === 0 ? "told" : "silent", random));
    await until("no call open", () => openCalls(gateway) === 0 && upstream.open === 0, { deadlineMs: 60_000 });

    const rows = gateway.sql<Row>(
      `select a.upstream_id, u.source, u.input_tokens, u.output_tokens, u.cost_nano
       from v_attempts a join v_usage u on u.call_id = a.call_id where a.upstream_id is not null`,
    );
    const byId = new Map(rows.map((row) => [row.upstream_id, row]));
    const missing = [...account.keys()].filter((id) => !byId.has(id)).length;
    const told = rows.filter(({ source }) => source === "provider" || source === "drained");
    const wrong = told.filter(({ upstream_id: id, input_tokens: input, output_tokens: output }) => {
      const own = account.get(id);
      return own?.input !== input || own.output !== output;
    }).length;
    const guesses = rows.filter(({ source }) => source === "estimated");
    const costs = guesses.map((row) => ({
      ours: (row.cost_nano ?? 0) / 1_000,
      own: costOf(account.get(row.upstream_id)),
    }));
    const ratio = sum(costs.map(({ ours }) => ours)) / sum(costs.map(({ own }) => own));
    const each = costs.map(({ ours, own }) => ours / own).toSorted((left, right) => left - right);
    const at = (share: number) => (each[Math.floor((each.length - 1) * share)] ?? Number.NaN).toFixed(3);
    const tally = [...Map.groupBy(rows, ({ source }) => source)].map(([source, all]) => `${all.length} ${source}`);
    print(`${account.size} streams in the upstream's account; records: ${tally.join(", ")}; ${missing} missing`);
    print(
      `of those that told their usage ${wrong} differ; of the estimated the sum is ${ratio.toFixed(4)} of the account`,
    );
    print(
      `each estimate by its account: least ${at(0)}, p5 ${at(0.05)}, p50 ${at(0.5)}, p95 ${at(0.95)}, most ${at(1)}`,
    );
    await invariants(setup);
    return [
      ...(account.size >= count ? [] : [`only ${account.size} streams reached the upstream`]),
      ...(missing === 0 ? [] : [`${missing} streams have no record`]),
      ...(rows.length === told.length + guesses.length ? [] : ["a stream was given away"]),
      ...(wrong === 0 ? [] : [`${wrong} calls differ from what the upstream told of them`]),
      ...(Math.abs(ratio - 1) <= 0.1 ? [] : [`estimates come to ${ratio.toFixed(3)} of the account`]),
      ...(guesses.length >= count / 3 ? [] : [`only ${guesses.length} calls were estimated`]),
      ...unhandled(gateway),
      ...(await doctor(gateway)),
    ];
  } finally {
    await setup.stop();
  }
};

/** The frames of an answer, which is in the account from here on. About 2.5 bytes a token of input, 3 of output. */
function begun(exchange: Exchange, random: Random, account: Account): string[] {
  const id = (exchange.upstreamId = newUpstreamId());
  const input = Math.ceil(
    Buffer.byteLength(JSON.stringify(exchange.json["messages"])) / (2.2 + random.below(60) / 100),
  );
  const words = Array.from({ length: 40 + random.below(400) }, () => (random.below(2) === 0 ? "a " : "bcd "));
  account.set(id, { input, output: words.length });
  const answer = { text: words.join(""), promptTokens: input, completionTokens: words.length };
  return frames(id, answer, wantsUsage(exchange));
}

const isEnd = (frame: string): boolean => /"finish_reason":"stop"|"usage":\{|\[DONE\]/.test(frame);

const body = (kind: string, random: Random) =>
  chat("mock/model", {
    stream: true,
    user: kind,
    max_completion_tokens: 4_000,
    messages: [{ role: "user", content: "ü ".repeat(300 + random.below(2_000)) }],
  });

/** At the mark, or wherever it is in a stream that goes on. */
async function leave({ gateway, key }: Setup, kind: "told" | "silent", random: Random): Promise<void> {
  const bytes = 400 + random.below(20_000);
  await sendRaw(gateway.url, {
    path: "/v1/chat/completions",
    headers: { authorization: `Bearer ${key.key}`, "content-type": "application/json" },
    body: JSON.stringify(body(kind, random)),
    leaveWhen: (received) => (kind === "silent" ? received.includes(": mark") : received.length >= bytes),
  });
}

const costOf = (used: { readonly input: number; readonly output: number } | undefined): number =>
  (used?.input ?? 0) * defaultPrice.input + (used?.output ?? 0) * defaultPrice.output;
const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);
