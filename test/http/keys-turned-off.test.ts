import { afterAll, beforeAll, expect, test } from "bun:test";
import { configFileOf } from "../support/config-file.ts";
import { call, chat } from "../support/clients.ts";
import { type Gateway, startGateway } from "../support/process.ts";
import { form, page } from "../support/visits.ts";

/** Keys where the file has no plugin any more that takes them. */
let gateway: Gateway;
beforeAll(async () => {
  gateway = await startGateway({ config: "provider: { echo: {} }\n" });
}, 30_000);
afterAll(() => gateway.dispose());

test("keys that may not call any more open no session, and end those they had, until they may again", async () => {
  const file = configFileOf(gateway);
  const { key } = await gateway.createKey();
  const home = "/dashboard/me/key";
  const enter = () => form(gateway, "/dashboard/login", { key });
  const cookie = /^[^;]+/.exec((await enter()).headers.get("set-cookie") ?? "")?.[0] ?? "";
  const shown = await page(gateway, home, cookie);
  expect(shown.status).toBe(200);
  const csrf = /name="csrf" value="(\w+)"/.exec(shown.text)?.[1] ?? "";
  const secrets = () => gateway.sql("select * from keys");
  const before = secrets();

  const issuer = 'staff: { use: jwt, issuer: "https://login.example.com", audience: llm-proxy }';
  await file.reloadWith(`${file.first}auth: { ${issuer} }\n`);
  expect((await call(gateway, key, chat("echo"))).status).toBe(401);
  expect((await enter()).status).toBe(401);
  expect((await page(gateway, home, cookie)).headers.get("location")).toStartWith("/dashboard/login");
  const rotated = await form(gateway, `${home}/rotation`, { graceSeconds: "0" }, { cookie, csrf });
  expect(rotated.headers.get("location")).toStartWith("/dashboard/login");
  expect(secrets()).toEqual(before);
  expect((await page(gateway, "/dashboard/login", "")).text).not.toContain("Use an API key");

  await file.reloadWith(`${file.first}auth: { ${issuer}, api-key: {} }\n`);
  expect((await call(gateway, key, chat("echo"))).status).toBe(200);
  expect((await enter()).status).toBe(303);
  expect((await page(gateway, "/dashboard/login", "")).text).toContain("Use an API key");
});
