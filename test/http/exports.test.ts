import { afterAll, expect, test } from "bun:test";
import { call, chat } from "../support/clients.ts";
import { csvRows } from "../support/csv.ts";
import { invariants } from "../support/invariants.ts";
import { answers } from "../support/openai-answers.ts";
import { eachOf } from "../support/poll.ts";
import { setUp } from "../support/setup.ts";

/** Files of a process that goes on serving while they are made: each row once, and the sums of the views. */
const setup = await setUp();
afterAll(() => setup.stop());
setup.upstream.on("m", answers({ promptTokens: 30, completionTokens: 9 }));

const work = (count: number) =>
  eachOf(
    Array.from({ length: count }, (_, at) => at),
    16,
    async () => (await call(setup.gateway, setup.key.key, chat("mock/m"))).callId,
  );
async function file(path: string): Promise<Record<string, string>[]> {
  const response = await fetch(`${setup.gateway.url}${path}`, {
    headers: { authorization: `Bearer ${setup.gateway.adminToken}` },
  });
  expect(response.status).toBe(200);
  return csvRows(await response.text());
}
const idsOf = (rows: readonly Record<string, string>[]) => rows.map(({ callId }) => callId ?? "");

test("files that are made while calls come: who was there before is in them once, and nobody twice", async () => {
  const before = await work(1_200);
  const [during, ...files] = await Promise.all([
    work(400),
    ...[1, 2, 3].flatMap(() => [file("/api/calls/export?model=mock/m"), file("/api/ledger/export?kind=charge")]),
  ]);
  const all = new Set([...before, ...during]);
  for (const rows of files) {
    const ids = idsOf(rows);
    expect(new Set(ids).size).toBe(ids.length);
    expect(before.filter((id) => !ids.includes(id))).toEqual([]);
    expect(ids.filter((id) => !all.has(id))).toEqual([]);
  }
  expect(idsOf(await file("/api/calls/export")).toSorted()).toEqual([...all].toSorted());
  await invariants(setup);
});

test("their sums are those of the views", async () => {
  const [view] = setup.gateway.sql<{ charge: number; delta: number; calls: number }>(
    "select sum(charge_nano) as charge, count(*) as calls, (select sum(delta_nano) from v_ledger) as delta from v_usage",
  );
  const sum = (rows: readonly Record<string, string>[], column: string) =>
    rows.reduce((total, row) => total + Number(row[column]), 0);
  expect(sum(await file("/api/calls/export"), "chargeNano")).toBe(view?.charge ?? -1);
  expect(sum(await file("/api/ledger/export"), "deltaNano")).toBe(view?.delta ?? -1);
  const usage = await file("/api/usage/export?groupBy=hour,key,model,status");
  expect([sum(usage, "chargeNano"), sum(usage, "calls")]).toEqual([view?.charge ?? -1, view?.calls ?? -1]);
});
