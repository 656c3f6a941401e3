import { afterAll, afterEach, beforeAll, describe, expect, test } from "bun:test";
import { call, chat } from "../support/clients.ts";
import { invariants } from "../support/invariants.ts";
import { answers } from "../support/openai-answers.ts";
import { until } from "../support/poll.ts";
import { allUsage } from "../support/rows.ts";
import { type Setup, setUp } from "../support/setup.ts";
import { api, form, operatorSession, page, send } from "../support/visits.ts";
import { bodyOf, everyRoute, filled } from "../access/routes.ts";

/** The page of whoever holds an API key, from outside. */
const routes = everyRoute();
let setup: Setup;
beforeAll(async () => {
  setup = await setUp({ config: "limits: [{ scope: { kind: ip }, requestsPerMinute: 1000000 }]" });
  setup.upstream.on("ok", answers());
});
afterEach(() => invariants(setup));
afterAll(() => setup.stop());

const home = "/dashboard/me/key";
const signIn = async (key: string) => {
  const answer = await form(setup.gateway, "/dashboard/login", { key });
  const cookie = /^[^;]+/.exec(answer.headers.get("set-cookie") ?? "")?.[0] ?? "";
  return { answer, cookie };
};
const csrfIn = (text: string): string => /name="csrf" value="(\w+)"/.exec(text)?.[1] ?? "";
async function signedIn(key: string) {
  const { cookie } = await signIn(key);
  const { text, status } = await page(setup.gateway, home, cookie);
  expect(status).toBe(200);
  return { cookie, csrf: csrfIn(text), text };
}
const leadsToLogin = (answer: { readonly status: number; readonly headers: Headers }) =>
  answer.status === 303 && answer.headers.get("location")?.startsWith("/dashboard/login") === true;

describe("a session of a key", () => {
  test("has a cookie of its own, which only the hash is kept of, and shows what the key has left", async () => {
    const { gateway } = setup;
    const key = await gateway.createKey({
      name: "<b>app</b>",
      budget: { usd: 5, window: "month" },
      limits: { requestsPerMinute: 30 },
      models: ["mock/*"],
    });
    const made = await call(gateway, key.key, chat("mock/ok", { max_tokens: 20 }));
    await until("the record", () =>
      allUsage(gateway).some((row) => row.call_id === made.callId && row.status === "ok"),
    );
    const { answer, cookie } = await signIn(key.key);
    expect([answer.status, answer.headers.get("location")]).toEqual([303, home]);
    const set = answer.headers.get("set-cookie") ?? "";
    expect(set).toMatch(/^__Host-llmp-key=[\w-]{43}; Path=\/; HttpOnly; SameSite=Lax; Max-Age=7200; Secure$/);
    const value = cookie.split("=")[1] ?? "-";
    expect(JSON.stringify(gateway.sql("select * from plugin_state"))).not.toContain(value);
    const { text, status, headers } = await page(gateway, home, cookie);
    expect([status, headers.get("cache-control")]).toEqual([200, "no-store"]);
    expect(headers.get("content-security-policy")).toContain("default-src 'none'");
    for (const shown of [
      "&lt;b&gt;app&lt;/b&gt;",
      "30 requests a minute",
      "29 requests",
      "$5.00",
      "mock/ok",
      "mock/*",
      "binds",
    ])
      expect(text).toContain(shown);
    expect(text).not.toContain("<b>app");
    expect(text).not.toContain(key.key);
    // Nothing leads to what is closed to it.
    const links = [...text.matchAll(/(?:href|action)="([^"]+)"/g)].map(([, to = ""]) => to);
    expect(links.filter((to) => !/^(#main|\/dashboard\/(me\/key|assets\/))/.test(to))).toEqual([]);
  });

  test("opens that page and nothing else: no other route, and neither the API nor calls", async () => {
    const { gateway, key } = setup;
    const { cookie, csrf } = await signedIn(key.key);
    const open: string[] = [];
    for (const { method, path, access } of routes().filter((route) => route.access !== "public")) {
      if (access === "key-session") continue;
      const sent = bodyOf(method, path);
      const answer = await send(gateway, method, filled(path, method), {
        headers: { ...sent.headers, cookie, "x-csrf-token": csrf, origin: gateway.url },
        body: sent.body,
      });
      if (answer.status !== 401 && !leadsToLogin(answer)) open.push(`${method} ${path}: ${answer.status}`);
      // Nor under a person's name for it.
      const renamed = cookie.replace("__Host-llmp-key", "__Host-llmp");
      const other = await send(gateway, method, filled(path, method), {
        headers: { ...sent.headers, cookie: renamed, "x-csrf-token": csrf, origin: gateway.url },
        body: sent.body,
      });
      if (other.status !== 401 && !leadsToLogin(other)) open.push(`${method} ${path} renamed: ${other.status}`);
    }
    expect(open).toEqual([]);
    const { cookie: persons } = await operatorSession(gateway);
    expect(leadsToLogin(await page(gateway, home, persons))).toBe(true);
    const asKey = persons.replace("__Host-llmp=", "__Host-llmp-key=");
    expect(leadsToLogin(await page(gateway, home, asKey))).toBe(true);
  }, 30_000);

  test("is refused to what is no key, and ends with its key, its secret, or by signing out", async () => {
    const { gateway } = setup;
    for (const wrong of ["", "sk-wrong", gateway.adminToken, `sk-llmp-${"a".repeat(12)}-${"b".repeat(49)}`]) {
      const { answer, cookie } = await signIn(wrong);
      expect([answer.status, cookie]).toEqual([401, ""]);
      expect(answer.text).not.toContain("sk-wrong");
    }
    const ends: readonly ((id: string) => Promise<unknown>)[] = [
      (id) => api(gateway, "DELETE", `/api/keys/${id}`),
      (id) => api(gateway, "PATCH", `/api/keys/${id}`, { disabled: true }),
      (id) => api(gateway, "PATCH", `/api/keys/${id}`, { cidrs: ["192.0.2.0/24"] }),
      async (id) => {
        const { body } = await api(gateway, "POST", `/api/keys/${id}/rotation`, { graceSeconds: 0 });
        gateway.secrets.add(body.key);
      },
    ];
    for (const end of ends) {
      const key = await gateway.createKey();
      const { cookie } = await signedIn(key.key);
      await end(key.id);
      expect(leadsToLogin(await page(gateway, home, cookie))).toBe(true);
    }
    const key = await gateway.createKey();
    const { cookie, csrf } = await signedIn(key.key);
    expect((await form(gateway, `${home}/logout`, {}, { cookie, csrf: "0".repeat(64) })).status).toBe(403);
    const out = await form(gateway, `${home}/logout`, {}, { cookie, csrf });
    expect([out.status, out.headers.get("clear-site-data")]).toEqual([303, '"cache", "storage"']);
    expect(leadsToLogin(await page(gateway, home, cookie))).toBe(true);
  });

  test("is closed where calls of the key are: by its account and its routes", async () => {
    const { gateway } = setup;
    const { body: account } = await api(gateway, "POST", "/api/accounts", { name: "closed" });
    const key = await gateway.createKey({ accountId: account.id });
    const { cookie } = await signedIn(key.key);
    await api(gateway, "PATCH", `/api/keys/${key.id}`, { routes: ["/v1/messages"] });
    expect((await page(gateway, home, cookie)).status).toBe(403);
    await api(gateway, "PATCH", `/api/keys/${key.id}`, { routes: null });
    await api(gateway, "PATCH", `/api/accounts/${account.id}`, { disabled: true });
    expect((await page(gateway, home, cookie)).status).toBe(403);
  });
});

describe("what is done on it", () => {
  test("the secret is rotated, shown once, and the session goes on with the new one", async () => {
    const { gateway } = setup;
    const key = await gateway.createKey();
    const { cookie, csrf } = await signedIn(key.key);
    for (const fields of [{ csrf: "" }, { csrf: "0".repeat(64) }])
      expect((await form(gateway, `${home}/rotation`, { graceSeconds: "0", ...fields }, { cookie })).status).toBe(403);
    const foreign = await send(gateway, "POST", `${home}/rotation`, {
      headers: { cookie, origin: "https://evil.example" },
      body: new URLSearchParams({ csrf, graceSeconds: "0" }),
    });
    expect(foreign.status).toBe(403);
    expect((await form(gateway, `${home}/rotation`, { graceSeconds: "-1" }, { cookie, csrf })).status).toBe(422);
    const done = await form(gateway, `${home}/rotation`, { graceSeconds: "0" }, { cookie, csrf });
    expect(done.status).toBe(201);
    const secret = /sk-llmp-[0-9A-Za-z]{12}-[0-9A-Za-z]{49}/.exec(done.text)?.[0] ?? "";
    gateway.secrets.add(secret);
    const next = /^[^;]+/.exec(done.headers.get("set-cookie") ?? "")?.[0] ?? "";
    expect(leadsToLogin(await page(gateway, home, cookie))).toBe(true);
    const again = await page(gateway, home, next);
    expect([again.status, again.text.includes(secret)]).toEqual([200, false]);
    const statusOf = async (one: string) => (await call(gateway, one, chat("mock/ok"))).status;
    expect([await statusOf(key.key), await statusOf(secret)]).toEqual([401, 200]);
  });

  test("a session of an older secret may look and not rotate", async () => {
    const { gateway } = setup;
    const key = await gateway.createKey();
    const { cookie, csrf } = await signedIn(key.key);
    const { body } = await api(gateway, "POST", `/api/keys/${key.id}/rotation`, { graceSeconds: 600 });
    gateway.secrets.add(body.key);
    const { text, status } = await page(gateway, home, cookie);
    expect([status, text.includes("older secret"), text.includes("/rotation")]).toEqual([200, true, false]);
    const refused = await form(gateway, `${home}/rotation`, { graceSeconds: "0" }, { cookie, csrf });
    expect(refused.status).toBe(422);
    expect(refused.text).not.toMatch(/sk-llmp-[0-9A-Za-z]{12}-/);
  });

  test("calls are paged, and are one's own alone", async () => {
    const { gateway } = setup;
    const [own, other] = [await gateway.createKey(), await gateway.createKey()];
    const ids = new Set<string>();
    for (let time = 0; time < 23; time++) ids.add((await call(gateway, own.key, chat("mock/ok"))).callId);
    const foreign = (await call(gateway, other.key, chat("mock/ok"))).callId;
    const { cookie } = await signedIn(own.key);
    const seen: string[] = [];
    let at: string | null = home;
    while (at !== null) {
      const { text } = await page(gateway, at, cookie);
      seen.push(...[...text.matchAll(/<td title="([\w-]+)">/g)].map(([, id = ""]) => id));
      at = /<a rel="next" href="([^"]+)"/.exec(text)?.[1] ?? null;
    }
    expect(seen).toHaveLength(23);
    expect(new Set(seen)).toEqual(ids);
    expect(seen).not.toContain(foreign);
  });
});
