import { afterAll, expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { type Gateway, startGateway } from "../support/process.ts";
import { allUsage } from "../support/rows.ts";

/** Started with nothing configured: it serves, says once how to use it, and says no secret twice. */
let gateway: Gateway;
afterAll(() => gateway.dispose());

test("the first start prints a link, a key, the admin token and a curl that works as it is printed", async () => {
  gateway = await startGateway({ env: { LLM_PROXY_ADMIN_TOKEN: undefined } });
  const log = gateway.log();
  const key = /sk-llmp-[0-9A-Za-z]{12}-[0-9A-Za-z]{49}/.exec(log)?.[0];
  expect(key).toBeDefined();
  expect(log).toMatch(/http:\/\/\S+\/dashboard\/\S+/);
  expect(log).toMatch(/admin/i);
  const curl = /^\s*(curl (?:.*\\\n)*.*)$/m.exec(log)?.[1];
  expect(curl).toContain(key ?? "no key");
  const run = spawnSync("sh", ["-c", curl ?? "false"], { encoding: "utf8", timeout: 10_000 });
  expect({ status: run.status, stderr: run.status === 0 ? "" : run.stderr }).toEqual({ status: 0, stderr: "" });
  expect(run.stdout).toMatch(/"choices"|\[DONE\]/);
  expect(allUsage(gateway)).toMatchObject([{ provider: "echo", status: "ok", cost_nano: 0 }]);
}, 30_000);

test("nothing that anybody could guess opens it (002)", async () => {
  const guesses = [
    "Bearer ",
    "Bearer null",
    "Bearer undefined",
    "Basic YWRtaW46YWRtaW4=",
    "Bearer admin",
    "Bearer sk-",
  ];
  for (const path of ["/api/keys", "/v1/models", "/metrics", "/openapi.json"])
    for (const authorization of [undefined, ...guesses])
      expect([path, authorization, (await gateway.get(path, authorization ? { authorization } : {}))?.status]).toEqual([
        path,
        authorization,
        401,
      ]);
  for (const fields of [{ email: "admin", password: "admin" }, { token: "admin" }, { token: "" }]) {
    const login = await fetch(`${gateway.url}/dashboard/login`, {
      method: "POST",
      redirect: "manual",
      headers: { origin: gateway.url },
      body: new URLSearchParams({ ...fields }),
    });
    expect([login.status, login.headers.has("set-cookie")]).toEqual([401, false]);
  }
  expect(gateway.sql("SELECT 1 FROM people")).toEqual([]);
});

test("the second start keeps all and prints no secret", async () => {
  const first = gateway.log();
  const key = /sk-llmp-[0-9A-Za-z]{12}-[0-9A-Za-z]{49}/.exec(first)?.[0] ?? "";
  expect(await gateway.stop()).toBe(0);
  await gateway.start();
  const second = gateway.log().slice(first.length);
  expect(second).not.toMatch(/sk-llmp-[0-9A-Za-z]{12}-/);
  expect(second).not.toMatch(/token=|login|admin token/i);
  const response = await fetch(`${gateway.url}/v1/chat/completions`, {
    method: "POST",
    headers: { authorization: `Bearer ${key}`, "content-type": "application/json" },
    body: JSON.stringify({ model: "echo", messages: [{ role: "user", content: "again" }] }),
  });
  expect(response.status).toBe(200);
  expect(allUsage(gateway).length).toBe(2);
}, 30_000);
