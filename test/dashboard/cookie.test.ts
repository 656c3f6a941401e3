import { describe, expect, test } from "bun:test";
import { cookiePolicy, readCookie } from "../../core/dashboard/cookie.ts";
import { adminToken, site } from "./site.ts";
import { signedIn, visitor } from "./visitor.ts";

test.each([
  ["https://llm.example.com", "llm.example.com", true],
  ["https://llm.example.com", "10.0.0.5:8787", true],
  ["http://localhost:8787", "localhost:8787", true],
  ["http://localhost:8787", "127.0.0.1:8787", true],
  ["http://127.0.0.1:8787", "[::1]:8787", true],
  ["http://localhost:8787", "llm.localhost:8787", true],
  ["http://localhost:8787", "192.168.1.7:8787", false],
  ["http://localhost:8787", "localhost.evil.example", false],
  ["http://localhost:8787", "127.0.0.1.evil.example", false],
  ["http://localhost:8787", null, false],
  ["http://localhost:8787", "a b", false],
  ["http://llm.lan:8787", "llm.lan:8787", false],
  ["http://llm.lan:8787", "localhost:8787", false],
])("public address %p asked as %p: secure %p", (publicUrl, host, secure) => {
  expect(cookiePolicy(publicUrl, host)).toEqual({ name: secure ? "__Host-llmp" : "llmp", secure });
});

test("only the cookie of the policy in force is read", () => {
  const policy = cookiePolicy("https://a", "a");
  expect(readCookie("x=1; llmp=plain; __Host-llmp=safe; y", policy)).toBe("safe");
  expect(readCookie("llmp=plain; x__Host-llmp=no", policy)).toBeNull();
  expect(readCookie(null, policy)).toBeNull();
});

describe("the cookie that is set", () => {
  test("over https or on this machine", async () => {
    const answer = await visitor(site()).post("/dashboard/login", { token: adminToken });
    expect(answer.headers.get("set-cookie")).toMatch(
      /^__Host-llmp=[\w-]{43}; Path=\/; HttpOnly; SameSite=Lax; Max-Age=43200; Secure$/,
    );
  });

  test("over plain http elsewhere, with a warning on every page", async () => {
    const one = site();
    const answer = await visitor(one, { origin: "http://192.168.1.7:8787" }).post("/dashboard/login", {
      token: adminToken,
    });
    expect(answer.headers.get("set-cookie")).toMatch(
      /^llmp=[\w-]{43}; Path=\/; HttpOnly; SameSite=Lax; Max-Age=43200$/,
    );
    const browser = await signedIn(one, "http://192.168.1.7:8787");
    for (const path of ["/dashboard", "/dashboard/calls", "/dashboard/keys", "/dashboard/budgets"]) {
      expect(await (await browser.get(path)).text()).toContain("plain http");
    }
    expect(await (await visitor(one, { origin: "http://192.168.1.7:8787" }).get("/dashboard/login")).text()).toContain(
      "plain http",
    );
    expect(await (await (await signedIn(one)).get("/dashboard")).text()).not.toContain("plain http");
  });

  test("a browser that came to an https installation by another way is told where signing in works", async () => {
    const one = site({ publicUrl: "https://llm.example.com" });
    const hint = "Signing in works only at https://llm.example.com/dashboard";
    expect(await (await visitor(one, { origin: "http://10.0.0.5:8787" }).get("/dashboard/login")).text()).toContain(
      hint,
    );
    expect(
      await (
        await visitor(one, { origin: "http://llm.example.com" }).get("/dashboard/login", { "sec-fetch-site": "none" })
      ).text(),
    ).not.toContain(hint);
  });
});
