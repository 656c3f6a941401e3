import { afterAll, expect, test } from "bun:test";
import { call, chat } from "../support/clients.ts";
import { invariants } from "../support/invariants.ts";
import { answers } from "../support/openai-answers.ts";
import { until } from "../support/poll.ts";
import { hang, json } from "../support/scripts.ts";
import { setUp } from "../support/setup.ts";

/** How providers do, as their pages and the API show it, of a process that has calls. */
const setup = await setUp({
  mock: "    models: [bare]",
  config: "models:\n  fast: [mock/dead2, mock/ok]\n  team/<b>: [fast]\n",
});
const { gateway, upstream } = setup;
afterAll(() => setup.stop());
upstream.on("ok", answers());
upstream.on("bare", answers());
upstream.on("dead", json(503, { error: { message: "no", type: "server_error" } }));
upstream.on("hang", hang);
upstream.on("dead2", json(503, { error: { message: "no", type: "server_error" } }));
upstream.on("limited", json(429, { error: { message: "no", type: "rate_limit_error" } }));

const own = { origin: gateway.url, "sec-fetch-site": "same-origin" };
const login = await fetch(`${gateway.url}/dashboard/login`, {
  method: "POST",
  headers: own,
  body: new URLSearchParams({ token: gateway.adminToken }),
  redirect: "manual",
});
const cookie = login.headers.get("set-cookie")?.split(";")[0] ?? "";
const page = async (path: string, headers: Readonly<Record<string, string>> = {}) => {
  const answer = await fetch(`${gateway.url}${path}`, { headers: { cookie, ...headers }, redirect: "manual" });
  return { status: answer.status, text: await answer.text() };
};
const part = { "hx-request": "true", "hx-request-type": "partial", "x-poll": "1" };

interface Health {
  readonly data: readonly {
    readonly name: string;
    readonly open: number;
    readonly waiting: number;
    readonly breakers: readonly { readonly model: string; readonly state: string }[];
  }[];
}
const health = async (name: string) =>
  (await gateway.admin<Health>("GET", "/api/providers/health")).data.find((one) => one.name === name);

test("what is in flight, and what is left alone, stands on the pages and in the parts that refresh them", async () => {
  await call(gateway, setup.key.key, chat("mock/ok"));
  expect((await page("/dashboard/providers")).text).toContain("well");
  for (let times = 0; times < 5; times++) await call(gateway, setup.key.key, chat("mock/dead"));
  const leaving = new AbortController();
  const hanging = fetch(`${gateway.url}/v1/chat/completions`, {
    method: "POST",
    headers: { authorization: `Bearer ${setup.key.key}`, "content-type": "application/json" },
    body: JSON.stringify(chat("mock/hang")),
    signal: leaving.signal,
  }).catch(() => null);
  await until("the call waits", async () => ((await health("mock"))?.waiting === 1 ? true : null));
  expect(await health("mock")).toMatchObject({ open: 1, waiting: 1, breakers: [{ model: "dead", state: "open" }] });
  expect(await health("echo")).toMatchObject({ open: 0, waiting: 0, breakers: [] });

  const list = await page("/dashboard/providers", part);
  expect([list.status, list.text.includes("<!doctype"), list.text.includes("1 model left alone")]).toEqual([
    200,
    false,
    true,
  ]);
  const whole = (await page("/dashboard/providers/mock")).text;
  const now = (await page("/dashboard/providers/mock", part)).text;
  for (const text of [whole, now]) expect(text).toMatch(/dead[\s\S]+left alone[\s\S]+overloaded/);
  expect([whole.includes("<!doctype"), now.includes("<!doctype"), now.includes("Store a key")]).toEqual([
    true,
    false,
    false,
  ]);
  expect((await page("/dashboard/providers/nobody", part)).status).toBe(404);
  leaving.abort();
  await hanging;
});

test("attempts are told of the provider and model that they were sent to, those before a fallback too", async () => {
  const before = await attempts("hour");
  const told = await call(gateway, setup.key.key, chat("fast"));
  expect(told.status).toBe(200);
  for (const model of ["mock/limited", "mock/nobody"]) await call(gateway, setup.key.key, chat(model));
  const sent = upstream.requestsFor("dead2").length;
  expect(sent).toBeGreaterThan(0);
  for (const over of ["hour", "day", "week"]) {
    const { total, models, steps } = await attempts(over);
    const of = (model: string) => models.find((one) => one.model === model);
    expect(of("dead2")).toMatchObject({ ok: 0, failed: sent, limited: 0, refused: 0, left: 0, firstByteMs: null });
    expect([of("limited")?.limited, of("nobody")?.refused]).toEqual([upstream.requestsFor("limited").length, 1]);
    expect(total.ok).toBe(before.total.ok + 1);
    for (const outcome of ["ok", "failed", "limited", "refused", "left"] as const) {
      expect(steps.reduce((sum, step) => sum + step[outcome], 0)).toBe(total[outcome]);
      expect(models.reduce((sum, model) => sum + model[outcome], 0)).toBe(total[outcome]);
    }
  }
  const one = await attempts("day&model=dead2");
  expect([one.total.failed, one.models.length]).toEqual([sent, (await attempts("day")).models.length]);
  const shown = (await page("/dashboard/providers/mock?over=week&model=dead2")).text;
  expect(shown).toMatch(/of <bdi[^>]*>dead2/);
  expect(shown.match(/<g class="bar">/g)).toHaveLength(84);
  for (const [query, status] of [
    ["over=year", 400],
    ["provider=x", 400],
  ] as const)
    expect((await admin(`/api/providers/mock/attempts?${query}`)).status).toBe(status);
  expect((await admin("/api/providers/nobody/attempts")).status).toBe(404);
});

interface Sums {
  readonly ok: number;
  readonly failed: number;
  readonly limited: number;
  readonly refused: number;
  readonly left: number;
}
interface Attempts {
  readonly total: Sums;
  readonly steps: readonly Sums[];
  readonly models: readonly (Sums & { readonly model: string })[];
}
const attempts = (over: string) => gateway.admin<Attempts>("GET", `/api/providers/mock/attempts?over=${over}`);
const admin = (path: string) =>
  fetch(`${gateway.url}${path}`, { headers: { authorization: `Bearer ${gateway.adminToken}` } });

test("an alias is drawn with its targets and what they do now, by the API and on its page", async () => {
  for (let times = 0; times < 10; times++) await call(gateway, setup.key.key, chat("mock/dead2"));
  const route = await gateway.admin<object>("GET", "/api/models/fast/route");
  expect(route).toMatchObject({
    name: "fast",
    strategy: "ordered",
    refused: 0,
    entries: [
      { target: "mock/dead2", share: 0, leadsTo: { provider: "mock", model: "dead2", breaker: { state: "open" } } },
      { target: "mock/ok", share: 100, leadsTo: { breaker: null, costNano: 2_000_000 } },
    ],
  });
  const shown = await page("/dashboard/models/fast");
  expect(shown.text).toMatch(/dead2[\s\S]+left alone[\s\S]+none now[\s\S]+100 %/);
  const refreshed = await page("/dashboard/models/fast", part);
  expect([refreshed.text.includes("<!doctype"), refreshed.text.includes("left alone")]).toEqual([false, true]);
  const odd = encodeURIComponent("team/<b>");
  expect((await page(`/dashboard/models/${odd}`)).text).toContain("team/&lt;b&gt;");
  expect((await gateway.admin<{ name: string }>("GET", `/api/models/${odd}/route`)).name).toBe("team/<b>");
  expect((await page("/dashboard/prices/models")).text).toContain(`href="/dashboard/models/${odd}"`);
  for (const path of ["/dashboard/models/nobody", "/dashboard/models/mock%2Fok"])
    expect((await page(path)).status).toBe(404);
  expect((await admin("/api/models/nobody/route")).status).toBe(404);
});

const csrf = async () => /name="csrf" value="([^"]+)"/.exec((await page("/dashboard/keys")).text)?.[1] ?? "";
async function submit(fields: Readonly<Record<string, string>>, headers: Readonly<Record<string, string>> = {}) {
  const answer = await fetch(`${gateway.url}/dashboard/test-call`, {
    method: "POST",
    headers: { ...own, cookie, ...headers },
    body: new URLSearchParams({ csrf: await csrf(), ...fields }),
    redirect: "manual",
  });
  return { status: answer.status, text: await answer.text() };
}
interface Tested {
  readonly callId: string;
  readonly httpStatus: number;
  readonly status: string;
  readonly text: string | null;
  readonly error: string | null;
  readonly costNano: number | null;
}
const tested = (model: string) => gateway.admin<Tested>("POST", "/api/models/test", { model });
const usageOf = (callId: string) => gateway.sql(`SELECT * FROM v_usage WHERE call_id = '${callId}'`)[0];

test("a test call goes through the whole proxy in the name of whoever makes it, is billed and written down", async () => {
  const good = await tested("fast");
  expect(good).toMatchObject({ httpStatus: 200, status: "ok", text: "Hello there.", error: null });
  expect(usageOf(good.callId)).toMatchObject({
    account_id: "test-calls",
    key_id: null,
    principal: "admin token",
    model: "fast",
    upstream_model: "ok",
    status: "ok",
    cost_nano: good.costNano,
  });
  expect(upstream.log.at(-1)?.json).toMatchObject({ model: "ok", max_tokens: 128 });
  expect(await tested("bare")).toMatchObject({ httpStatus: 200 });
  expect(upstream.log.at(-1)?.json).toMatchObject({ model: "bare", max_tokens: 128 });
  const bad = await tested("mock/limited");
  expect(bad).toMatchObject({ httpStatus: 429, status: "upstream_error", text: null, costNano: 0 });
  expect(bad.error).toContain("no");
  expect(await tested("nobody")).toMatchObject({ httpStatus: 404, status: "refused", text: null });
  const entries = gateway.sql("SELECT * FROM audit_entries WHERE action = 'model.test' ORDER BY seq");
  expect(entries).toMatchObject([
    { actor_kind: "admin-token", object_id: "fast", after: JSON.stringify({ callId: good.callId, httpStatus: 200 }) },
    { object_id: "bare" },
    { object_id: "mock/limited" },
    { object_id: "nobody" },
  ]);
});

test("the button shows how its call went, in place or on a page, and nobody else can press it", async () => {
  expect((await page("/dashboard/providers/mock")).text).toContain('action="/dashboard/test-call"');
  const inPlace = await submit({ model: "mock/ok" }, part);
  expect([inPlace.status, inPlace.text.includes("<!doctype")]).toEqual([200, false]);
  const callId = /\/dashboard\/calls\/([0-9a-f-]{36})/.exec(inPlace.text)?.[1] ?? "";
  expect(usageOf(callId)).toMatchObject({ model: "mock/ok", status: "ok", principal: "admin token" });
  expect(inPlace.text).toContain("Hello there.");
  const whole = await submit({ model: "mock/limited" });
  expect([whole.status, whole.text.includes("<!doctype"), whole.text.includes("upstream error")]).toEqual([
    200,
    true,
    true,
  ]);
  const before = upstream.log.length;
  expect((await submit({ model: " " })).status).toBe(422);
  expect((await submit({ model: "mock/ok" }, { origin: "https://elsewhere.example" })).status).toBe(403);
  expect((await submit({ model: "mock/ok" }, { origin: gateway.url, "sec-fetch-site": "cross-site" })).status).toBe(
    403,
  );
  expect((await submit({ model: "mock/ok", csrf: "x" })).status).toBe(403);
  const service = await gateway.admin<{ id: string }>("POST", "/api/people", {
    kind: "service",
    name: "viewer",
    role: "viewer",
  });
  const { token } = await gateway.admin<{ token: string }>("POST", `/api/people/${service.id}/tokens`, { name: "t" });
  const refused = await fetch(`${gateway.url}/api/models/test`, {
    method: "POST",
    headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
    body: JSON.stringify({ model: "mock/ok" }),
  });
  expect([refused.status, upstream.log.length]).toEqual([403, before]);
  await invariants(setup);
});

test("a test call is held by an account of its own, and by nothing of the one that other calls belong to", async () => {
  const budgetOn = (id: string) =>
    gateway.admin("POST", "/api/budgets", { scope: { kind: "account", id }, usd: "0.000001", window: "lifetime" });
  await gateway.admin("PATCH", "/api/accounts/default", { models: ["fast"] });
  await budgetOn("default");
  expect((await call(gateway, setup.key.key, chat("mock/ok"))).status).toBe(403);
  expect((await call(gateway, setup.key.key, chat("fast"))).status).toBe(402);
  expect(await tested("mock/ok")).toMatchObject({ httpStatus: 200, status: "ok" });
  await budgetOn("test-calls");
  expect(await tested("mock/ok")).toMatchObject({ httpStatus: 402, status: "refused" });
  const removed = await fetch(`${gateway.url}/api/accounts/test-calls`, {
    method: "DELETE",
    headers: { authorization: `Bearer ${gateway.adminToken}` },
  });
  expect(removed.status).toBe(409);
});
