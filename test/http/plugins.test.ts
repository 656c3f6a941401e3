import { afterAll, describe, expect, test } from "bun:test";
import { join } from "node:path";
import type { PluginLine } from "../../core/api/config-service.ts";
import { call, chat } from "../support/clients.ts";
import { configFileOf } from "../support/config-file.ts";
import { answers } from "../support/openai-answers.ts";
import { until } from "../support/poll.ts";
import { setUp } from "../support/setup.ts";
import { api, join as joined, operatorSession, page } from "../support/visits.ts";

/** What is loaded, and what its hooks came to: `GET /api/plugins`, and the page. */
const fixtures = join(import.meta.dir, "..", "fixtures", "plugins");
const failing = join(fixtures, "failing.ts");
const hidden = "s3cret-of-the-other-provider";
const setup = await setUp({
  providers: [
    `  hostile: { use: "${join(fixtures, "hostile.ts")}" }`,
    `  other: { use: openai-compatible, baseUrl: "http://127.0.0.1:1/v1", apiKey: "${hidden}" }`,
  ].join("\n"),
  config: [
    `  - { target: hostile/*, input: 1, output: 2 }`,
    `auth: { failing: { use: "${failing}" }, api-key: {} }`,
    `rate-limit: { limits: { use: token-bucket, requestsPerMinute: 100000 }, failing: { use: "${failing}" } }`,
    `observer: { log: {}, hostile: { use: "${join(fixtures, "hostile.ts")}" }, prometheus: {} }`,
  ].join("\n"),
});
const { gateway, upstream, key } = setup;
const file = configFileOf(gateway);
upstream.on("acquire-throws", answers());
upstream.on("ok", answers());
afterAll(setup.stop);

const plugins = async () => (await gateway.admin<{ readonly data: readonly PluginLine[] }>("GET", "/api/plugins")).data;
async function plugin(kind: string, name: string): Promise<PluginLine> {
  const found = (await plugins()).find((line) => line.kind === kind && line.name === name);
  if (!found) throw new Error(`${kind}/${name} is not listed`);
  return found;
}
const timing = async (kind: string, name: string, hook: string) => (await plugin(kind, name)).timings[hook];
const ask = (model: string, headers: Readonly<Record<string, string>> = {}) =>
  call(gateway, key.key, chat(model), { headers });

describe("GET /api/plugins", () => {
  test("lists what is loaded in the order of its setup, from where, and what each fills", async () => {
    const { status, body } = await api(gateway, "GET", "/api/plugins");
    expect([status, body.next]).toEqual([200, null]);
    const lines = await plugins();
    expect(lines.map(({ kind, name, plugin: of, origin }) => `${kind}/${name} ${of} ${origin}`)).toEqual([
      "storage/sqlite sqlite built-in",
      "provider/mock openai-compatible built-in",
      "provider/echo echo built-in",
      "provider/hostile hostile file",
      "provider/other openai-compatible built-in",
      "auth/failing failing file",
      "auth/api-key api-key built-in",
      "rate-limit/limits token-bucket built-in",
      "rate-limit/failing failing file",
      "billing/ledger ledger built-in",
      "observer/log log built-in",
      "observer/hostile hostile file",
      "observer/prometheus prometheus built-in",
    ]);
    const hooks = Object.fromEntries(lines.map(({ kind, name, hooks: filled }) => [`${kind}/${name}`, filled]));
    expect(hooks).toMatchObject({
      "storage/sqlite": ["open"],
      "provider/mock": ["request"],
      "provider/hostile": ["chat"],
      "auth/api-key": ["authenticate"],
      "rate-limit/limits": ["acquire", "preview", "use"],
      "billing/ledger": expect.arrayContaining(["rate"]),
      "observer/log": ["callEnded", "metrics"],
      "observer/prometheus": ["callEnded", "metrics"],
    });
    expect((await plugin("provider", "echo")).description).toBeString();
    expect((await plugin("provider", "hostile")).description).toBeNull();
  });

  test("tells options as the plan does, without a secret", async () => {
    expect((await plugin("provider", "other")).options).toMatchObject({
      baseUrl: "http://127.0.0.1:1/v1",
      apiKey: "***",
    });
    expect(JSON.stringify(await plugins())).not.toContain(hidden);
  });

  test("counts a hook that a plain value, a promise or a throw ends, and what follows of it", async () => {
    const before = await timing("rate-limit", "failing", "acquire");
    expect((await ask("mock/ok")).status).toBe(200);
    expect((await ask("mock/acquire-throws")).status).toBe(503);
    const { calls = 0, failures = 0 } = before ?? {};
    expect(await timing("rate-limit", "failing", "acquire")).toMatchObject({
      calls: calls + 2,
      failures: failures + 1,
      timeouts: 0,
      totalMs: expect.any(Number),
      slowestMs: expect.any(Number),
    });
    expect((await timing("rate-limit", "failing", "settle"))?.calls).toBeGreaterThan(0);
    // What the first limiter had granted is given back.
    expect(await timing("rate-limit", "limits", "release")).toMatchObject({ calls: 1, failures: 0 });
    const request = await timing("provider", "mock", "request");
    expect(request?.calls).toBe(1);
    expect(request?.totalMs).toBeGreaterThan(0);
    expect(request?.slowestMs).toBeLessThanOrEqual(request?.totalMs ?? 0);
    const rate = await timing("billing", "ledger", "rate");
    expect(rate?.calls).toBeGreaterThan(0);
    expect(rate?.totalMs).toBeNull();
  });

  test("counts what asks who calls, whoever that turns out to be", async () => {
    const before = await timing("auth", "failing", "authenticate");
    await ask("mock/ok");
    await ask("mock/ok", { "x-fail": "auth-throws" });
    await call(gateway, "sk-llmp-of-nobody", chat("mock/ok"));
    expect(await timing("auth", "failing", "authenticate")).toMatchObject({
      calls: (before?.calls ?? 0) + 3,
      failures: (before?.failures ?? 0) + 1,
    });
  });

  test("counts a provider that answers itself, and one that fails before, at and after the begin", async () => {
    for (const model of ["floats", "chat-throws", "chat-nothing", "next-rejects"])
      await call(gateway, key.key, chat(`hostile/${model}`, { stream: true }));
    expect(await timing("provider", "hostile", "chat")).toMatchObject({ calls: 4, failures: 3, timeouts: 0 });
  });

  test("counts observers, of which calls know nothing", async () => {
    const before = await timing("observer", "hostile", "callEnded");
    await ask("hostile/observer-throws");
    await ask("hostile/observer-rejects");
    await until("both failed", async () => {
      const { calls = 0, failures = 0 } = (await timing("observer", "hostile", "callEnded")) ?? {};
      return calls === (before?.calls ?? 0) + 2 && failures === (before?.failures ?? 0) + 2;
    });
    const scrapes = async () => (await timing("observer", "prometheus", "metrics"))?.calls ?? 0;
    const scraped = await scrapes();
    await gateway.get("/metrics", { authorization: `Bearer ${gateway.adminToken}` });
    expect(await scrapes()).toBe(scraped + 1);
  });

  test("is for whoever may read the config, and for nobody of an account", async () => {
    const account = (await api(gateway, "POST", "/api/accounts", { name: "team" })).body.id;
    for (const role of ["owner", "admin", "viewer", "member"]) {
      const all = await joined(gateway, role);
      const tenant = await joined(gateway, role, { accountId: account });
      const statusOf = async (token: string) => (await api(gateway, "GET", "/api/plugins", undefined, token)).status;
      expect([role, await statusOf(all.token)]).toEqual([role, role === "member" ? 403 : 200]);
      expect([role, await statusOf(tenant.token)]).toEqual([role, 403]);
    }
  });

  test("is a page beside that of the config, for the same people, and without a secret too", async () => {
    const { cookie } = await operatorSession(gateway);
    const { status, text } = await page(gateway, "/dashboard/plugins", cookie);
    expect(status).toBe(200);
    for (const shown of ["rate-limit/failing", "openai-compatible", "authenticate", "callEnded", "baseUrl", "***"])
      expect(text).toContain(shown);
    expect(text).not.toContain(hidden);
    expect(text).toContain('<a href="/dashboard/config">');
    expect((await page(gateway, "/dashboard/config", cookie)).text).toContain('<a href="/dashboard/plugins">');
    const account = (await api(gateway, "POST", "/api/accounts", { name: "another team" })).body.id;
    const tenant = await joined(gateway, "admin", { accountId: account });
    expect((await page(gateway, "/dashboard/plugins", tenant.cookie)).status).toBe(403);
  });

  test("follows a reload: what is gone is not listed, what stays is counted on", async () => {
    const before = await timing("auth", "api-key", "authenticate");
    await file.reloadWith(
      file.first.replace(`, failing: { use: "${failing}" } }`, " }").replace(", prometheus: {}", ""),
    );
    const { cookie } = await operatorSession(gateway);
    expect((await page(gateway, "/dashboard/plugins", cookie)).text).not.toContain("rate-limit/failing");
    const listed = (await plugins()).map(({ kind, name }) => `${kind}/${name}`);
    expect(listed).not.toContain("observer/prometheus");
    expect(listed).not.toContain("rate-limit/failing");
    expect(await timing("auth", "api-key", "authenticate")).toMatchObject({ calls: before?.calls });
    await ask("mock/ok");
    expect((await timing("auth", "api-key", "authenticate"))?.calls).toBe((before?.calls ?? 0) + 1);
  });
});
