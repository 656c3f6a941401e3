import { afterAll, expect, test } from "bun:test";
import { ask, endOf, messageOf } from "../support/dialect-calls.ts";
import { invariants } from "../support/invariants.ts";
import { eachOf } from "../support/poll.ts";
import { type Random, randomOf } from "../support/random.ts";
import { usageOf } from "../support/rows.ts";
import { head } from "../support/scripts.ts";
import { setUp } from "../support/setup.ts";
import { spokenStream, spokenWhole } from "../support/spoken.ts";

/** Good answers of every dialect whose bytes, head and framing included, were changed at random places. */

const dialects = ["openai-chat", "openai-responses", "anthropic-messages", "gemini"] as const;
const setup = await setUp({
  dialects,
  config: "server: { timeouts: { firstByteMs: 400, idleMs: 400 }, attempts: { max: 1 }, breaker: { enabled: false } }",
});
const { gateway, upstream, key } = setup;
afterAll(() => setup.stop());
const turn = { text: "first and more of it to the end ü 🎈", usage: { input: 100, cached: 40, output: 30 } };

test("whatever they are, the client gets an answer of its dialect or an error of it, and the record says which", async () => {
  const { pid } = gateway;
  // The same ones each time: what other seeds find (`LLM_PROXY_TEST_SEED`) is not for somebody else's change to fail by.
  const seed = Number(process.env.LLM_PROXY_TEST_SEED ?? 1695716317);
  const wrong = await eachOf(
    Array.from({ length: 250 }, (_, at) => at),
    12,
    async (at) => {
      const random = randomOf(seed + at);
      const target = oneOf(random, dialects);
      const client = random.below(2) === 0 ? target : oneOf(random, dialects);
      const stream = random.below(2) === 0;
      const bytes = mutated(random, answerOf(random, target, stream));
      upstream.on(`mutated-${at}`, async (exchange) => {
        await exchange.write(bytes);
        exchange.close();
      });
      const reply = await ask(gateway, key.key, client, { model: `mock-${target}/mutated-${at}`, stream });
      const row = usageOf(gateway, reply.callId);
      const about = `${target} for ${client}: ${reply.status}, ${row.status}: ${reply.text.slice(-200)}`;
      const faults: string[] = [];
      if (!Number.isInteger(row.cost_nano) || (row.cost_nano ?? -1) < 0) faults.push(`costs ${row.cost_nano}`);
      if (reply.status !== 200) {
        if (![502, 503, 504].includes(reply.status)) faults.push("blames the client");
        if (messageOf(client, reply.text) === "" || row.status !== "upstream_error")
          faults.push("not told as an error");
      } else if (stream) {
        // Of a stream that has told its usage or why it ended, and lacks its `[DONE]`, no word is missing.
        const end = endOf(client, reply.text.replace(/(\n\n)[^\n]*$/, "$1"));
        const hasAll = row.source === "provider" || row.finish_reason !== null;
        const isWhole = end === "whole" || (client === "openai-chat" && end === null && hasAll);
        if (!reply.complete || isWhole !== (row.status === "ok")) faults.push(`ends with ${end}`);
      } else if (row.status !== "ok" || typeof JSON.parse(reply.text) !== "object") faults.push("not told as it is");
      return faults.map((fault) => `${at}: ${fault}: ${about}`);
    },
  );
  expect(wrong.flat()).toEqual([]);
  expect(gateway.pid).toBe(pid);
  expect(gateway.log()).not.toMatch(/that nobody|for a reason of our own/);
  await invariants(setup);
}, 60_000);

const oneOf = <T>(random: Random, all: readonly [T, ...T[]]): T => all[random.below(all.length)] ?? all[0];

/** In one of the three ways to tell where a body ends. */
function answerOf(random: Random, dialect: (typeof dialects)[number], stream: boolean): Buffer {
  const body = Buffer.from(stream ? spokenStream(dialect, turn) : spokenWhole(dialect, turn));
  const type = { "content-type": stream ? "text/event-stream" : "application/json" };
  const way = random.below(3);
  if (way === 0) return Buffer.concat([Buffer.from(head(200, { ...type, connection: "close" })), body]);
  if (way === 1) return Buffer.concat([Buffer.from(head(200, { ...type, "content-length": `${body.length}` })), body]);
  const chunks: Buffer[] = [];
  for (let at = 0; at < body.length;) {
    const chunk = body.subarray(at, at + 1 + random.below(200));
    chunks.push(Buffer.from(`${chunk.length.toString(16)}\r\n`), chunk, Buffer.from("\r\n"));
    at += chunk.length;
  }
  return Buffer.concat([
    Buffer.from(head(200, { ...type, "transfer-encoding": "chunked" })),
    ...chunks,
    Buffer.from("0\r\n\r\n"),
  ]);
}

const numbers = ["-5", "99999999999999999999", "1.5", "null", '"7"', "{}", "1e400"] as const;
const pieces = [
  "\r\n",
  "\n\n",
  "\0",
  "data: ",
  ",",
  "}",
  "null",
  '"',
  "[",
  "HTTP/1.1 200 OK\r\n\r\n",
  "event: error\n",
] as const;

/** None, one or two changes: a byte, a part that is missing or comes twice, something in between, an end too early, another number. */
function mutated(random: Random, answer: Buffer): Buffer {
  let bytes = answer;
  for (let left = random.below(3); left > 0; left--) {
    const at = random.below(random.below(3) === 0 ? 150 : bytes.length);
    const [before, after] = [bytes.subarray(0, at), bytes.subarray(at)];
    const length = 1 + random.below(30);
    const changes: readonly [() => Buffer, ...(() => Buffer)[]] = [
      () => Buffer.concat([before, Buffer.from([random.below(256)]), after.subarray(1)]),
      () => Buffer.concat([before, after.subarray(length)]),
      () => Buffer.concat([before, after.subarray(0, length), after]),
      () => Buffer.concat([before, Buffer.from(oneOf(random, pieces)), after]),
      () => before,
      () =>
        Buffer.concat([before, Buffer.from(after.toString("latin1").replace(/\d+/, oneOf(random, numbers)), "latin1")]),
    ];
    bytes = oneOf(random, changes)();
  }
  return bytes;
}
