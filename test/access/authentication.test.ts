import { afterAll, afterEach, beforeAll, describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { invariants } from "../support/invariants.ts";
import { startGateway } from "../support/process.ts";
import { sendRaw } from "../support/raw.ts";
import { type Setup, setUp } from "../support/setup.ts";
import { api, form, send } from "../support/visits.ts";
import { bodyOf, everyRoute, filled } from "./routes.ts";

/** Who is nobody: every route of the list, and every way around its path (B1). */
const routes = everyRoute();
let setup: Setup;
beforeAll(async () => {
  // How often a stranger may try is a matter of its own.
  setup = await setUp({ config: "limits: [{ scope: { kind: ip }, requestsPerMinute: 1000000 }]" });
});
afterEach(() => invariants(setup));
afterAll(() => setup.stop());

const guarded = () => routes().filter(({ access }) => access !== "public");
const toLogin = (status: number, location: string | null) =>
  status === 303 && (location ?? "").startsWith("/dashboard/login");

describe("every route of the list (001)", () => {
  test("is closed to who shows nothing, but for the public ones", async () => {
    const open: string[] = [];
    for (const { method, path, access } of guarded()) {
      const { headers, body } = bodyOf(method, path);
      const answer = await send(setup.gateway, method, filled(path, method), {
        headers: { ...headers, origin: setup.gateway.url },
        body,
      });
      const led = access.endsWith("session") && toLogin(answer.status, answer.headers.get("location"));
      if (answer.status !== 401 && !led) open.push(`${method} ${path}: ${answer.status}`);
    }
    expect(open).toEqual([]);
    expect(guarded().length).toBeGreaterThan(100);
  });

  test("that is described at /openapi.json is in the list, and closed too", async () => {
    const { body } = await api(setup.gateway, "GET", "/openapi.json");
    const open: string[] = [];
    for (const [path, operations] of Object.entries<object>(body.paths))
      for (const method of Object.keys(operations).map((name) => name.toUpperCase())) {
        const known = routes().some((route) => route.method === method && pathOf(route.path) === path);
        const { headers, body: sent } = bodyOf(method, path);
        const { status } = await send(setup.gateway, method, path.replace(/\{\w+\}/g, "x"), { headers, body: sent });
        if (!known || status !== 401) open.push(`${method} ${path}: ${known} ${status}`);
      }
    expect(open).toEqual([]);
  });

  test("by other forms of its path is never more open than by its own (010)", async () => {
    const weaker: string[] = [];
    for (const { method, path } of guarded().filter((route) => route.method === "GET")) {
      const real = filled(path);
      const [, first = "", rest = ""] = /^\/([^/]+)(.*)$/.exec(real) ?? [];
      const forms = [
        `/${real}`,
        `${real}/`,
        `/.${real}`,
        `/x/..${real}`,
        `/healthz/..${real}`,
        `/%2e%2e${real}`,
        `/healthz/%2e%2e${real}`,
        `/${first}%2f${rest.slice(1)}`,
        `/${first}\\${rest.slice(1)}`,
        `${real};x`,
        `${real}%00`,
        real.toUpperCase(),
        `/${first}${real}`,
        `/dashboard/assets/..${real}`,
        `/dashboard/login/..${real}`,
        `/dashboard/login;${real}`,
        `${real}?/healthz`,
        `${real}#/healthz`,
        `/healthz%3f${real}`,
      ];
      for (const each of forms) {
        const answer = await sendRaw(setup.gateway.url, { method, path: each });
        const status = answer?.status ?? 400;
        if (![400, 401, 404, 405].includes(status) && !toLogin(status, answer?.headers["location"] ?? null))
          weaker.push(`${method} ${each}: ${status}`);
      }
    }
    expect(weaker).toEqual([]);
  }, 60_000);

  test("takes no credential from the address, and writes none of it down (009)", async () => {
    const key = await setup.gateway.createKey();
    const open: string[] = [];
    for (const { method, path, access } of guarded())
      for (const name of ["api_key", "key", "access_token", "token"]) {
        const isGemini = path.startsWith("/v1beta") || path === "/v1/models/*";
        if (name === "key" && isGemini) continue;
        const credential = access === "key" ? key.key : setup.gateway.adminToken;
        const { headers, body } = bodyOf(method, path);
        const { status, headers: answered } = await send(
          setup.gateway,
          method,
          `${filled(path, method)}?${name}=${credential}`,
          { headers: { ...headers, origin: setup.gateway.url }, body },
        );
        const led = access.endsWith("session") && toLogin(status, answered.get("location"));
        if (status !== 401 && !led) open.push(`${method} ${path}?${name}: ${status}`);
      }
    expect(open).toEqual([]);
    // Where it may stand in the address it goes no further than this process: `invariants` reads the log and the files.
    const gemini = `/v1beta/models/echo:generateContent?key=${key.key}`;
    const body = JSON.stringify({ contents: [{ role: "user", parts: [{ text: "x" }] }] });
    const json = { "content-type": "application/json" };
    expect((await send(setup.gateway, "POST", gemini, { headers: json, body })).status).toBe(200);
  }, 60_000);
});

describe("a fresh start (002, 003)", () => {
  test("has no account to sign in to, one random token, and listens on this machine alone", async () => {
    const fresh = await startGateway({ env: { LLM_PROXY_ADMIN_TOKEN: undefined, HOST: undefined } });
    try {
      const printed = /admin token[^\n]*?([\w-]{30,})/i.exec(fresh.log())?.[1] ?? "";
      expect(printed.length).toBeGreaterThanOrEqual(32);
      const tries: readonly Readonly<Record<string, string>>[] = [
        {},
        { authorization: "Bearer " },
        { authorization: "Bearer null" },
        { authorization: "Bearer undefined" },
        { authorization: "Basic YWRtaW46YWRtaW4=" },
        { authorization: "Bearer admin" },
        { "x-api-key": "admin" },
      ];
      for (const headers of tries)
        for (const path of ["/api/keys", "/v1/models", "/metrics", "/openapi.json"])
          expect([path, headers, (await send(fresh, "GET", path, { headers })).status]).toEqual([path, headers, 401]);
      for (const fields of [
        { email: "admin", password: "admin" },
        { email: "admin@example.com", password: "" },
        { email: "", password: "" },
        { token: "" },
        { token: "admin" },
      ])
        expect((await form(fresh, "/dashboard/login", fields)).headers.get("set-cookie")).toBeNull();
      expect(fresh.sql("select count(*) as n from people")).toEqual([{ n: 0 }]);
      expect(listenersAt(Number(new URL(fresh.url).port))).toEqual(["0100007F"]);
    } finally {
      await fresh.dispose();
    }
  }, 30_000);
});

const pathOf = (path: string): string => path.replace(/:(\w+)/g, "{$1}");
/** Addresses that something listens on at the port, in the hex of /proc/net: `0100007F` is 127.0.0.1. */
const listenersAt = (port: number): readonly string[] =>
  ["tcp", "tcp6"].flatMap((family) =>
    readFileSync(`/proc/net/${family}`, "utf8")
      .split("\n")
      .slice(1)
      .flatMap((line) => {
        const [, local = "", , state] = line.trim().split(/\s+/);
        const [address = "", hexPort = ""] = local.split(":");
        return state === "0A" && Number.parseInt(hexPort, 16) === port ? [address] : [];
      }),
  );
