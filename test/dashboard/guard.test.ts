import { describe, expect, test } from "bun:test";
import { dashboardRoutes } from "../../core/dashboard/routes.ts";
import { createTakenForms } from "../../core/dashboard/taken-forms.ts";
import { createSessions } from "../../core/identity/sessions.ts";
import { fakePrices } from "../support/fake-book.ts";
import { fakeLimits } from "../support/fake-limits.ts";
import { fakeOutbox } from "../support/fake-outbox.ts";
import { fakeConfig } from "../support/fake-config.ts";
import { fakePeople } from "../support/fake-people.ts";
import { fakeDatabase } from "../support/fake-database.ts";
import { noRequestAudit } from "../support/no-request-audit.ts";
import { keyRow, noAttempts, noCredentials, site } from "./site.ts";
import { signedIn, visitor } from "./visitor.ts";

const routes = dashboardRoutes({
  database: fakeDatabase(),
  prices: fakePrices(() => 0),
  content: { read: unreached, remove: unreached },
  estimates: () => [],
  ...fakePeople(),
  within: () => {
    throw new Error("not reached");
  },
  sessions: createSessions(fakeDatabase().sessions, () => 0),
  money: {
    accounts: { create: unreached, change: unreached },
    budgets: { create: unreached, change: unreached },
    credits: { add: unreached },
  },
  limits: fakeLimits(fakeDatabase()),
  credentials: noCredentials,
  config: fakeConfig(),
  traffic: () => new Map(),
  explain: { recorded: unreached, dryRun: unreached },
  attempts: noAttempts,
  aliasRoute: () => null,
  testCall: () => Promise.reject(new Error("not reached")),
  outbox: fakeOutbox(),
  publicUrl: "http://localhost:8787",
  now: () => 0,
  verifyAdminToken: async () => false,
  isLoginLink: async () => false,
  takeLoginLink: async () => false,
  keys: { create: unreached, change: unreached, rotate: unreached, revoke: async () => null },
  version: "0",
  requestAudit: noRequestAudit,
  takenForms: createTakenForms(() => 0),
});
function unreached(): Promise<never> {
  return Promise.reject(new Error("not reached"));
}
const pathOf = (path: string): string => path.replace(":id", "k1");
const seeded = () => site({ seed: { keys: [keyRow("k1", "first")] } });

describe("without a session", () => {
  for (const { method, path } of routes.filter((route) => route.access === "session")) {
    test(`${method} ${path} leads to the login, for htmx by its own header`, async () => {
      const browser = visitor(seeded());
      const ask = (headers: Record<string, string>) =>
        method === "GET" ? browser.get(pathOf(path), headers) : browser.post(pathOf(path), { csrf: "x" }, headers);
      const page = await ask({});
      expect([page.status, page.headers.get("location")?.split("?")[0]]).toEqual([303, "/dashboard/login"]);
      const part = await ask({ "hx-request": "true" });
      expect([part.status, part.headers.get("hx-redirect"), await part.text()]).toEqual([401, "/dashboard/login", ""]);
    });
  }
});

describe("a request that changes something", () => {
  for (const { path } of routes.filter((route) => route.method !== "GET" && route.access === "session")) {
    const requestAudit: Readonly<
      Record<string, { fields?: Record<string, string>; headers?: Record<string, string> }>
    > = {
      "without the token": { fields: { csrf: "" } },
      "with another token": { fields: { csrf: "0".repeat(64) } },
      "from another origin": { headers: { origin: "https://evil.example" } },
      "from another port of this host": { headers: { origin: "http://localhost:1" } },
      "from a hidden origin": { headers: { origin: "null" } },
      "cross-site": { headers: { "sec-fetch-site": "cross-site" } },
      "same-site": { headers: { "sec-fetch-site": "same-site" } },
      "as another type": { headers: { "content-type": "text/plain" } },
    };
    for (const [what, { fields, headers }] of Object.entries(requestAudit)) {
      test(`${path} ${what} is refused and changes nothing`, async () => {
        const one = seeded();
        const browser = await signedIn(one);
        const before = JSON.stringify([...one.database.rows.sessions, one.database.rows.keys]);
        expect((await browser.post(pathOf(path), { name: "x", ...fields }, headers)).status).toBe(403);
        expect(JSON.stringify([...one.database.rows.sessions, one.database.rows.keys])).toBe(before);
      });
    }

    test(`${path} with neither Origin nor Sec-Fetch-Site is refused`, async () => {
      const one = seeded();
      const browser = await signedIn(one);
      const request = new Request(`http://localhost:8787${pathOf(path)}`, {
        method: "POST",
        body: new URLSearchParams({ csrf: await browser.csrf(), name: "x" }),
        headers: { host: "localhost:8787", cookie: browser.cookie() ?? "" },
      });
      expect((await one.fetch(request)).status).toBe(403);
    });
  }

  test("is not believed with the token of another session", async () => {
    const one = seeded();
    const csrf = await (await signedIn(one)).csrf();
    expect((await (await signedIn(one)).post("/dashboard/keys", { csrf, name: "x" })).status).toBe(403);
  });

  test("is taken with the token in a header, and from the configured address behind a proxy", async () => {
    const one = site({ publicUrl: "https://llm.example.com", seed: { keys: [keyRow("k1", "first")] } });
    const browser = await signedIn(one, "https://llm.example.com");
    const csrf = await browser.csrf();
    const answer = await browser.post(
      "/dashboard/keys/k1/revocation",
      { csrf: "" },
      { host: "127.0.0.1:8787", "x-csrf-token": csrf },
    );
    expect(answer.status).toBe(303);
    expect(one.database.rows.keys[0]?.revokedMs).not.toBeNull();
  });

  test("with a huge form is refused before it is read to the end", async () => {
    const browser = await signedIn(seeded());
    expect((await browser.post("/dashboard/keys", { name: "x".repeat(70_000) })).status).toBe(413);
  });

  test("with a body that is no form is refused, token or not", async () => {
    const browser = await signedIn(seeded());
    const headers = { "x-csrf-token": await browser.csrf(), "content-type": "application/json" };
    expect((await browser.post("/dashboard/keys", { csrf: "" }, headers)).status).toBe(415);
  });
});

describe("headers", () => {
  const paths = [
    "/dashboard/login",
    "/dashboard",
    "/dashboard/calls",
    "/dashboard/calls/none",
    "/dashboard/keys",
    "/dashboard/budgets",
    "/dashboard/prices",
    "/dashboard/prices/unpriced",
    "/dashboard/prices/charges",
    "/dashboard/prices/models",
    "/dashboard/prices/estimates",
    "/dashboard/nowhere",
    "/dashboard/calls?status=bad",
  ];
  test.each(paths)("of %p are those of a page with secrets", async (path) => {
    const { headers } = await (await signedIn(site())).get(path, { "sec-fetch-site": "same-origin" });
    const policy = headers.get("content-security-policy") ?? "";
    for (const rule of [
      "default-src 'none'",
      "script-src 'self'",
      "style-src 'self'",
      "object-src 'none'",
      "base-uri 'none'",
      "form-action 'self'",
      "frame-ancestors 'none'",
    ])
      expect(policy).toContain(rule);
    expect(policy).not.toContain("unsafe");
    expect(Object.fromEntries(headers)).toMatchObject({
      "x-frame-options": "DENY",
      "x-content-type-options": "nosniff",
      "referrer-policy": "same-origin",
      "cross-origin-opener-policy": "same-origin",
      "cache-control": "no-store",
    });
    expect(headers.get("vary")).toContain("Cookie");
    expect(headers.get("etag")).toBeNull();
  });

  test("every page configures htmx to stay inside", async () => {
    const page = await (await visitor(site()).get("/dashboard/login")).text();
    const content = /name="htmx-config" content="([^"]+)"/.exec(page)?.[1]?.replaceAll("&quot;", '"') ?? "{}";
    expect(JSON.parse(content)).toMatchObject({
      selfRequestsOnly: true,
      allowScriptTags: false,
      allowEval: false,
      includeIndicatorCSS: false,
      historyCacheSize: 0,
    });
  });
});
