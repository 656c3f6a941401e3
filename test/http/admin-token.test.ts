import { afterAll, beforeAll, expect, test } from "bun:test";
import { type Gateway, startGateway } from "../support/process.ts";
import { api, form, join, operatorSession, page } from "../support/visits.ts";

/** Another `LLM_PROXY_ADMIN_TOKEN` at the next start, as after it got known to somebody. */
const env: Record<string, string | undefined> = {};
let gateway: Gateway;
beforeAll(async () => {
  gateway = await startGateway({ env });
}, 30_000);
afterAll(() => gateway.dispose());

const isIn = async (cookie: string) => (await page(gateway, "/dashboard/keys", cookie)).status === 200;

test("the sessions and the login link of the one before end with it, and nobody else's; a restart ends none", async () => {
  const link = /dashboard\/login\?token=([\w-]+)/.exec(gateway.log())?.[1] ?? "";
  // A link that is good is told what is wrong beside it, and stays whole.
  const isGood = async () =>
    (await form(gateway, "/dashboard/login", { token: link, email: "no address", password: "x" })).status === 422;
  const person = await join(gateway, "viewer");
  const first = await operatorSession(gateway);
  await gateway.restart();
  expect([await isIn(first.cookie), await isIn(person.cookie), await isGood()]).toEqual([true, true, true]);

  env.LLM_PROXY_ADMIN_TOKEN = `second-canary-${crypto.randomUUID()}`;
  gateway.secrets.add(env.LLM_PROXY_ADMIN_TOKEN);
  await gateway.restart();
  expect((await api(gateway, "GET", "/api/keys")).status).toBe(401);
  expect((await api(gateway, "GET", "/api/keys", undefined, env.LLM_PROXY_ADMIN_TOKEN)).status).toBe(200);
  expect([await isIn(first.cookie), await isIn(person.cookie), await isGood()]).toEqual([false, true, false]);
}, 60_000);
