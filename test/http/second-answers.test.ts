import { afterAll, afterEach, describe, expect, test } from "bun:test";
import { call, chat } from "../support/clients.ts";
import { invariants } from "../support/invariants.ts";
import { answers, completion, frames, newUpstreamId } from "../support/openai-answers.ts";
import { eachOf, gate } from "../support/poll.ts";
import { usageOf } from "../support/rows.ts";
import { head } from "../support/scripts.ts";
import { setUp } from "../support/setup.ts";
import type { Exchange, Script } from "../support/upstream.ts";

/** Answers that nobody asked for, on connections that are used again: they must reach no other call. */

const firstByteMs = 300;
const setup = await setUp({
  mock: "    reuseConnections: false",
  dialects: ["openai-chat"],
  config: `server: { timeouts: { firstByteMs: ${firstByteMs} } }`,
});
const { gateway, upstream, key } = setup;
afterEach(() => invariants(setup));
afterAll(() => setup.stop());

/** `mock` has a connection for each call, the other one shares them. */
const shared = "mock-openai-chat";
/** One word, so that a stream has it in one piece. */
const poison = "poison-for-nobody";
const forms = { unary: {}, stream: { stream: true } } as const;

const times = (count: number): readonly number[] => Array.from({ length: count }, (_, at) => at);

let asked = 0;
/** One call with a token of its own, which an honest answer repeats. */
async function ask(provider: string, model: string, more: object = {}) {
  const token = `token-${++asked}`;
  const reply = await call(gateway, key.key, {
    ...chat(`${provider}/${model}`, { ...more }),
    messages: [{ role: "user", content: token }],
  });
  return { token, ...reply };
}
async function expectOwnAnswers(provider: string, model: string, more: object = {}): Promise<void> {
  for (let next = 0; next < 4; next++) {
    const { status, text, token } = await ask(provider, model, more);
    expect([status, text.includes(token), text.includes(poison)]).toEqual([200, true, false]);
  }
}

const isStream = ({ json }: Exchange): boolean => json.stream === true;
const tokenOf = ({ request }: Exchange): string => /token-\d+/.exec(request.body.toString())?.[0] ?? "";
const honest: Script = (exchange) => answers({ text: tokenOf(exchange) })(exchange);
upstream.on("honest", honest);

/** A whole answer in one piece: JSON with its length, or chunked events. */
function bytesOf(exchange: Exchange, id: string, text: string): string {
  if (isStream(exchange)) {
    const events = frames(id, { text }, true).join("");
    const chunks = `${Buffer.byteLength(events).toString(16)}\r\n${events}\r\n0\r\n\r\n`;
    return head(200, { "content-type": "text/event-stream", "transfer-encoding": "chunked" }) + chunks;
  }
  const body = JSON.stringify(completion(id, { text }));
  return head(200, { "content-type": "application/json", "content-length": String(body.length) }) + body;
}
const first = (exchange: Exchange): string =>
  bytesOf(exchange, (exchange.upstreamId = newUpstreamId()), tokenOf(exchange));
const second = (exchange: Exchange): string => bytesOf(exchange, newUpstreamId(), poison);

describe.each(Object.entries(forms))("%s, over a connection that is used again", (form, more) => {
  test("a second answer behind the first, whole or in part, is taken for nothing", async () => {
    for (const part of [1, 0.1]) {
      upstream.on(`behind-${form}`, async (exchange) => {
        const unasked = second(exchange);
        await exchange.write(first(exchange) + unasked.slice(0, unasked.length * part));
        exchange.finish();
      });
      expect((await ask(shared, `behind-${form}`, more)).text).not.toContain(poison);
      await expectOwnAnswers(shared, "honest", more);
    }
  });

  test("a second answer while the connection is idle ends the connection", async () => {
    const read = gate();
    const sent = gate();
    upstream.on(`idle-${form}`, async (exchange) => {
      await exchange.write(first(exchange));
      exchange.finish();
      await read.opened;
      await exchange.write(second(exchange));
      sent.open();
    });
    await ask(shared, `idle-${form}`, more);
    read.open();
    await sent.opened;
    await expectOwnAnswers(shared, "honest", more);
    const used = upstream.requestsFor(`idle-${form}`)[0]?.connection;
    expect(
      upstream
        .requestsFor("honest")
        .slice(-4)
        .map(({ connection }) => connection),
    ).not.toContain(used);
  });

  test("an answer that comes after its call was given up finds nobody", async () => {
    const late = gate();
    upstream.on(`late-${form}`, async (exchange) => {
      await exchange.over;
      await exchange.write(second(exchange));
      late.open();
    });
    const { status, callId } = await ask(shared, `late-${form}`, more);
    expect(status).toBe(504);
    await late.opened;
    await expectOwnAnswers(shared, "honest", more);
    expect(usageOf(gateway, callId)).toMatchObject({ status: "upstream_error", source: "none", cost_nano: 0 });
  });
});

/** The worst case: what is owed to nobody goes out as soon as there is a request that could be taken to have asked for it. */
function owing(): Script {
  const owed = new Set<number>();
  return async (exchange) => {
    const { connection } = exchange;
    const answer = first(exchange);
    if (owed.delete(connection)) {
      exchange.upstreamId = null;
      await exchange.write(second(exchange));
    } else owed.add(connection);
    await exchange.write(answer);
    exchange.finish();
  };
}

describe.each(Object.entries(forms))("%s, over a connection for each call", (form, more) => {
  test("an answer that is sent as the next request comes reaches no call", async () => {
    upstream.on(`owing-${form}`, owing());
    const replies = await eachOf(times(60), 6, () => ask("mock", `owing-${form}`, more));
    for (const { status, text, token } of replies)
      expect([status, text.includes(token), text.includes(poison)]).toEqual([200, true, false]);
    const seen = upstream.requestsFor(`owing-${form}`);
    expect(new Set(seen.map(({ connection }) => connection)).size).toBe(seen.length);
    for (const { request } of seen) expect(request.headers["connection"]).toBe("close");

    // Over shared ones it does: nothing in HTTP/1.1 could tell it from an honest answer. If this fails, drop the option.
    const fooled = await eachOf(times(6), 1, () => ask(shared, `owing-${form}`, more));
    expect(fooled.some(({ text }) => text.includes(poison))).toBe(true);
  });

  test("one that is closed at once costs no call", async () => {
    upstream.on(`closes-${form}`, async (exchange) => {
      await honest(exchange);
      exchange.close();
    });
    const replies = await eachOf(times(40), 4, () => ask("mock", `closes-${form}`, more));
    expect(replies.filter(({ status }) => status !== 200)).toEqual([]);
  });
});
