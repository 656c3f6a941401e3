import { createHash } from "node:crypto";
import { afterAll, afterEach, describe, expect, test } from "bun:test";
import { makeKey } from "../../core/identity/key-format.ts";
import { call, chat, errorOf } from "../support/clients.ts";
import { invariants } from "../support/invariants.ts";
import { answers } from "../support/openai-answers.ts";
import { until } from "../support/poll.ts";
import { json } from "../support/scripts.ts";
import { allUsage, usageOf } from "../support/rows.ts";
import { setUp } from "../support/setup.ts";
import { form } from "../support/visits.ts";

const setup = await setUp({
  config: [
    "models:",
    "  both: [mock/cheap, mock/expensive]",
    "  fancy: [mock/expensive]",
    "  chained: { targets: [fancy] }",
  ].join("\n"),
});
const { gateway, upstream } = setup;
for (const model of ["m-ok", "cheap", "very-cheap", "expensive"]) upstream.on(model, answers());
afterEach(() => invariants(setup));
afterAll(setup.stop);

interface Shown {
  readonly id: string;
  readonly key: string;
  readonly prefix: string;
  readonly last4: string;
  readonly olderSecrets: readonly { readonly prefix: string; readonly until: number }[];
}
const change = (id: string, body: unknown) => gateway.admin<Shown>("PATCH", `/api/keys/${id}`, body);
const ask = (key: string, model = "mock/m-ok", more: Readonly<Record<string, unknown>> = {}) =>
  call(gateway, key, chat(model, more));
const statusOf = async (key: string, model?: string) => (await ask(key, model)).status;

/** Sends something that must be refused, and returns the status and error. */
async function refused(method: string, path: string, body: unknown) {
  const response = await fetch(`${gateway.url}${path}`, {
    method,
    headers: { authorization: `Bearer ${gateway.adminToken}`, "content-type": "application/json" },
    body: JSON.stringify(body),
  });
  return { status: response.status, error: errorOf(await response.text()) };
}

describe("the life of a key", () => {
  test("it is shown once, and nowhere after (052)", async () => {
    const created = await gateway.createKey({ name: "once" });
    const response = await fetch(`${gateway.url}/api/keys/${created.id}`, {
      headers: { authorization: `Bearer ${gateway.adminToken}` },
    });
    expect(response.headers.get("cache-control")).toBe("no-store");
    const shown = await response.text();
    expect(shown).not.toContain(created.key.slice(-49));
    expect(JSON.parse(shown)).toMatchObject({ last4: created.key.slice(-4), prefix: created.key.slice(0, 20) });
  });

  test("disabled it is refused, enabled it works again", async () => {
    const { id, key } = await gateway.createKey();
    await change(id, { disabled: true });
    expect(await statusOf(key)).toBe(401);
    await change(id, { disabled: false });
    expect(await statusOf(key)).toBe(200);
  });

  test("refusals of expired, revoked, disabled and damaged keys are one body (054)", async () => {
    const made = await Promise.all([1, 2, 3].map(() => gateway.createKey()));
    const [revoked, disabled, damaged] = made.map(({ id, key }) => ({ id, key }));
    if (!revoked || !disabled || !damaged) throw new Error("three keys");
    await gateway.admin("DELETE", `/api/keys/${revoked.id}`);
    await change(disabled.id, { disabled: true });
    const bodies = new Set<string>();
    for (const key of [
      revoked.key,
      disabled.key,
      `${damaged.key.slice(0, -1)}!`,
      `sk-llmp-unknown-${"x".repeat(49)}`,
    ]) {
      const reply = await ask(key);
      expect(reply.status).toBe(401);
      expect(reply.text).not.toContain(key.slice(12, -4));
      bodies.add(JSON.stringify({ ...errorOf(reply.text), request_id: "" }));
    }
    expect(bodies.size).toBe(1);
  });

  test("revoked under load it is refused within a second (035, 055)", async () => {
    const { id, key } = await gateway.createKey();
    let revokedAtMs = Infinity;
    const late: number[] = [];
    const worker = async () => {
      for (;;) {
        const atMs = performance.now();
        const status = await statusOf(key);
        if (status === 200 && atMs > revokedAtMs + 1_000) late.push(atMs);
        if (status === 401) return;
      }
    };
    const workers = [...Array(8)].map(worker);
    await until("some calls", () => upstream.requestsFor("m-ok").length > 20);
    await gateway.admin("DELETE", `/api/keys/${id}`);
    revokedAtMs = performance.now();
    await Promise.all(workers);
    expect(late).toEqual([]);
  });
});

describe("rotation (056)", () => {
  test("both secrets work in the grace, then the new one alone; usage is of one key", async () => {
    const { id, key } = await gateway.createKey({ name: "turns" });
    expect(await statusOf(key)).toBe(200);
    const next = await gateway.admin<Shown>("POST", `/api/keys/${id}/rotation`, { graceSeconds: 600 });
    gateway.secrets.add(next.key);
    expect(next).toMatchObject({ id, prefix: next.key.slice(0, 20) });
    expect(next.olderSecrets).toMatchObject([{ prefix: key.slice(0, 20), until: expect.any(Number) }]);
    const replies = await Promise.all([key, next.key, key, next.key].map((each) => ask(each)));
    expect(new Set(replies.map(({ callId }) => usageOf(gateway, callId).key_id))).toEqual(new Set([id]));
    // Its end can be brought forward, as when a secret has leaked.
    const last = await gateway.admin<Shown>("POST", `/api/keys/${id}/rotation`, {});
    gateway.secrets.add(last.key);
    expect([await statusOf(key), await statusOf(next.key), await statusOf(last.key)]).toEqual([401, 401, 200]);
    expect(last.olderSecrets).toEqual([]);
  });

  test("a grace of one second ends after one second", async () => {
    const { id, key } = await gateway.createKey();
    const next = await gateway.admin<Shown>("POST", `/api/keys/${id}/rotation`, { graceSeconds: 1 });
    gateway.secrets.add(next.key);
    await until("the old secret is refused", async () => (await statusOf(key)) === 401);
    expect(await statusOf(next.key)).toBe(200);
  });

  test("no grace that is no whole number of seconds up to 30 days", async () => {
    const { id } = await gateway.createKey();
    for (const graceSeconds of [-1, 0.5, "60", 1e12, null])
      expect((await refused("POST", `/api/keys/${id}/rotation`, { graceSeconds })).status).toBe(400);
    expect((await refused("POST", "/api/keys/nobody/rotation", {})).status).toBe(404);
  });
});

describe("what a key may ask for", () => {
  test("models by name or with *, whatever name they are asked by (022)", async () => {
    const { key } = await gateway.createKey({ models: ["mock/*cheap"] });
    expect(await statusOf(key, "mock/cheap")).toBe(200);
    expect(await statusOf(key, "mock/very-cheap")).toBe(200);
    const before = upstream.log.length;
    for (const model of [
      "fancy",
      "chained",
      "mock/expensive",
      "MOCK/cheap",
      "mock/cheap ",
      "mock/cheap\u0000",
      "*",
      "mock/cheaр",
    ])
      expect([403, 404, 400]).toContain(await statusOf(key, model));
    expect(upstream.log.length).toBe(before);
  });

  test("an alias goes to those of its targets alone that the key may use (024)", async () => {
    const { key } = await gateway.createKey({ models: ["mock/cheap"] });
    upstream.on("cheap", json(500, { error: { message: "down" } }));
    const before = upstream.log.length;
    expect((await ask(key, "both")).status).toBeGreaterThanOrEqual(500);
    expect(upstream.log.slice(before).map(({ model }) => model)).not.toContain("expensive");
  });

  test("operations and routes", async () => {
    const { id, key } = await gateway.createKey();
    await change(id, { operations: ["embeddings"] });
    const reply = await ask(key);
    expect(reply.status).toBe(403);
    expect(errorOf(reply.text)).toMatchObject({ code: "operation_not_allowed" });
    expect(usageOf(gateway, reply.callId)).toMatchObject({ status: "refused", cost_nano: null });
    await change(id, { operations: null, routes: ["/v1/messages", "/v1beta/*"] });
    expect(errorOf((await ask(key)).text)).toMatchObject({ code: "route_not_allowed" });
    expect((await gateway.get("/v1/models", { authorization: `Bearer ${key}` }))?.status).toBe(403);
    await change(id, { routes: ["/v1/*"] });
    expect(await statusOf(key)).toBe(200);
  });

  test("networks are checked when they are set and when they are used", async () => {
    const { id, key } = await gateway.createKey();
    await change(id, { cidrs: ["192.0.2.0/24"] });
    expect(await statusOf(key)).toBe(401);
    await change(id, { cidrs: ["127.0.0.0/8", "::1/128"] });
    expect(await statusOf(key)).toBe(200);
    expect((await refused("PATCH", `/api/keys/${id}`, { cidrs: ["everywhere"] })).status).toBe(400);
  });
});

describe("changes", () => {
  test("fields that a key does not take are refused, and change nothing (019, 059)", async () => {
    const { id } = await gateway.createKey({ name: "as it is" });
    const before = await gateway.admin("GET", `/api/keys/${id}`);
    for (const body of [
      { id: "x" },
      { digest: "x" },
      { accountId: "default" },
      { createdAt: 0 },
      { revokedAt: null },
      { spent_nano: 0 },
      { role: "owner" },
      { models: [] },
      { models: "all" },
      { operations: ["everything"] },
      { routes: ["v1"] },
      { expiresAt: -1 },
      { expiresAt: 1 },
      { expiresAt: "tomorrow" },
      { disabled: "yes" },
      { metadata: { a: 1 } },
      { metadata: { __proto__: "x", "a b": "x" } },
      { limits: { requestsPerMinute: -1 } },
      { limits: { requestsPerMinute: 1e308 } },
      { limits: { requestsPerMinute: "1e9" } },
      {},
      null,
      [],
    ])
      expect((await refused("PATCH", `/api/keys/${id}`, body)).status).toBe(400);
    expect(await gateway.admin("GET", `/api/keys/${id}`)).toEqual(before);
    expect((await refused("PATCH", "/api/keys/nobody", { name: "x" })).status).toBe(404);
  });

  test("beside paid calls they lose neither money nor themselves (058)", async () => {
    const { id, key } = await gateway.createKey({ budget: { usd: "100", window: "lifetime" } });
    await Promise.all(
      [...Array(100).keys()].flatMap((at) => [
        ask(key),
        change(id, at % 2 ? { name: `n${at}` } : { metadata: { at: String(at) } }),
      ]),
    );
    await change(id, { name: "the last" });
    expect(await gateway.admin("GET", `/api/keys/${id}`)).toMatchObject({ name: "the last", metadata: { at: "98" } });
    const spent = allUsage(gateway)
      .filter((row) => row.key_id === id)
      .reduce((sum, row) => sum + (row.cost_nano ?? 0), 0);
    const [budget] = gateway.sql<{ spent_nano: number }>(`select spent_nano from v_budget where scope_id = '${id}'`);
    expect(budget?.spent_nano).toBe(spent);
    expect(spent).toBeGreaterThan(0);
  });
});

describe("a key that was made elsewhere", () => {
  test("works on by its hash, with the terms it was given here", async () => {
    const foreign = `sk-proj-${crypto.randomUUID()}`;
    gateway.secrets.add(foreign);
    expect(await statusOf(foreign)).toBe(401);
    const sha256 = createHash("sha256").update(foreign).digest("hex");
    const created = await gateway.admin<Shown>("POST", "/api/keys", {
      name: "old one",
      sha256,
      prefix: "sk-proj-",
      last4: foreign.slice(-4),
    });
    expect(created).toMatchObject({ key: null, imported: true, prefix: "sk-proj-" });
    expect(usageOf(gateway, (await ask(foreign)).callId)).toMatchObject({ key_id: created.id });
    expect(await statusOf(sha256)).toBe(401);
    expect((await refused("POST", "/api/keys", { name: "twice", sha256 })).status).toBe(409);
    expect((await refused("POST", "/api/keys", { name: "odd", sha256: sha256.toUpperCase() })).status).toBe(400);
    // Rotated it becomes a key of ours.
    const next = await gateway.admin<Shown>("POST", `/api/keys/${created.id}/rotation`, {});
    gateway.secrets.add(next.key);
    expect([await statusOf(foreign), await statusOf(next.key)]).toEqual([401, 200]);
  });

  test("works by its hash also when another LLM Proxy made it: calls, its own view, its page", async () => {
    const { key } = makeKey();
    gateway.secrets.add(key);
    expect(await statusOf(key)).toBe(401);
    const signIn = () => form(gateway, "/dashboard/login", { key });
    expect((await signIn()).headers.get("set-cookie")).toBeNull();
    const sha256 = createHash("sha256").update(key).digest("hex");
    const { id } = await gateway.admin<Shown>("POST", "/api/keys", { name: "from elsewhere", sha256 });
    expect(usageOf(gateway, (await ask(key)).callId)).toMatchObject({ key_id: id });
    const me = await gateway.get("/v1/me", { authorization: `Bearer ${key}` });
    expect(await me?.json()).toMatchObject({ key: { id }, mayRotate: true });
    expect((await signIn()).headers.get("set-cookie")).not.toBeNull();
    expect(await statusOf(makeKey().key)).toBe(401);
    await gateway.admin("DELETE", `/api/keys/${id}`);
    expect(await statusOf(key)).toBe(401);
  });
});
