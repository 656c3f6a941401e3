import { afterAll, describe, expect, test } from "bun:test";
import { readFileSync, readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { call, chat, dataOf } from "../support/clients.ts";
import { runCommand } from "../support/command.ts";
import { invariants } from "../support/invariants.ts";
import { answers, frames, newUpstreamId } from "../support/openai-answers.ts";
import { usageOf } from "../support/rows.ts";
import { json, sse } from "../support/scripts.ts";
import { setUp } from "../support/setup.ts";

/** Secrets stay in: every place a credential or a prompt could leak to, after calls that tempt it to. */
const prompt = `prompt-canary-${crypto.randomUUID()}`;
const completion = `completion-canary-${crypto.randomUUID()}`;
// A umask of zero: whoever cares about file modes must set them.
const setup = await setUp({ env: { LOG_LEVEL: "debug" }, wrapper: ["sh", "-c", 'umask 000; exec "$@"', "sh"] });
for (const canary of [prompt, completion]) setup.gateway.secrets.add(canary);
afterAll(() => setup.stop());

const ask = (model: string, more: Readonly<Record<string, unknown>> = {}) =>
  call(setup.gateway, setup.key.key, { ...chat(`mock/${model}`, more), messages: [{ role: "user", content: prompt }] });

const clean = (text: string): void => {
  for (const secret of setup.gateway.secrets) expect(text).not.toContain(secret);
};

describe("an upstream that repeats our credential", () => {
  const echoed = () =>
    `Bad key ${setup.upstreamKey}; headers: authorization: Bearer ${setup.upstreamKey}; at https://user:pw@up.example/v1?key=${setup.upstreamKey}`;
  for (const status of [400, 401, 403, 404, 409, 413, 422, 429, 500, 503]) {
    test(`in a ${status}: masked for the client and in the log`, async () => {
      setup.upstream.on("echoing", (exchange) =>
        json(status, {
          error: { message: echoed(), type: setup.upstreamKey, code: setup.upstreamKey, param: setup.upstreamKey },
        })(exchange),
      );
      const reply = await ask("echoing");
      clean(reply.text);
      clean(JSON.stringify([...reply.headers]));
      await invariants(setup);
    });
  }
  for (const first of [true, false]) {
    test(`in an error event, ${first ? "the first" : "after text"}`, async () => {
      setup.upstream.on("inband", (exchange) => {
        exchange.upstreamId = first ? null : newUpstreamId();
        const before = exchange.upstreamId === null ? "" : frames(exchange.upstreamId).slice(0, 2).join("");
        return sse(`${before}data: ${JSON.stringify({ error: { message: echoed(), type: "server_error" } })}\n\n`)(
          exchange,
        );
      });
      const reply = await ask("inband", { stream: true });
      clean(reply.text);
      expect(dataOf(reply.text)).not.toContain("[DONE]");
      await invariants(setup);
    });
  }
});

test("prompts and answers are in no log and no table", async () => {
  setup.upstream.on("talk", answers({ text: completion }));
  for (const more of [{}, { stream: true }]) {
    const reply = await ask("talk", more);
    expect(reply.text).toContain(completion);
    expect(usageOf(setup.gateway, reply.callId).status).toBe("ok");
  }
  await call(setup.gateway, setup.key.key, { model: "echo", messages: [{ role: "user", content: prompt }] });
  await call(setup.gateway, setup.key.key, `{"model":"mock/talk","messages":[{"role":"user","content":"${prompt}"`);
  await call(setup.gateway, setup.key.key, { model: "mock/talk", messages: prompt });
  await invariants(setup);
});

describe("a key", () => {
  test("is shown once, and kept nowhere", async () => {
    const response = await fetch(`${setup.gateway.url}/api/keys`, {
      method: "POST",
      headers: { authorization: `Bearer ${setup.gateway.adminToken}`, "content-type": "application/json" },
      body: JSON.stringify({ name: "once" }),
    });
    expect(response.status).toBe(201);
    expect(response.headers.get("cache-control")).toContain("no-store");
    const { id, key }: { id: string; key: string } = JSON.parse(await response.text());
    expect(key).toMatch(/^sk-llmp-[0-9A-Za-z]{12}-[0-9A-Za-z]{49}$/);
    setup.gateway.secrets.add(key);
    expect((await call(setup.gateway, key, chat("echo"))).status).toBe(200);
    for (const path of ["/api/keys", `/api/keys/${id}`, "/api/calls", "/api/usage", "/api/budgets"])
      clean(JSON.stringify(await setup.gateway.admin("GET", path).catch((error: unknown) => String(error))));
    expect(JSON.stringify(await setup.gateway.admin("GET", "/api/keys"))).toContain(key.slice(-4));
    await invariants(setup);
  });

  test("that is expired or revoked is refused without repeating it", async () => {
    const expired = await setup.gateway.createKey({ expiresAt: Date.now() + 300 });
    const revoked = await setup.gateway.createKey();
    await setup.gateway.admin("DELETE", `/api/keys/${revoked.id}`);
    const refusals = new Set<string>();
    for (const { key } of [expired, revoked]) {
      let reply = await call(setup.gateway, key, chat("echo"));
      for (const endMs = performance.now() + 3_000; reply.status === 200 && performance.now() < endMs;)
        reply = await call(setup.gateway, key, chat("echo"));
      expect(reply.status).toBe(401);
      clean(reply.text);
      refusals.add(reply.text.replaceAll(reply.callId, ""));
    }
    expect(refusals.size).toBe(1);
  });
});

describe("what anyone can read", () => {
  test("answers name no file, no line, no product and no version", async () => {
    const paths = [
      "/v1/chat/completions",
      "/v1/models",
      "/v1/models/%ff",
      "/api/keys",
      "/api/calls?limit=x",
      "/api/calls?after=x",
      "/api/usage?groupBy=x",
      "/api/budgets/x",
      "/dashboard/x",
      "/x",
      "/healthz",
      "/readyz",
      "/%00",
      "/v1/models/a%2Fb",
    ];
    for (const path of paths) {
      for (const headers of [
        {},
        { authorization: `Bearer ${setup.gateway.adminToken}` },
        { authorization: `Bearer ${setup.key.key}` },
      ]) {
        const answer = await setup.gateway.get(path, headers);
        const text = (await answer?.text()) ?? "";
        expect({
          path,
          leak: /\.ts\b|node_modules|\n\s+at |SQLite|SELECT |Elysia|Bun\/|"found"/.exec(text)?.[0] ?? null,
        }).toEqual({ path, leak: null });
        expect({ path, status: (answer?.status ?? 500) < 500 }).toEqual({ path, status: true });
        expect(`${answer?.headers.get("server")} ${answer?.headers.get("x-powered-by")}`).toBe("null null");
        clean(text);
      }
    }
  });
  test("metrics, descriptions and the admin API want a credential", async () => {
    for (const path of [
      "/metrics",
      "/openapi.json",
      "/api/keys",
      "/api/calls",
      "/api/usage",
      "/api/budgets",
      "/debug",
      "/v1/models",
      "/dashboard",
      "/dashboard/calls",
      "/dashboard/keys",
    ]) {
      const status = (await setup.gateway.get(path))?.status ?? 0;
      expect({ path, open: status === 200 }).toEqual({ path, open: false });
    }
  });
  test("the command line holds no secret", () => clean(readFileSync(`/proc/${setup.gateway.pid}/cmdline`, "utf8")));
});

test("files are for their owner alone, whatever the umask", () => {
  const { dataDir } = setup.gateway;
  const open = [
    dataDir,
    ...readdirSync(dataDir, { recursive: true }).map((name) => join(dataDir, String(name))),
  ].filter((path) => (statSync(path).mode & 0o077) !== 0);
  expect(open).toEqual([]);
  expect(readdirSync(dataDir)).toContain("llm-proxy.db");
});

// Last, because it stops the process.
test("with another master secret the start is refused in clear words, and nothing changes", async () => {
  await setup.gateway.stop();
  const before = setup.gateway.sql("select * from v_usage");
  const refused = await runCommand(setup.gateway, [], {
    LLM_PROXY_SECRET: "another-master-secret-of-sufficient-length-0123456789",
  });
  expect(refused.code).toBeGreaterThan(0);
  expect(refused.stderr + refused.stdout).toMatch(/secret/i);
  expect(refused.stderr + refused.stdout).not.toMatch(/\n\s+at /);
  expect(setup.gateway.sql("select * from v_usage")).toEqual(before);
  await setup.gateway.restart();
  expect((await call(setup.gateway, setup.key.key, chat("echo"))).status).toBe(200);
  await invariants(setup);
}, 30_000);
