import { beforeAll, describe, expect, test } from "bun:test";
import { type Api, apis } from "./server.ts";

const newApi = apis();
let api: Api;
beforeAll(async () => {
  api = await newApi();
});
const global = { kind: "global" };
const created = async (body: object) =>
  (await api.admin("POST", "/api/budgets", { scope: global, usd: 1, ...body })).body;

describe("/api/budgets", () => {
  test("a budget says all that it was made with, and what it holds", async () => {
    const until = api.clock.now() + 60_000;
    const body = await created({
      window: "week",
      timeZone: "Europe/Berlin",
      onShortfall: "refuse",
      admission: "expected",
      increase: { usd: "0.5", until },
    });
    expect(body).toMatchObject({
      window: "week",
      timeZone: "Europe/Berlin",
      onShortfall: "refuse",
      admission: "expected",
      increase: { nano: 500_000_000, until },
      limitNano: 1_500_000_000,
      spentNano: 0,
      heldNano: 0,
    });
    expect(new Date(body.resetsAt).toISOString()).toMatch(/T2[23]:00:00\.000Z$/);
    api.clock.advance(60_000);
    expect((await api.admin("GET", `/api/budgets/${body.id}`)).body).toMatchObject({
      increase: null,
      limitNano: 1_000_000_000,
    });
  });

  test("what is left out is the calendar in UTC, a lowered cap and the most a call may cost", async () => {
    expect(await created({ window: "5h" })).toMatchObject({
      window: "5h",
      timeZone: null,
      onShortfall: "cap",
      admission: "bound",
      increase: null,
      resetsAt: null,
    });
  });

  test("a change keeps what it does not name", async () => {
    const { id } = await created({ window: "day", onShortfall: "refuse" });
    const until = api.clock.now() + 1_000;
    const raised = await api.admin("PATCH", `/api/budgets/${id}`, { increase: { usd: 2, until } });
    expect(raised.body).toMatchObject({ limitNano: 3_000_000_000, onShortfall: "refuse", window: "day" });
    const lowered = await api.admin("PATCH", `/api/budgets/${id}`, { usd: "0.25" });
    expect(lowered.body).toMatchObject({ limitNano: 2_250_000_000, increase: { until } });
    const ended = await api.admin("PATCH", `/api/budgets/${id}`, { increase: null, admission: "expected" });
    expect(ended.body).toMatchObject({ limitNano: 250_000_000, increase: null, admission: "expected" });
  });

  test("a reset begins the window at its own moment", async () => {
    const { id } = await created({ window: "month" });
    api.clock.advance(5);
    const { status, body } = await api.admin("POST", `/api/budgets/${id}/reset`);
    expect([status, body.windowStartsAt]).toEqual([200, api.clock.now()]);
  });

  test.each([
    ["POST", "", { window: "year" }, 400, "window"],
    ["POST", "", { window: "0h" }, 400, "window"],
    ["POST", "", { window: "1000h" }, 400, "window"],
    ["POST", "", { window: "5h " }, 400, "window"],
    ["POST", "", { window: "5h", timeZone: "Europe/Berlin" }, 400, "timeZone"],
    ["POST", "", { window: "lifetime", timeZone: "UTC" }, 400, "timeZone"],
    ["POST", "", { window: "day", timeZone: "Europe/Nowhere" }, 400, "timeZone"],
    ["POST", "", { window: "day", timeZone: "+02:00" }, 400, "timeZone"],
    ["POST", "", { window: "day", onShortfall: "ignore" }, 400, "onShortfall"],
    ["POST", "", { window: "day", admission: "never" }, 400, "admission"],
    ["POST", "", { window: "day", increase: { usd: 1, until: 5 } }, 400, "increase.until"],
    ["POST", "", { window: "day", increase: { usd: 0, until: 8e15 } }, 400, "increase.usd"],
    ["POST", "", { window: "day", scope: { kind: "account", id: "nobody" } }, 404, "scope.id"],
    ["PATCH", "/nobody", { usd: 1 }, 404, null],
    ["PATCH", "/nobody", { window: "day" }, 400, "window"],
    ["PATCH", "/nobody", {}, 400, null],
    ["POST", "/nobody/reset", undefined, 404, null],
  ])("%s %s with %p is %d", async (method, path, body, status, param) => {
    const whole = body && method === "POST" ? { scope: global, usd: 1, ...body } : body;
    const answered = await api.admin(method, `/api/budgets${path}`, whole);
    expect([answered.status, answered.body.error.param]).toEqual([status, param]);
  });
});
