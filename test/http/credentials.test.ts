import { afterAll, describe, expect, test } from "bun:test";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { call, chat, errorOf } from "../support/clients.ts";
import { invariants } from "../support/invariants.ts";
import { answers } from "../support/openai-answers.ts";
import { json } from "../support/scripts.ts";
import { type Setup, setUp } from "../support/setup.ts";
import type { Exchange } from "../support/upstream.ts";

/** Keys of upstream accounts in the database: black-box, with real processes before a scripted upstream. */
const setup = await setUp({
  env: { LOG_LEVEL: "debug" },
  config: "observer: { log: {}, prometheus: {} }\nserver: { attempts: { backoffMs: 20000 } }",
});
const { gateway, upstream } = setup;
afterAll(() => setup.stop());
upstream.on("ok", answers());

interface Shown {
  readonly id: string;
  readonly name: string;
  readonly apiKey: string;
  readonly weight: number;
  readonly state: string;
  readonly requests: number;
  readonly refusedWith: number | null;
  readonly restsUntil: number | null;
}
const path = "/api/providers/mock/credentials";
const aKey = (from = setup) => {
  const secret = `sk-stored-canary-${crypto.randomUUID()}`;
  from.gateway.secrets.add(secret);
  return secret;
};
const store = (secret: string, more: object = {}, from = setup) =>
  from.gateway.admin<Shown>("POST", path, { apiKey: secret, ...more });
const list = async (from = setup) => (await from.gateway.admin<{ data: Shown[] }>("GET", path)).data;
const sentKey = (exchange: Exchange | undefined) => exchange?.request.headers["authorization"]?.replace("Bearer ", "");
async function ask(
  model = "ok",
  from: Setup = setup,
): Promise<{ status: number; key: string | undefined; text: string }> {
  const { status, text } = await call(from.gateway, from.key.key, chat(`mock/${model}`));
  return { status, key: sentKey(from.upstream.log.at(-1)), text };
}
async function clear(from = setup): Promise<void> {
  for (const { id } of await list(from)) await from.gateway.admin("DELETE", `${path}/${id}`);
}
async function refusal(method: string, at: string, body?: unknown): Promise<{ status: number; text: string }> {
  const response = await fetch(`${gateway.url}${at}`, {
    method,
    headers: { authorization: `Bearer ${gateway.adminToken}`, "content-type": "application/json" },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  });
  return { status: response.status, text: await response.text() };
}

/** Every byte of the data folder and the log. */
function written(from: Setup): string {
  const { dataDir } = from.gateway;
  const files = readdirSync(dataDir).filter((name) => !name.endsWith(".lock") && name !== "secret");
  return [from.gateway.log(), ...files.map((name) => readFileSync(join(dataDir, name), "latin1"))].join("\n");
}

describe("a stored key", () => {
  test("is used from the next call on, in the place of the file's, and until it is disabled or removed", async () => {
    expect((await ask()).key).toBe(setup.upstreamKey);
    const secret = aKey();
    const made = await store(secret, { name: "main" });
    expect(made).toMatchObject({ name: "main", apiKey: `***${secret.slice(-4)}`, weight: 1, state: "active" });
    expect(await ask()).toMatchObject({ status: 200, key: secret });

    await gateway.admin("PATCH", `${path}/${made.id}`, { enabled: false });
    expect((await ask()).key).toBe(setup.upstreamKey);
    await gateway.admin("PATCH", `${path}/${made.id}`, { enabled: true });
    expect((await ask()).key).toBe(secret);

    const rotated = aKey();
    expect(await gateway.admin<Shown>("PATCH", `${path}/${made.id}`, { apiKey: rotated })).toMatchObject({
      id: made.id,
      apiKey: `***${rotated.slice(-4)}`,
      requests: 0,
    });
    expect((await ask()).key).toBe(rotated);
    await gateway.restart();
    expect((await ask()).key).toBe(rotated);

    await gateway.admin("DELETE", `${path}/${made.id}`);
    expect((await ask()).key).toBe(setup.upstreamKey);
    await invariants(setup);
  });

  test("is shown nowhere: no answer, no page, no metric, no log, no file", async () => {
    const secret = aKey();
    const made = await store(secret);
    upstream.on("echo-key", (exchange) =>
      json(401, { error: { message: `Incorrect API key provided: ${sentKey(exchange)}` } })(exchange),
    );
    const texts = [JSON.stringify(made), (await ask()).text, (await ask("echo-key")).text];
    for (const at of ["/api/providers", path, "/metrics", "/openapi.json", "/api/calls"])
      texts.push((await refusal("GET", at)).text);
    await gateway.admin("PATCH", `${path}/${made.id}`, { weight: 3 });
    for (const text of texts) expect(text).not.toContain(secret);
    expect(written(setup)).not.toContain(secret);
    expect(written(setup)).not.toContain(secret.slice(3));
    await clear();
    await invariants(setup);
  });

  test("is not replaced by its mask, by nothing, or by what no header can carry", async () => {
    const secret = aKey();
    const { id, apiKey } = await store(secret);
    for (const bad of [
      apiKey,
      "***",
      "****1234",
      "",
      " ",
      "a b",
      "key\nx-evil: 1",
      "schlüssel",
      5,
      null,
      "x".repeat(5_000),
    ]) {
      expect((await refusal("PATCH", `${path}/${id}`, { apiKey: bad })).status).toBe(400);
      expect((await refusal("POST", path, { apiKey: bad })).status).toBe(400);
    }
    for (const bad of [
      {},
      { weight: 0 },
      { weight: 1.5 },
      { enabled: "no" },
      { baseUrl: "http://127.0.0.1:1" },
      { provider: "echo" },
    ])
      expect((await refusal("PATCH", `${path}/${id}`, bad)).status).toBe(400);
    expect((await refusal("POST", path, { apiKey: "k", baseUrl: "http://127.0.0.1:1" })).status).toBe(400);
    // A form that is saved as it was shown, without the field of the key.
    await gateway.admin("PATCH", `${path}/${id}`, { name: "as before", weight: 1 });
    expect(await ask()).toMatchObject({ status: 200, key: secret });
    expect(await list()).toHaveLength(1);
    await clear();
  });

  test("is for providers of the file that take one, and found by its own provider only", async () => {
    const { id } = await store(aKey());
    expect((await refusal("GET", "/api/providers/nobody/credentials")).status).toBe(404);
    expect((await refusal("POST", "/api/providers/nobody/credentials", { apiKey: "some-key" })).status).toBe(404);
    expect((await refusal("POST", "/api/providers/echo/credentials", { apiKey: "some-key" })).status).toBe(409);
    for (const method of ["PATCH", "DELETE"])
      expect((await refusal(method, `/api/providers/echo/credentials/${id}`, { weight: 2 })).status).toBe(404);
    expect((await refusal("DELETE", `${path}/0190a1b2-0000-7000-8000-000000000000`)).status).toBe(404);
    expect(await list()).toHaveLength(1);
    await clear();
  });
});

describe("several stored keys", () => {
  test("are used by their weights", async () => {
    const [light, heavy] = [aKey(), aKey()];
    await store(light, { weight: 1 });
    await store(heavy, { weight: 9 });
    const from = upstream.log.length;
    for (let at = 0; at < 120; at++) expect((await ask()).status).toBe(200);
    const sent = upstream.log.slice(from).map(sentKey);
    expect(new Set(sent)).toEqual(new Set([light, heavy]));
    // 12 of 120 are expected; fewer than 1 or more than 36 come once in 300,000 runs.
    expect(sent.filter((key) => key === light).length).toBeLessThan(37);
    expect((await list()).map(({ requests }) => requests).reduce((sum, each) => sum + each)).toBe(120);
    await clear();
    await invariants(setup);
  });

  for (const status of [401, 403, 429])
    test(`one that is refused with ${status} rests, and the call goes on with another`, async () => {
      const [bad, good] = [aKey(), aKey()];
      const model = `refuses-${status}`;
      upstream.on(model, (exchange) =>
        sentKey(exchange) === bad
          ? json(status, { error: { message: "no" } }, { "retry-after": "120" })(exchange)
          : answers()(exchange),
      );
      const { id } = await store(bad, { weight: 1_000 });
      await store(good);
      const from = upstream.log.length;
      // The heavy one comes first, but for one call in a thousand.
      const startedMs = performance.now();
      for (let at = 0; at < 20; at++) expect(await ask(model)).toMatchObject({ status: 200, key: good });
      // At once: a wait before the next key would be 2.5 s by the mean.
      expect(performance.now() - startedMs).toBeLessThan(2_000);
      expect(upstream.log.slice(from).filter((each) => sentKey(each) === bad)).toHaveLength(1);
      const shown = (await list()).find((each) => each.id === id);
      expect(shown).toMatchObject({ state: "resting", refusedWith: status });
      const left = ((shown?.restsUntil ?? 0) - Date.now()) / 1_000;
      expect(left).toBeGreaterThan(status === 429 ? 100 : 280);
      expect(left).toBeLessThan(status === 429 ? 121 : 301);
      expect(gateway.log()).toContain("a stored key was refused, and rests");
      const audited = await refusal("GET", "/api/audit");
      expect(audited.text).toContain("credential.create");
      for (const secret of [bad, good]) expect(audited.text).not.toContain(secret);
      await clear();
      await invariants(setup);
    });

  test("one that fails too often rests for a moment, before its target is given up for all", async () => {
    const [bad, good] = [aKey(), aKey()];
    // A status that is not asked again, so that each call is one attempt.
    upstream.on("fails", (exchange) =>
      sentKey(exchange) === bad ? json(501, { error: { message: "no" } })(exchange) : answers()(exchange),
    );
    const { id } = await store(bad, { weight: 1_000 });
    await store(good);
    const statuses: number[] = [];
    for (let at = 0; at < 15; at++) statuses.push((await ask("fails")).status);
    expect(statuses.filter((status) => status === 502).length).toBeWithin(5, 8);
    expect(statuses.at(-1)).toBe(200);
    expect(gateway.log()).toContain("a stored key fails, and rests");
    expect((await list()).find((each) => each.id === id)).toMatchObject({ refusedWith: null });
    await clear();
    await invariants(setup);
  });

  test("that all rest are still tried: the first whose rest ends, and its answer is the client's", async () => {
    upstream.on(
      "busy",
      json(429, { error: { message: "slow down", code: "rate_limit_exceeded" } }, { "retry-after": "9" }),
    );
    await store(aKey());
    await store(aKey());
    for (let at = 0; at < 4; at++) {
      const reply = await ask("busy");
      expect(reply.status).toBe(429);
      expect(errorOf(reply.text).code).toBe("rate_limit_exceeded");
    }
    expect((await ask()).status).toBe(200);
    await clear();
    await invariants(setup);
  });
});

test("a count of tokens that is refused for limits of its own rests no key", async () => {
  const counting = await setUp({ dialects: ["anthropic-messages"] });
  const at = "/api/providers/mock-anthropic-messages/credentials";
  try {
    await counting.gateway.admin("POST", at, { apiKey: aKey(counting) });
    const asked = { model: "mock-anthropic-messages/counts", messages: [{ role: "user", content: "How many?" }] };
    const count = async (status: number) => {
      counting.upstream.on(
        "counts",
        json(status, { type: "error", error: { type: "rate_limit_error", message: "no" } }),
      );
      await call(counting.gateway, counting.key.key, asked, { path: "/v1/messages/count_tokens" });
      const { data } = await counting.gateway.admin<{ data: Shown[] }>("GET", at);
      return data.map(({ refusedWith }) => refusedWith);
    };
    expect(await count(429)).toEqual([null]);
    expect(await count(401)).toEqual([401]);
  } finally {
    await counting.stop();
  }
});

test("an address that is changed in the file asks for the key again, and is sent none", async () => {
  const other = await setUp();
  const moved = await setUp();
  try {
    const secret = aKey(other);
    const { id } = await store(secret, {}, other);
    await other.gateway.stop();
    const file = join(other.gateway.directory, "llm-proxy.yaml");
    writeFileSync(file, readFileSync(file, "utf8").replace(other.upstream.baseUrl, moved.upstream.baseUrl));
    await other.gateway.start();
    moved.upstream.on("ok", answers());
    expect((await call(other.gateway, other.key.key, chat("mock/ok"))).status).toBe(200);
    expect(moved.upstream.log.map(sentKey)).toEqual([other.upstreamKey]);
    expect(await list(other)).toMatchObject([{ id, state: "locked" }]);
    const again = aKey(other);
    await other.gateway.admin("PATCH", `${path}/${id}`, { apiKey: again });
    await call(other.gateway, other.key.key, chat("mock/ok"));
    expect(sentKey(moved.upstream.log.at(-1))).toBe(again);
  } finally {
    await Promise.all([other.stop(), moved.stop()]);
  }
}, 60_000);
