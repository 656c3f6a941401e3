import { describe, expect, test } from "bun:test";
import { idleMs, sessionMs } from "../../core/identity/sessions.ts";
import { adminToken, site } from "./site.ts";
import { signedIn, visitor } from "./visitor.ts";

describe("signing in", () => {
  test("with the admin token opens a session that only its hash is kept of", async () => {
    const one = site();
    const browser = visitor(one);
    const answer = await browser.post("/dashboard/login", { token: adminToken });
    expect([answer.status, answer.headers.get("location")]).toEqual([303, "/dashboard"]);
    const value = browser.cookie()?.split("=")[1] ?? "";
    expect(value).toMatch(/^[\w-]{43}$/);
    expect([...one.database.rows.sessions.keys()].join()).not.toContain(value);
    expect((await browser.get("/dashboard")).status).toBe(200);
  });

  test("by a link needs its button: a GET signs nobody in and does not use the link up", async () => {
    const one = site();
    const scanner = visitor(one);
    const page = await scanner.get("/dashboard/login?token=link-1");
    expect(page.headers.get("set-cookie")).toBeNull();
    expect(await page.text()).toContain('name="token" value="link-1"');
    expect((await scanner.get("/dashboard")).status).toBe(303);

    const browser = visitor(one);
    expect((await browser.post("/dashboard/login", { token: "link-1" })).status).toBe(303);
    expect((await browser.get("/dashboard")).status).toBe(200);
    expect((await visitor(one).post("/dashboard/login", { token: "link-1" })).status).toBe(401);
  });

  test("wrong tokens are refused alike, then slowed down; a minute later the right one works", async () => {
    const one = site();
    const browser = visitor(one);
    const statuses: number[] = [];
    for (let round = 0; round < 20; round++)
      statuses.push((await browser.post("/dashboard/login", { token: `wrong ${round}` })).status);
    expect(statuses).toEqual([...Array<number>(10).fill(401), ...Array<number>(10).fill(429)]);
    const refused = await browser.post("/dashboard/login", { token: adminToken });
    expect([refused.status, refused.headers.get("retry-after")]).toEqual([429, "60"]);
    one.clock.nowMs += 60_000;
    expect((await browser.post("/dashboard/login", { token: adminToken })).status).toBe(303);
  });

  test("many wrong tokens at once get no more tries, and another address is not slowed down", async () => {
    const one = site({ clientAddress: (request) => request.headers.get("x-test-address") });
    const tries = Array.from({ length: 40 }, () =>
      visitor(one).post("/dashboard/login", { token: "wrong" }, { "x-test-address": "a" }),
    );
    expect((await Promise.all(tries)).filter((answer) => answer.status === 401)).toHaveLength(10);
    expect((await visitor(one).post("/dashboard/login", { token: adminToken }, { "x-test-address": "b" })).status).toBe(
      303,
    );
  });

  test("successes do not count as failures", async () => {
    const one = site();
    for (let round = 0; round < 15; round++)
      expect((await visitor(one).post("/dashboard/login", { token: adminToken })).status).toBe(303);
  });

  test("a page elsewhere cannot sign a browser in", async () => {
    const one = site();
    for (const headers of [
      { origin: "https://evil.example" },
      { origin: "null" },
      { "sec-fetch-site": "cross-site" },
    ]) {
      const answer = await visitor(one).post("/dashboard/login", { token: adminToken }, headers);
      expect([answer.status, answer.headers.get("set-cookie")]).toEqual([403, null]);
    }
  });
});

describe("a session", () => {
  test("gets a new value at each login, and the one before is dead", async () => {
    const one = site();
    const preset = `__Host-llmp=${"A".repeat(43)}`;
    const browser = visitor(one, { cookie: preset });
    await browser.post("/dashboard/login", { token: adminToken });
    const first = browser.cookie();
    expect(first).not.toBe(preset);
    await browser.post("/dashboard/login", { token: adminToken });
    expect(browser.cookie()).not.toBe(first);
    for (const cookie of [preset, first]) expect((await visitor(one, { cookie }).get("/dashboard")).status).toBe(303);
  });

  test("ends on the server at logout", async () => {
    const one = site();
    const browser = await signedIn(one);
    const cookie = browser.cookie();
    const answer = await browser.post("/dashboard/logout");
    expect(answer.headers.get("clear-site-data")).toContain('"cache"');
    expect(answer.headers.get("set-cookie")).toContain("Max-Age=0");
    expect(one.database.rows.sessions.size).toBe(0);
    expect((await visitor(one, { cookie }).get("/dashboard")).status).toBe(303);
  });

  test("ends after twelve hours, whatever is asked meanwhile", async () => {
    const one = site();
    const browser = await signedIn(one);
    for (let at = 0; at < sessionMs; at += 3_600_000) {
      expect((await browser.get("/dashboard")).status).toBe(200);
      one.clock.nowMs += 3_600_000;
    }
    expect((await browser.get("/dashboard")).status).toBe(303);
  });

  test("ends when nobody was there for two hours; refreshes of an open page do not count", async () => {
    const one = site();
    const browser = await signedIn(one);
    await browser.get("/dashboard");
    one.clock.nowMs += idleMs;
    expect(
      (await browser.get("/dashboard/calls", { "hx-request": "true", "hx-request-type": "partial", "x-poll": "1" }))
        .status,
    ).toBe(200);
    one.clock.nowMs += 1;
    const ended = await browser.get("/dashboard/calls", {
      "hx-request": "true",
      "hx-request-type": "partial",
      "x-poll": "1",
    });
    expect([ended.status, ended.headers.get("hx-redirect")]).toEqual([401, "/dashboard/login"]);
    expect(one.database.rows.sessions.size).toBe(0);
  });
});

test("who looks at a session from outside the pages counts as a visit, and does not end one that is in use", async () => {
  const one = site();
  const browser = await signedIn(one);
  const value = browser.cookie()?.split("=")[1] ?? "";
  for (let round = 0; round < 4; round++) {
    expect(await one.sessions.find(value, true)).not.toBeNull();
    one.clock.nowMs += idleMs - 1;
    expect((await browser.get("/dashboard")).status).toBe(200);
    one.clock.nowMs += 2;
  }
});

describe("where a login leads", () => {
  const stays = "/dashboard";
  test.each([
    ["//e", stays],
    ["/\\e", stays],
    ["/%09/e", stays],
    ["https:e", stays],
    ["https://e/dashboard", stays],
    ["javascript:c()", stays],
    ["/..//e", stays],
    ["/dashboard/..//e", stays],
    ["/dashboard/../..//e", stays],
    ["/dashboard/%2e%2e//e", stays],
    ["\\\\e", stays],
    ["/%5ce", stays],
    ["http://user@localhost:8787/dashboard", stays],
    ["/dashboard@e", stays],
    ["/dashboardevil", stays],
    ["\t//e", stays],
    ["/dashboard\n//e", stays],
    ["/dashboard/login", stays],
    ["", stays],
    ["/dashboard/calls?model=a%26b", "/dashboard/calls?model=a%26b"],
    ["/dashboard/calls/x#y", "/dashboard/calls/x"],
    ["/dashboard?x=//e", "/dashboard?x=//e"],
  ])("next=%p goes to %p", async (next, location) => {
    const one = site();
    const browser = visitor(one);
    const page = await (await browser.get(`/dashboard/login?next=${encodeURIComponent(next)}`)).text();
    expect(page).toContain(`name="next" value="${location.replaceAll("&", "&amp;")}"`);
    expect((await browser.post("/dashboard/login", { token: adminToken, next })).headers.get("location")).toBe(
      location,
    );
    expect((await browser.get(`/dashboard/login?next=${encodeURIComponent(next)}`)).headers.get("location")).toBe(
      location,
    );
  });

  test("a page asked for without a session comes back after it", async () => {
    const answer = await visitor(site()).get("/dashboard/calls?model=a&status=ok");
    expect(answer.headers.get("location")).toBe("/dashboard/login?next=%2Fdashboard%2Fcalls%3Fmodel%3Da%26status%3Dok");
  });
});
