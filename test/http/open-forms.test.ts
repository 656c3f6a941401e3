import { afterAll, beforeAll, expect, test } from "bun:test";
import { formWith } from "../dashboard/visitor.ts";
import { type Gateway, startGateway } from "../support/process.ts";
import { api, form, operatorSession, page, type Signed } from "../support/visits.ts";

/** Forms of budgets and limits that stand open while somebody else tightens what they show. */
let gateway: Gateway;
let operator: Pick<Signed, "cookie" | "csrf">;
beforeAll(async () => {
  gateway = await startGateway();
  operator = await operatorSession(gateway);
}, 30_000);
afterAll(() => gateway.dispose());

const scope = { kind: "account", id: "default" };
const formOf = async (path: string, field: string) =>
  formWith(field, (await page(gateway, `/dashboard/${path}`, operator.cookie)).text);
const save = async (path: string, fields: URLSearchParams) =>
  (await form(gateway, `/dashboard/${path}`, Object.fromEntries(fields), operator)).status;
const now = async (path: string) => (await api(gateway, "GET", `/api/${path}`)).body;

test("that of a budget changes what was typed, and raises no limit that was lowered meanwhile", async () => {
  const terms = { scope, usd: 100, window: "day" };
  const path = `budgets/${(await api(gateway, "POST", "/api/budgets", terms)).body.id}`;
  const stale = await formOf(path, "alertPercents");
  await api(gateway, "PATCH", `/api/${path}`, { usd: 10, onShortfall: "refuse" });
  stale.set("alertPercents", "50");
  expect(await save(path, stale)).toBe(303);
  expect(await now(path)).toMatchObject({ limitNano: 10e9, onShortfall: "refuse", alertPercents: [50] });
  const shown = await formOf(path, "alertPercents");
  expect(await save(path, shown)).toBe(303);
  shown.set("usd", "7.5");
  shown.set("alertPercents", "");
  expect(await save(path, shown)).toBe(303);
  expect(await now(path)).toMatchObject({ limitNano: 7.5e9, onShortfall: "refuse", alertPercents: [] });
});

test("that of a limit changes what was typed, and loosens nothing that was tightened meanwhile", async () => {
  const limits = { scope, requestsPerMinute: 100, tokensPerDay: 5_000, enforce: false };
  const path = `limits/${(await api(gateway, "POST", "/api/limits", limits)).body.id}`;
  const stale = await formOf(path, "requestsPerMinute");
  await api(gateway, "PATCH", `/api/${path}`, { requestsPerMinute: 5, enforce: true });
  stale.set("tokensPerDay", "4000");
  expect(await save(path, stale)).toBe(303);
  expect(await now(path)).toMatchObject({ requestsPerMinute: 5, tokensPerDay: 4_000, enforce: true });
  const shown = await formOf(path, "requestsPerMinute");
  expect(await save(path, shown)).toBe(303);
  shown.set("tokensPerDay", "");
  shown.set("enforce", "no");
  expect(await save(path, shown)).toBe(303);
  const changed = await now(path);
  expect(changed).toMatchObject({ requestsPerMinute: 5, enforce: false });
  expect(changed).not.toHaveProperty("tokensPerDay");
});
