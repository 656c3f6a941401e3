import { afterAll, expect, test } from "bun:test";
import { call, chat } from "../support/clients.ts";
import { answers } from "../support/openai-answers.ts";
import { until } from "../support/poll.ts";
import { hang, json } from "../support/scripts.ts";
import { setUp } from "../support/setup.ts";

/** How providers do, as their pages and the API show it, of a process that has calls. */
const setup = await setUp();
const { gateway, upstream } = setup;
afterAll(() => setup.stop());
upstream.on("ok", answers());
upstream.on("dead", json(503, { error: { message: "no", type: "server_error" } }));
upstream.on("hang", hang);

const own = { origin: gateway.url, "sec-fetch-site": "same-origin" };
const login = await fetch(`${gateway.url}/dashboard/login`, {
  method: "POST",
  headers: own,
  body: new URLSearchParams({ token: gateway.adminToken }),
  redirect: "manual",
});
const cookie = login.headers.get("set-cookie")?.split(";")[0] ?? "";
const page = async (path: string, headers: Readonly<Record<string, string>> = {}) => {
  const answer = await fetch(`${gateway.url}${path}`, { headers: { cookie, ...headers }, redirect: "manual" });
  return { status: answer.status, text: await answer.text() };
};
const part = { "hx-request": "true", "hx-request-type": "partial", "x-poll": "1" };

interface Health {
  readonly data: readonly {
    readonly name: string;
    readonly open: number;
    readonly waiting: number;
    readonly breakers: readonly { readonly model: string; readonly state: string }[];
  }[];
}
const health = async (name: string) =>
  (await gateway.admin<Health>("GET", "/api/providers/health")).data.find((one) => one.name === name);

test("what is in flight, and what is left alone, stands on the pages and in the parts that refresh them", async () => {
  await call(gateway, setup.key.key, chat("mock/ok"));
  expect((await page("/dashboard/providers")).text).toContain("well");
  for (let times = 0; times < 5; times++) await call(gateway, setup.key.key, chat("mock/dead"));
  const leaving = new AbortController();
  const hanging = fetch(`${gateway.url}/v1/chat/completions`, {
    method: "POST",
    headers: { authorization: `Bearer ${setup.key.key}`, "content-type": "application/json" },
    body: JSON.stringify(chat("mock/hang")),
    signal: leaving.signal,
  }).catch(() => null);
  await until("the call waits", async () => ((await health("mock"))?.waiting === 1 ? true : null));
  expect(await health("mock")).toMatchObject({ open: 1, waiting: 1, breakers: [{ model: "dead", state: "open" }] });
  expect(await health("echo")).toMatchObject({ open: 0, waiting: 0, breakers: [] });

  const list = await page("/dashboard/providers", part);
  expect([list.status, list.text.includes("<!doctype"), list.text.includes("1 model left alone")]).toEqual([
    200,
    false,
    true,
  ]);
  const whole = (await page("/dashboard/providers/mock")).text;
  const now = (await page("/dashboard/providers/mock", part)).text;
  for (const text of [whole, now]) expect(text).toMatch(/dead[\s\S]+left alone[\s\S]+overloaded/);
  expect([whole.includes("<!doctype"), now.includes("<!doctype"), now.includes("Store a key")]).toEqual([
    true,
    false,
    false,
  ]);
  expect((await page("/dashboard/providers/nobody", part)).status).toBe(404);
  leaving.abort();
  await hanging;
});
