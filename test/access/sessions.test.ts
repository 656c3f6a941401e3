import { afterAll, afterEach, beforeAll, describe, expect, test } from "bun:test";
import { call, chat } from "../support/clients.ts";
import { invariants } from "../support/invariants.ts";
import { answers } from "../support/openai-answers.ts";
import { type Setup, setUp } from "../support/setup.ts";
import { type Answer, crawl, form, join, operatorSession, page, send } from "../support/visits.ts";
import { everyRoute, filled, isForm } from "./routes.ts";

/** What keeps a browser's session its own: headers of every answer, the cookie, forged forms, links elsewhere (B5). */
const routes = everyRoute();
let setup: Setup;
let session: Awaited<ReturnType<typeof operatorSession>>;
beforeAll(async () => {
  setup = await setUp({ config: "limits: [{ scope: { kind: ip }, requestsPerMinute: 1000000 }]" });
  setup.upstream.on("ok", answers());
  session = await operatorSession(setup.gateway);
});
afterEach(() => invariants(setup));
afterAll(() => setup.stop());

describe("headers of every answer (063, 071)", () => {
  test("of a page, whatever its status, are those of a page with secrets", async () => {
    const { gateway, key } = setup;
    await call(gateway, key.key, chat("mock/ok"));
    const { pages } = await crawl(gateway, session.cookie);
    const all = [
      ...pages.keys(),
      "/dashboard/login",
      "/dashboard/none",
      "/dashboard/calls/none",
      "/dashboard/calls?status=odd",
    ];
    expect(all.length).toBeGreaterThan(15);
    for (const path of all)
      for (const cookie of [session.cookie, ""]) {
        const answer = await page(gateway, path, cookie);
        const policy = answer.headers.get("content-security-policy") ?? "";
        const missing = pagePolicy.filter((rule) => !policy.split("; ").includes(rule));
        expect([path, missing, /unsafe|\*|https?:/.test(policy)]).toEqual([path, [], false]);
        expect({ path, ...Object.fromEntries(answer.headers) }).toMatchObject({
          path,
          "x-frame-options": "DENY",
          "x-content-type-options": "nosniff",
          "referrer-policy": "same-origin",
          "cache-control": "no-store",
        });
        expect([path, answer.headers.get("vary"), answer.headers.get("etag")]).toEqual([
          path,
          expect.stringContaining("Cookie"),
          null,
        ]);
      }
  });

  test("of everything else are those of data that nobody keeps or runs", async () => {
    const { gateway, key } = setup;
    const bearer = (token: string) => ({ authorization: `Bearer ${token}` });
    for (const { method, path, access } of routes())
      if (method === "GET" && !isForm(path) && path !== "/")
        for (const headers of [{}, access === "key" ? bearer(key.key) : bearer(gateway.adminToken)]) {
          const answer = await send(gateway, method, filled(path), { headers });
          expect([path, answer.status, dataHeaders(answer)]).toEqual([path, answer.status, asData]);
        }
    for (const body of [chat("mock/ok"), chat("mock/ok", { stream: true }), chat("nobody/has"), "{"]) {
      const { status, headers } = await call(gateway, key.key, body);
      expect([body, status, dataHeaders({ headers })]).toEqual([body, status, asData]);
    }
    for (const path of ["/none", "/v1/none", "/api/none", "/v1beta/none"])
      expect([path, dataHeaders(await send(gateway, "GET", path))]).toEqual([path, asData]);
  });
});

describe("the cookie (064, 065)", () => {
  test("is random, the server's to end, and of this host alone", async () => {
    const { gateway } = setup;
    const fixed = { cookie: `__Host-llmp=${"a".repeat(43)}`, origin: gateway.url };
    const body = new URLSearchParams({ token: gateway.adminToken });
    const entered = await send(gateway, "POST", "/dashboard/login", { headers: fixed, body });
    const set = entered.headers.get("set-cookie") ?? "";
    const [, name, value = ""] = /^([^=]+)=([^;]+)/.exec(set) ?? [];
    expect(name).toBe("__Host-llmp");
    for (const flag of ["Secure", "HttpOnly", "Path=/", "SameSite=Lax"]) expect(set.split("; ")).toContain(flag);
    expect(set).not.toContain("Domain");
    // 128 bits of base64url are 22 characters. Not a JWT, and nothing of the token in it.
    expect(value).toMatch(/^[\w-]{22,}$/);
    gateway.secrets.add(value);
    expect(value).not.toBe("a".repeat(43));
    expect((await page(gateway, "/dashboard/keys", fixed.cookie)).status).toBe(303);

    const cookie = `${name}=${value}`;
    const again = await send(gateway, "POST", "/dashboard/login", { headers: { cookie, origin: gateway.url }, body });
    const next = /^[^;]+/.exec(again.headers.get("set-cookie") ?? "")?.[0] ?? "";
    expect((await page(gateway, "/dashboard/keys", cookie)).status).toBe(303);
    expect((await page(gateway, "/dashboard/keys", next)).status).toBe(200);
    const csrf = /name="csrf" value="([^"]+)"/.exec((await page(gateway, "/dashboard/keys", next)).text)?.[1] ?? "";
    const out = await form(gateway, "/dashboard/logout", {}, { cookie: next, csrf });
    expect(out.headers.get("clear-site-data")).toContain("storage");
    expect(out.headers.get("set-cookie")).toContain("Max-Age=0");
    expect((await page(gateway, "/dashboard/keys", next)).status).toBe(303);
  });

  test("is taken by its own name alone, once, and as it is", async () => {
    const { gateway } = setup;
    const value = session.cookie.split("=")[1] ?? "";
    for (const cookie of [
      `llmp=${value}`,
      `__host-llmp=${value}`,
      `__Host-llmp=${value}x`,
      `__Host-llmp="${value}"`,
      `__Host-llmp=${value.toUpperCase()}`,
    ])
      expect([cookie.replace(value, "…"), (await page(gateway, "/dashboard/keys", cookie)).status]).toEqual([
        cookie.replace(value, "…"),
        303,
      ]);
  });
});

describe("a form that somebody else made a browser send (067)", () => {
  const forged: readonly (readonly [what: string, of: (csrf: string) => Forged])[] = [
    ["without the token", () => ({})],
    ["with another session's token", () => ({ csrf: other })],
    ["from another origin", (csrf) => ({ csrf, headers: { origin: "https://evil.example" } })],
    ["from a hidden origin", (csrf) => ({ csrf, headers: { origin: "null" } })],
    ["cross-site", (csrf) => ({ csrf, headers: { "sec-fetch-site": "cross-site" } })],
    ["same-site", (csrf) => ({ csrf, headers: { "sec-fetch-site": "same-site" } })],
    ["with no word of where it is from", (csrf) => ({ csrf, headers: { origin: null } })],
    ["as JSON in plain text", () => ({ headers: { "content-type": "text/plain" }, body: '{"name":"x"}' })],
    ["as multipart", () => ({ headers: { "content-type": "multipart/form-data; boundary=x" }, body: "--x--" })],
    ["by GET", (csrf) => ({ csrf, method: "GET" })],
  ];
  interface Forged {
    readonly csrf?: string;
    readonly method?: string;
    readonly headers?: Readonly<Record<string, string | null>>;
    readonly body?: string;
  }
  let other = "";

  test.each(forged)("%s: every form of every page is refused, and nothing changes", async (_, of) => {
    const { gateway } = setup;
    other ||= (await join(gateway, "owner")).csrf;
    const { csrf, method = "POST", headers = {}, body } = of(session.csrf);
    const before = stateOf();
    const done: string[] = [];
    for (const route of routes().filter(
      (each) => isForm(each.path) && each.access === "session" && each.method !== "GET",
    )) {
      const path = filled(route.path);
      const fields = new URLSearchParams({ ...(csrf !== undefined && { csrf }), name: "forged" });
      const sent = {
        cookie: session.cookie,
        origin: gateway.url,
        "content-type": "application/x-www-form-urlencoded",
        ...headers,
      };
      const isGet = method === "GET";
      const answer = await send(gateway, isGet ? "GET" : route.method, isGet ? `${path}?${fields}` : path, {
        headers: Object.fromEntries(
          Object.entries(sent).flatMap(([name, value]) => (value === null ? [] : [[name, value]])),
        ),
        body: isGet ? undefined : (body ?? fields),
      });
      // By GET there are pages at some of the paths: the last check says that nothing came of them.
      const refused = isGet ? answer.status !== 303 : answer.status === 403;
      if (!refused) done.push(`${route.method} ${path}: ${answer.status}`);
    }
    expect(done).toEqual([]);
    expect(stateOf()).toEqual(before);
    expect((await page(gateway, "/dashboard/keys", session.cookie)).status).toBe(200);
  });
});

describe("links", () => {
  test("that a login leads to stay here (069)", async () => {
    const { gateway } = setup;
    for (const next of [
      "//e",
      "/\\e",
      "/%09/e",
      "https:e",
      "javascript:c()",
      "/..//e",
      "\\\\e",
      "/%5ce",
      `http://user@${new URL(gateway.url).host}/dashboard`,
      "/dashboard/..//e",
      "\t//e",
    ]) {
      const shown = await send(gateway, "GET", `/dashboard/login?next=${encodeURIComponent(next)}`, {
        headers: { cookie: session.cookie },
      });
      const entered = await form(gateway, "/dashboard/login", { token: gateway.adminToken, next });
      for (const { headers } of [shown, entered])
        expect([next, headers.get("location"), headers.get("hx-redirect")]).toEqual([next, "/dashboard", null]);
    }
  });

  test("that are made name the configured address, whatever a request calls this host (070)", async () => {
    const { gateway } = setup;
    const evil = { host: "evil.example", "x-forwarded-host": "evil.example", forwarded: "host=evil.example" };
    const authorization = `Bearer ${gateway.adminToken}`;
    const invited = await send(gateway, "POST", "/api/people", {
      headers: { ...evil, authorization, "content-type": "application/json" },
      body: JSON.stringify({ email: "linked@example.com", name: "Linked", role: "viewer" }),
    });
    expect(invited.status).toBe(201);
    expect(invited.body.link.url).not.toContain("evil");
    expect(new URL(invited.body.link.url).pathname).toBe("/dashboard/login");
    for (const path of ["/", "/dashboard", "/dashboard/login", "/openapi.json", "/api/usage/export", "/v1/models"]) {
      const answer = await send(gateway, "GET", path, { headers: { ...evil, authorization, accept: "text/html" } });
      expect([path, answer.text.includes("evil"), [...answer.headers.values()].join().includes("evil")]).toEqual([
        path,
        false,
        false,
      ]);
    }
  });
});

const pagePolicy = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "object-src 'none'",
  "base-uri 'none'",
  "form-action 'self'",
  "frame-ancestors 'none'",
];
const asData = ["no-store", "nosniff", "default-src 'none'; sandbox", null];
const dataHeaders = ({ headers }: Pick<Answer, "headers">) =>
  ["cache-control", "x-content-type-options", "content-security-policy", "etag"].map((name) => headers.get(name));

const stateOf = () =>
  ["keys", "accounts", "budgets", "limits", "people", "book_entries", "ledger"].map((table) =>
    setup.gateway.sql(`select * from ${table}`),
  );
