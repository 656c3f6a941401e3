import { afterAll, afterEach, describe, expect, test } from "bun:test";
import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { call, chat, dataOf, errorOf } from "../support/clients.ts";
import { runCommand } from "../support/command.ts";
import { invariants } from "../support/invariants.ts";
import { gate, until } from "../support/poll.ts";
import { sendRaw } from "../support/raw.ts";
import { allUsage, usageOf } from "../support/rows.ts";
import { stalled } from "../support/scripts.ts";
import { setUp } from "../support/setup.ts";
import { frames, newUpstreamId } from "../support/openai-answers.ts";

const file = join(import.meta.dir, "..", "fixtures", "plugins", "hostile.ts");
const setup = await setUp({
  providers: `  hostile: { use: "${file}" }`,
  config: [
    `  - { target: hostile/*, input: 1, output: 2 }`,
    `observer: { hostile: { use: "${file}" }, log: {} }`,
    "models: { both: [hostile/request-rewrites, echo/echo] }",
    "server: { disconnect: { drainMs: 200 }, timeouts: { models: { hostile/chat-hangs: { firstByteMs: 200 } } } }",
  ].join("\n"),
});
const { gateway, upstream, key } = setup;
const { pid } = gateway;
afterEach(async () => {
  expect(gateway.pid).toBe(pid);
  await invariants(setup);
});
afterAll(setup.stop);

const ask = (model: string, stream = true) => call(gateway, key.key, chat(`hostile/${model}`, { stream }));
const logged = (text: string) => until(text, () => gateway.log().includes(text));

/** A stream through another provider, which must come whole whatever happens beside it. */
async function besides(work: () => Promise<void>): Promise<void> {
  const end = gate();
  const id = newUpstreamId();
  const [first = "", ...rest] = frames(id, { text: "one two" });
  upstream.on(id, (exchange) => {
    exchange.upstreamId = id;
    return stalled(first, end.opened, rest.join(""))(exchange);
  });
  const beside = call(gateway, key.key, chat(`mock/${id}`, { stream: true }));
  await until("the stream beside has begun", () => upstream.requestsFor(id).length > 0);
  await work();
  end.open();
  expect((await beside).text).toEndWith("data: [DONE]\n\n");
}

async function strayErrors(): Promise<number> {
  const metrics = await gateway.get("/metrics", { authorization: `Bearer ${gateway.adminToken}` });
  return Number(/^llm_proxy_stray_errors_total (\d+)$/m.exec((await metrics?.text()) ?? "")?.[1]);
}

describe("errors that nobody handles", () => {
  for (const where of ["provider", "observer"] as const)
    test(`of a ${where}: in the log, and nothing else`, () =>
      besides(async () => {
        const reply = await ask(where === "provider" ? "floats" : "observer-floats");
        expect(reply.text).toEndWith("data: [DONE]\n\n");
        await logged(`${where}: a floating rejection`);
        await logged(`${where}: in a timer`);
        await logged(`${where}: in a microtask`);
        expect(await strayErrors()).toBe(where === "provider" ? 3 : 6);
      }));

  for (const model of ["observer-throws", "observer-rejects"])
    test(`${model}: the call is served, and the plugin is named in the log`, () =>
      besides(async () => {
        expect((await ask(model)).text).toEndWith("data: [DONE]\n\n");
        await logged(model === "observer-throws" ? "observer: at once" : "observer: later");
        expect(gateway.log()).toContain('"plugin":"observer/hostile"');
      }));

  for (const model of [
    "pull-throws",
    "pull-throws-cycle",
    "pull-throws-object",
    "pull-throws-getter",
    "pull-throws-bare",
    "pull-throws-kind",
  ])
    test(`in the middle of a stream (${model}): an error event, no [DONE], and a record`, () =>
      besides(async () => {
        const reply = await ask(model);
        expect(reply.text).toContain("Hello");
        expect(reply.text).toContain("broke off");
        expect(reply.text).not.toContain("[DONE]");
        expect(reply.text).not.toContain("in pull");
        expect(usageOf(gateway, reply.callId)).toMatchObject({ status: "upstream_error", cost_nano: 0 });
      }));

  for (const model of ["cancel-throws", "cancel-rejects"])
    test(`${model}: the client's leaving is recorded all the same`, () =>
      besides(async () => {
        for (let time = 0; time < 5; time++)
          await sendRaw(gateway.url, {
            path: "/v1/chat/completions",
            headers: { authorization: `Bearer ${key.key}`, "content-type": "application/json" },
            body: JSON.stringify(chat(`hostile/${model}`, { stream: true })),
            leaveWhen: (received) => received.includes(" and on"),
          });
        await until("five records", () => {
          const rows = allUsage(gateway).filter((row) => row.model === `hostile/${model}`);
          return rows.length === 5 && rows.every(({ status }) => status === "client_aborted");
        });
      }));
});

describe("a provider that answers nonsense", () => {
  const nonsense =
    "chat-throws chat-throws-kind next-rejects-code chat-nothing chat-promise chat-rejects chat-hangs next-nothing next-rejects event-null event-unknown ends-at-once";
  for (const model of nonsense.split(" "))
    test(`${model}: an error of ours, a record, and no word of the plugin's`, async () => {
      for (const stream of [false, true]) {
        const reply = await ask(model, stream);
        expect([stream, reply.status]).toEqual([stream, model === "chat-hangs" ? 504 : 502]);
        expect(errorOf(reply.text).message).not.toMatch(/provider: |undefined|null|Symbol|function/);
        expect(usageOf(gateway, reply.callId)).toMatchObject({
          status: "upstream_error",
          source: "none",
          cost_nano: 0,
        });
      }
    });
});

test.each([
  "id-object",
  "created-text",
  "finish-text",
  "finish-raw",
  "finish-word",
  "finish-stop",
  "citation-number",
  "text-number",
])("an answer with an event that is none (%s) is no answer, and has its record", async (model) => {
  const whole = await ask(model, false);
  expect([whole.status, errorOf(whole.text).message]).toEqual([502, "the provider failed"]);
  const streamed = await ask(model);
  expect(streamed.text).not.toContain("[DONE]");
  for (const { callId } of [whole, streamed])
    expect(usageOf(gateway, callId)).toMatchObject({ status: "upstream_error", source: "none", cost_nano: 0 });
});

test("a citation that is none ends a Responses stream with an error, and does not cut it", async () => {
  const body = { model: "hostile/citation-number", input: "hi", stream: true };
  const reply = await call(gateway, key.key, body, { path: "/v1/responses" });
  expect(reply).toMatchObject({ status: 200, complete: true });
  expect(dataOf(reply.text).at(-1)).toContain("the provider's answer broke off");
  expect(usageOf(gateway, reply.callId)).toMatchObject({ status: "upstream_error", source: "none", cost_nano: 0 });
});

test.each([
  "no-start",
  "no-block",
  "no-block-end",
  "no-candidate-end",
  "no-end",
  "two-starts",
  "other-kind",
  "other-candidate",
  "no-candidate",
  "no-such-event",
  "no-citations",
])("events that break their grammar (%s) are no answer, streamed or not, and cost nothing", async (model) => {
  const whole = await ask(model, false);
  expect(whole.status).toBe(502);
  const streamed = await ask(model);
  expect(streamed.text).not.toContain("[DONE]");
  expect(streamed.text).toContain('"error"');
  for (const { callId } of [whole, streamed])
    expect(usageOf(gateway, callId)).toMatchObject({ status: "upstream_error", source: "none", cost_nano: 0 });
});

test.each(["too-much", "too-many"])("an answer without an end (%s) is not collected for ever", async (model) => {
  const reply = await ask(model, false);
  expect([reply.status, errorOf(reply.text).message]).toEqual([502, "the provider's answer is too large"]);
});

test.each([
  ["chat-throws", "provider: in chat"],
  ["next-rejects", "provider: in next"],
  ["chat-promise", "chat() returned a promise"],
  ["no-start", "text-start came before the start"],
])("why a provider failed (%s) is in the log, with its name and the call", async (model, why) => {
  for (const stream of [false, true]) {
    // The log takes so many lines of one text a second, and other tests have theirs.
    const asked: string[] = [];
    const whyLogged = async () => {
      asked.push((await ask(model, stream)).callId);
      return lines().find((each) => each.includes(why) && asked.some((callId) => each.includes(callId)));
    };
    const line = await until("the line", whyLogged, { everyMs: 400 });
    expect(JSON.parse(line)).toMatchObject({ level: "warn", provider: "hostile" });
  }
});

test("what a provider does to its request is not what the next one is asked", async () => {
  const { status, text } = await call(gateway, key.key, {
    model: "both",
    messages: [{ role: "user", content: "as it was" }],
  });
  expect(status).toBe(200);
  expect(text).toContain('"content":"as it was"');
});

test.each(["goes-on", "ends-then-throws", "ends-then-hangs", "return-throws", "return-at-once"])(
  "what a plugin does after the end of its answer (%s) is nobody's business",
  async (model) => {
    for (const stream of [false, true]) {
      const reply = await ask(model, stream);
      expect([stream, reply.status, reply.text.split("[DONE]").length]).toEqual([stream, 200, stream ? 2 : 1]);
      expect(usageOf(gateway, reply.callId)).toMatchObject({ status: "ok", source: "provider", cost_nano: 3_000 });
    }
  },
);

test("a plugin whose events have no end keeps nobody waiting, and is left when its client leaves", async () => {
  for (const stream of [false, true]) {
    const client = new AbortController();
    const reply = call(gateway, key.key, chat("hostile/endless", { stream }), { signal: client.signal });
    await until("it runs", () => allUsage(gateway).some(({ status }) => status === "open"));
    expect((await gateway.get("/healthz"))?.status).toBe(200);
    client.abort();
    await reply.catch(() => null);
  }
});

test("an observer that rewrites its record rewrites nobody else's", async () => {
  for (const model of ["observer-rewrites", "after"]) {
    const { callId } = await ask(model);
    const line = await until("the line", () =>
      gateway
        .log()
        .split("\n")
        .find((each) => each.includes(`"callId":"${callId}"`)),
    );
    expect(usageOf(gateway, callId)).toMatchObject({ cost_nano: 3_000, input_tokens: 1, output_tokens: 1 });
    const tokens = { input: 1, cacheRead: 0, cacheWrite: 0, output: 1, reasoning: 0 };
    expect(JSON.parse(line)).toMatchObject({ httpStatus: 200, costNano: 3_000, tokens, attempts: 1 });
  }
});

test("an observer that hangs keeps no call, no record and no end of the process waiting", async () => {
  const startMs = performance.now();
  const reply = await ask("observer-hangs");
  expect(reply.text).toEndWith("data: [DONE]\n\n");
  expect(usageOf(gateway, reply.callId).status).toBe("ok");
  expect(performance.now() - startMs).toBeLessThan(4_000);
});

test("no name that a caller or an admin sends makes code load", async () => {
  const marker = join(gateway.directory, "loaded");
  const evil = join(gateway.directory, "evil.ts");
  writeFileSync(
    evil,
    `import { writeFileSync } from "node:fs"; writeFileSync(${JSON.stringify(marker)}, "x"); export default {};`,
  );
  const names = ["./evil.ts", evil, `file://${evil}`, "../evil.ts", "npm:evil", `data:text/javascript,throw 1`];
  const admin = { authorization: `Bearer ${gateway.adminToken}` };
  for (const name of names) {
    for (const model of [name, `${name}/m`, `hostile/${name}`, `use:${name}`]) {
      const { status } = await call(gateway, key.key, {
        ...chat(model),
        use: name,
        plugin: name,
        provider: { use: name },
      });
      expect([model, status >= 400 || model.startsWith("hostile/")]).toEqual([model, true]);
    }
    const bodies = {
      "/api/keys": { name, use: name, models: [`${name}/*`] },
      "/api/accounts": { name, use: name },
      "/api/prices": { target: `${name}/m`, input: 1, output: 1, use: name },
      "/api/config/check": { provider: { evil: { use: name } } },
      "/api/config/plan": { provider: { evil: { use: name } } },
      "/api/config/reload": { provider: { evil: { use: name } } },
      [`/api/providers/${encodeURIComponent(name)}/credentials`]: { apiKey: "some-key" },
      [`/api/outbox/${encodeURIComponent(name)}/test`]: {},
    };
    for (const [path, body] of Object.entries(bodies)) await call(gateway, null, body, { path, headers: admin });
    for (const path of ["plugins", "providers", "models"])
      await gateway.get(`/dashboard/${path}/${encodeURIComponent(name)}?use=${encodeURIComponent(name)}`, admin);
  }
  expect(existsSync(marker)).toBe(false);
  // Only the operator's file does.
  const naming = join(gateway.directory, "names-it.yaml");
  writeFileSync(naming, "provider: { evil: { use: ./evil.ts } }\n");
  await runCommand(gateway, ["check"], { LLM_PROXY_CONFIG: naming });
  expect(existsSync(marker)).toBe(true);
});

describe("a plugin that blocks the loop", () => {
  test("before it returns, it is named", async () => {
    await ask("observer-computes");
    const line = await until("the line", () => lineWith('"blockedMs"'));
    expect(line).toMatchObject({ level: "warn", plugin: "observer/hostile" });
  });

  test("inside its stream, it is among the hooks that were open", async () => {
    await ask("computes");
    const line = await until("the line", () => lineWith("provider/hostile"));
    expect(line).toMatchObject({ level: "warn", hooks: expect.arrayContaining(["provider/hostile"]) });
  });
});

const lines = (): readonly string[] => gateway.log().split("\n");

/** The first line of the log with this text and a lag or a block in it. */
function lineWith(text: string): unknown {
  const line = gateway
    .log()
    .split("\n")
    .find((each) => each.includes(text) && /"(?:blockedMs|lagMs)"/.test(each));
  return line && JSON.parse(line);
}
