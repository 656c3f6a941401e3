import { afterAll, beforeAll, expect, test } from "bun:test";
import { join } from "node:path";
import { call, chat } from "../support/clients.ts";
import { ask } from "../support/dialect-calls.ts";
import { invariants } from "../support/invariants.ts";
import { answers } from "../support/openai-answers.ts";
import { eachOf, until } from "../support/poll.ts";
import { sendRaw } from "../support/raw.ts";
import { hang, json, reset } from "../support/scripts.ts";
import { type Setup, setUp } from "../support/setup.ts";

const file = join(import.meta.dir, "..", "fixtures", "plugins", "hostile.ts");
const opaque = { error: { message: "no", type: "server_error", code: null, param: null } };

let setup: Setup;
beforeAll(async () => {
  setup = await setUp({
    providers: `  hostile: { use: "${file}" }`,
    config:
      "  - { target: hostile/*, input: 1, output: 2 }\nserver: { timeouts: { firstByteMs: 1000 }, disconnect: { drainMs: 100 } }",
  });
  setup.upstream.on("ok", answers({ promptTokens: 20, completionTokens: 30 }));
  setup.upstream.on("long", answers({ text: "word ".repeat(300), promptTokens: 20, completionTokens: 300 }));
  setup.upstream.on("hang", hang);
  setup.upstream.on("reset", reset);
  for (const status of [400, 429, 500, 503]) setup.upstream.on(`s${status}`, json(status, opaque));
});
afterAll(async () => {
  await invariants(setup);
  await setup.stop();
});

test("two at once: after clients that left, timeouts, errors, resets and throws, two run again and nothing is held", async () => {
  const key = await setup.gateway.createKey();
  const limit = { scope: { kind: "key", id: key.id }, concurrency: 2 };
  const { id } = await setup.gateway.admin<{ id: string }>("POST", "/api/limits", limit);
  const send = (model: string, more: object = {}) => call(setup.gateway, key.key, chat(model, { ...more }));
  const leave = (at: number) =>
    sendRaw(setup.gateway.url, {
      path: "/v1/chat/completions",
      headers: { authorization: `Bearer ${key.key}`, "content-type": "application/json" },
      body: JSON.stringify(chat("mock/long", { stream: true })),
      leaveWhen: (received) => received.length > (at * 89) % 9_000,
    });
  const times = (count: number) => Array.from({ length: count }, (_, at) => at);
  await eachOf(times(500), 3, (at) => leave(at));
  await eachOf(times(24), 2, (at) => send("mock/hang", { stream: at % 2 === 0 }));
  const failing = ["mock/s400", "mock/s429", "mock/s500", "mock/s503", "mock/reset", "mock/unknown", "no/such"];
  await eachOf(times(100), 3, (at) => send(failing[at % failing.length] ?? "", { stream: at % 2 === 0 }));
  await eachOf(times(100), 3, (at) => send("hostile/pull-throws", { stream: at % 3 === 0 }));
  const both = async () => {
    const replies = await Promise.all([send("mock/ok"), send("mock/ok", { stream: true })]);
    return replies.every(({ status }) => status === 200);
  };
  await until("two run at the same time", both, { deadlineMs: 15_000, everyMs: 100 });
  const state = await setup.gateway.admin<object>("GET", `/api/limits/${id}`);
  expect(state).toMatchObject({ use: [{ measure: "concurrency", limit: 2, used: 0, held: 0, remaining: 2 }] });
}, 60_000);

test("five a second for some seconds: in every sliding second at most the amount and what it refills", async () => {
  const perSecond = 5;
  const key = await setup.gateway.createKey({ limits: { requestsPerSecond: perSecond } });
  const startMs = performance.now();
  const passed: { readonly fromMs: number; readonly toMs: number }[] = [];
  await eachOf(
    Array.from({ length: 6 }, (_, lane) => lane),
    6,
    async () => {
      while (performance.now() - startMs < 4_000) {
        const fromMs = performance.now();
        const { status } = await ask(setup.gateway, key.key, "openai-chat", { model: "echo" });
        if (status === 200) passed.push({ fromMs, toMs: performance.now() });
        else expect(status).toBe(429);
      }
    },
  );
  // A call was admitted somewhere between its start and its end: counted are those that lie in the span whole.
  for (const first of passed)
    for (const spanMs of [500, 1_000, 2_000, 4_000]) {
      const within = passed.filter(({ fromMs, toMs }) => fromMs >= first.fromMs && toMs <= first.fromMs + spanMs);
      expect(within.length).toBeLessThanOrEqual(perSecond * (1 + spanMs / 1_000));
    }
  expect(passed.length).toBeGreaterThanOrEqual(perSecond * 3);
}, 20_000);
