import { afterAll, afterEach, beforeAll, describe, expect, test } from "bun:test";
import { type CanaryListener, canaryListener } from "../support/canary.ts";
import { call, chat } from "../support/clients.ts";
import { ask } from "../support/dialect-calls.ts";
import { invariants } from "../support/invariants.ts";
import { answers, frames, newUpstreamId, wantsUsage } from "../support/openai-answers.ts";
import { gate, until } from "../support/poll.ts";
import { sendRaw } from "../support/raw.ts";
import { allUsage, openCalls, usageOf } from "../support/rows.ts";
import { stalled } from "../support/scripts.ts";
import { type Setup, setUp } from "../support/setup.ts";
import { api, join, page } from "../support/visits.ts";

/** What a caller may say of where a call goes: nothing. And what becomes of calls whose account ends under them (B2). */
let setup: Setup;
let canary: CanaryListener;
beforeAll(async () => {
  setup = await setUp({ config: "limits: [{ scope: { kind: ip }, requestsPerMinute: 1000000 }]" });
  setup.upstream.on("ok", answers());
  canary = await canaryListener();
});
afterEach(() => invariants(setup));
afterAll(async () => {
  await setup.stop();
  await canary.stop();
});

describe("fields and headers that send calls elsewhere in other gateways (025)", () => {
  const fields = (to: string): Readonly<Record<string, unknown>> => ({
    api_base: to,
    base_url: to,
    baseURL: to,
    custom_host: to,
    api_key: "sk-attacker",
    apiKey: "sk-attacker",
    provider: "echo",
    custom_llm_provider: "echo",
    extra_headers: { authorization: "Bearer sk-attacker", host: to },
    extra_body: { model: "other" },
    fallbacks: ["echo"],
    models: ["echo"],
    route: "fallback",
    mock_response: "mocked",
    litellm_params: { api_base: to },
    timeout: 1,
    proxy: to,
  });
  const headers = (to: string): Readonly<Record<string, string>> => ({
    "x-api-base": to,
    "x-base-url": to,
    "x-portkey-custom-host": to,
    "x-llm-proxy-provider": "echo",
    "x-llm-proxy-model": "echo",
    "x-portkey-config": JSON.stringify({ custom_host: to }),
    "helicone-target-url": to,
    "x-target-url": to,
    "openai-organization": "org-attacker",
    "x-forwarded-host": to,
  });

  test.each(["openai-chat", "openai-responses", "anthropic-messages", "gemini"] as const)(
    "%s: each has no effect but to be passed on as a field, and nobody connects there",
    async (dialect) => {
      const to = `http://${canary.address}`;
      const given = [
        ...Object.entries(fields(to)).map(([name, value]) => [{ [name]: value }, {}] as const),
        ...Object.entries(headers(to)).map(([name, value]) => [{}, { [name]: value }] as const),
        [fields(to), headers(to)] as const,
      ];
      for (const [more, sent] of given) {
        const before = setup.upstream.log.length;
        const reply = await ask(setup.gateway, setup.key.key, dialect, { model: "mock/ok", more }, { headers: sent });
        const went = setup.upstream.log.slice(before);
        expect([more, sent, reply.status < 500]).toEqual([more, sent, true]);
        for (const { request, model } of went) {
          expect(model).toBe("ok");
          expect(request.headers["authorization"]).toBe(`Bearer ${setup.upstreamKey}`);
          expect(request.head).not.toContain(canary.address);
          expect(request.head).not.toContain("attacker");
        }
        if (reply.status === 200) {
          expect(went).toHaveLength(1);
          expect(usageOf(setup.gateway, reply.callId)).toMatchObject({ provider: "mock", upstream_model: "ok" });
        }
      }
      expect(canary.connections).toBe(0);
    },
    30_000,
  );
});

describe("an account that ends (030)", () => {
  test("its keys, people and tokens are refused from the next request on; streams in flight end well and stay counted", async () => {
    const { gateway, upstream } = setup;
    const accountId: string = (await api(gateway, "POST", "/api/accounts", { name: "ending" })).body.id;
    const { key } = await gateway.createKey({ accountId, budget: { usd: 10, window: "lifetime" } });
    const admin = await join(gateway, "admin", { accountId });
    const released = gate();
    upstream.on("slow", (exchange) => {
      exchange.upstreamId = newUpstreamId();
      const all = frames(exchange.upstreamId, { promptTokens: 3, completionTokens: 2 }, wantsUsage(exchange));
      return stalled(all.slice(0, 2).join(""), released.opened, all.slice(2).join(""))(exchange);
    });
    const streams = Array.from({ length: 10 }, () => call(gateway, key, chat("mock/slow", { stream: true })));
    await until("ten streams", () => openCalls(gateway) === 10);

    await api(gateway, "PATCH", `/api/accounts/${accountId}`, { disabled: true });
    expect((await call(gateway, key, chat("mock/ok"))).status).toBeOneOf([401, 403]);
    await api(gateway, "DELETE", `/api/people/${admin.id}`);
    expect((await page(gateway, "/dashboard", admin.cookie)).status).toBe(303);
    expect((await api(gateway, "GET", "/api/keys", undefined, admin.token)).status).toBe(401);

    released.open();
    for (const reply of await Promise.all(streams)) {
      expect(reply.text).toContain("data: [DONE]");
      expect(usageOf(gateway, reply.callId)).toMatchObject({ account_id: accountId, status: "ok", output_tokens: 2 });
    }
    // Who it was is still told of what they did; the account cannot be removed from under its records.
    expect((await api(gateway, "DELETE", `/api/accounts/${accountId}`)).status).toBe(409);
    expect(allUsage(gateway).filter((row) => row.account_id === accountId && row.status === "ok")).toHaveLength(10);
  });
});

describe("a key that is revoked (035, 055)", () => {
  test("while 100 calls a second use it: none is admitted a second after", async () => {
    const { gateway } = setup;
    const { id, key } = await gateway.createKey();
    const body = JSON.stringify(chat("echo"));
    const sent: { readonly atMs: number; readonly status: Promise<number> }[] = [];
    const every = setInterval(() => {
      const headers = { authorization: `Bearer ${key}`, "content-type": "application/json" };
      const status = sendRaw(gateway.url, { path: "/v1/chat/completions", headers, body });
      sent.push({ atMs: performance.now(), status: status.then((answer) => answer?.status ?? 0) });
    }, 10);
    await until("a hundred calls", () => sent.length >= 100);
    await gateway.admin("DELETE", `/api/keys/${id}`);
    const revokedMs = performance.now();
    await until("a hundred and fifty more", () => sent.length >= 250 && performance.now() > revokedMs + 1_200);
    clearInterval(every);
    const after = await Promise.all(sent.flatMap(({ atMs, status }) => (atMs > revokedMs + 1_000 ? [status] : [])));
    expect(after.length).toBeGreaterThan(5);
    expect(new Set(after)).toEqual(new Set([401]));
    expect(await sent[0]?.status).toBe(200);
  });
});
