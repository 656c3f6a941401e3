import { expect, test } from "bun:test";
import { credentialPool, KeyedRequest } from "../../core/pipeline/credentials.ts";
import { handle } from "../../core/gateway.ts";
import { readOnly } from "../../core/pipeline/explain/read-only.ts";
import type { Services } from "../../core/pipeline/services.ts";
import { aBudget, startMs } from "../contract/storage-samples.ts";
import { benches, chat, chatRequest } from "./bench.ts";
import { FetchedResponse } from "../../core/runtime/upstream-response.ts";

const newBench = benches();
const probeMs = 1_000;

/** A provider with two stored keys, the first of which has rested, and a budget so small that the input is counted. */
async function world(counted: () => Response) {
  const made: string[] = [];
  const sent: string[] = [];
  const bodies: string[] = [];
  const rests: string[] = [];
  const clock = { nowMs: 0 };
  const slotOf = (key: string) => ({
    dialects: ["anthropic-messages"] as const,
    request({ operation, body }: { readonly operation: string; readonly body: string }) {
      made.push(key);
      return { url: `http://${key}/${operation}`, headers: {}, body };
    },
  });
  const pool = credentialPool({
    slot: slotOf("file"),
    now: () => clock.nowMs,
    random: () => 0,
    rules: () => ({ enabled: true, consecutive: 6, errorShare: 0.5, minCalls: 20, windowMs: 10_000, probeMs }),
    onRest: (id, status) => void rests.push(`${id} ${status}`),
  });
  pool.use(["a", "b"].map((id) => ({ id, weight: 1, slot: slotOf(id) })));
  const bench = await newBench({
    providers: { mock: pool.provider },
    transport: async ({ url, body }) => {
      sent.push(new URL(url).host + new URL(url).pathname);
      bodies.push(String(body));
      if (url.endsWith("/count-tokens")) return new FetchedResponse(counted());
      const usage = { input_tokens: 10, output_tokens: 20 };
      const content = [{ type: "text", text: "hi" }];
      const message = { id: "msg", type: "message", role: "assistant", model: "one", content, usage };
      return new FetchedResponse(Response.json({ ...message, stop_reason: "end_turn", stop_sequence: null }));
    },
  });
  await bench.database.budgets.create(aBudget({ limitNano: 1_200, createdMs: startMs - 1 }));
  const first = pool.provider.request({} as never);
  if (!(first instanceof KeyedRequest)) throw new Error("not by a stored key");
  first.refused(429, probeMs);
  clock.nowMs += probeMs;
  made.length = 0;
  const ask = async (body: object = {}, through = (services: Services) => services) => {
    const response = await handle(chatRequest({ max_tokens: 100, ...body }), chat, through(bench.services));
    return response.status;
  };
  return { rests, made, sent, bodies, pool, ask };
}

test.each([200, 201])(
  "a count (status %d) leaves the probe of a key that is doubted to the call itself",
  async (status) => {
    const { ask, sent, pool } = await world(() => Response.json({ input_tokens: 10 }, { status }));
    expect(await ask()).toBe(200);
    expect(sent).toEqual(["a/count-tokens", "a/chat"]);
    expect(pool.useOf("a")).toMatchObject({ isDoubted: false });
  },
);

test("a tool of free text is counted as the function that it is sent as", async () => {
  const { ask, sent, bodies } = await world(() => Response.json({ input_tokens: 10 }));
  const custom = { name: "patch", description: "Edits a file.", format: { type: "text" } };
  expect(await ask({ tools: [{ type: "custom", custom }] })).toBe(200);
  expect(sent).toEqual(["a/count-tokens", "a/chat"]);
  const [counted, called] = bodies.map((body) => JSON.parse(body).tools);
  expect(called).toEqual([expect.objectContaining({ name: "patch" })]);
  expect(counted).toEqual(called);
});

test.each([
  [401, ["a 429", "a 401"], "b/chat"],
  [403, ["a 429"], "a/chat"],
  [429, ["a 429"], "a/chat"],
  [500, ["a 429"], "a/chat"],
])("a count that is refused with %d says of the key what holds for calls too", async (status, known, next) => {
  const { ask, sent, rests } = await world(() => Response.json({ error: {} }, { status }));
  // The bytes alone do not fit.
  expect([await ask(), sent, rests]).toEqual([402, ["a/count-tokens"], known]);
  sent.length = 0;
  expect([await ask({ max_tokens: 1 }), sent, rests]).toEqual([200, [next], known]);
});

test("a count that is not answered leaves the key as it was", async () => {
  const { ask, sent, rests, pool } = await world(() => {
    throw new Error("reset");
  });
  expect([await ask(), sent, rests]).toEqual([402, ["a/count-tokens"], ["a 429"]]);
  expect(pool.useOf("a")).toMatchObject({ isDoubted: true, probedUntilMs: 0 });
});

test("a dry run takes no key for it, and has no request made", async () => {
  const { ask, sent, made } = await world(() => Response.json({ input_tokens: 10 }));
  expect([await ask({}, (real) => readOnly(real, null, { claim: null, mute: [] })), sent, made]).toEqual([402, [], []]);
  expect(await ask()).toBe(200);
});
