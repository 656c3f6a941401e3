import { beforeAll, describe, expect, test } from "bun:test";
import { aFinal, anAdmission } from "../contract/storage-samples.ts";
import { type Api, apis } from "./server.ts";

const newApi = apis();
let api: Api;
beforeAll(async () => {
  api = await newApi();
  await api.database.outbox.subscribe([{ name: "ops", events: ["call.over_hold", "usage.call"] }]);
});
/** An odd call of a target of its own, so that it is told. */
async function odd(upstreamModel: string): Promise<void> {
  const admission = anAdmission({ startedMs: api.clock.now() });
  await api.database.ledger.admit(admission);
  await api.database.ledger.finish(aFinal(admission.callId, { upstreamModel, notes: { overHold: true } }));
}

describe("/api/alerts and /api/outbox", () => {
  test("alerts page by page, newest first, with where they went", async () => {
    for (const model of ["a", "b", "c"]) await odd(model);
    const [due] = await api.database.outbox.due("ops", api.clock.now(), 1);
    if (!due) throw new Error("nothing is due");
    await api.database.outbox.delivered(due, "ops", api.clock.now());
    const first = (await api.admin("GET", "/api/alerts?limit=2")).body;
    expect(first.data.map(({ data }: { data: { upstreamModel: string } }) => data.upstreamModel)).toEqual(["c", "b"]);
    const { data, next } = (await api.admin("GET", `/api/alerts?limit=2&after=${first.next}`)).body;
    expect(next).toBeNull();
    expect(data).toMatchObject([
      {
        type: "call.over_hold",
        createdAt: api.clock.now(),
        deliveries: [{ receiver: "ops", state: "delivered", endedAt: api.clock.now(), nextAt: null }],
      },
    ]);
  });

  test("a receiver's state, what was given up, and trying it again", async () => {
    const [due] = await api.database.outbox.due("ops", api.clock.now(), 1);
    if (!due) throw new Error("nothing is due");
    await api.database.outbox.failed(due, "ops", { atMs: api.clock.now(), error: "HTTP 400", nextMs: null });
    const state = (await api.admin("GET", "/api/outbox")).body.data[0];
    expect(state).toMatchObject({
      name: "ops",
      events: ["call.over_hold", "usage.call"],
      waiting: 1,
      behind: 3,
      dead: 1,
      lastError: "HTTP 400",
      lastErrorAt: api.clock.now(),
    });
    const dead = (await api.admin("GET", "/api/outbox/ops/dead")).body.data;
    expect(dead).toMatchObject([{ id: due.event.id, type: "call.over_hold", attempts: 1, lastError: "HTTP 400" }]);
    const path = `/api/outbox/ops/dead/${due.event.id}/retry`;
    expect((await api.admin("POST", path)).body).toEqual({ receiver: "ops", retried: 1 });
    expect((await api.admin("POST", path)).status).toBe(404);
    expect((await api.admin("POST", "/api/outbox/ops/retry")).body).toEqual({ receiver: "ops", retried: 0 });
    expect((await api.admin("POST", "/api/outbox/nobody/retry")).status).toBe(404);
  });

  test("a test says whether it was taken", async () => {
    const tested = async (name: string) => (await api.admin("POST", `/api/outbox/${name}/test`)).body;
    expect(await tested("ops")).toEqual({ receiver: "ops", delivered: true, error: null });
    expect(await tested("broken")).toEqual({ receiver: "broken", delivered: false, error: "HTTP 500" });
    expect(await tested("nobody")).toMatchObject({ error: { code: "not_found" } });
  });
});

describe("thresholds of a budget", () => {
  const budget = (body: object) =>
    api.admin("POST", "/api/budgets", { scope: { kind: "global" }, usd: 1, window: "day", ...body });

  test("are 80 and 100 unless something else is said, and rise", async () => {
    expect((await budget({})).body.alertPercents).toEqual([80, 100]);
    const { id, alertPercents } = (await budget({ alertPercents: [90, 5, 50] })).body;
    expect(alertPercents).toEqual([5, 50, 90]);
    const changed = await api.admin("PATCH", `/api/budgets/${id}`, { alertPercents: [] });
    expect(changed.body.alertPercents).toEqual([]);
    expect((await api.admin("GET", `/api/budgets/${id}`)).body.alertPercents).toEqual([]);
  });

  test.each([[[0]], [[201]], [[50.5]], [[50, 50]], [["80"]], [null], [50], [[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]]])(
    "%p is refused",
    async (alertPercents) => {
      const { status, body } = await budget({ alertPercents });
      expect([status, body.error.param.split(".")[0]]).toEqual([400, "alertPercents"]);
    },
  );
});
