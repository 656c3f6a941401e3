import { afterAll, expect, test } from "bun:test";
import { call, chat, type Reply } from "../support/clients.ts";
import { runCommand } from "../support/command.ts";
import { invariants } from "../support/invariants.ts";
import { answers } from "../support/openai-answers.ts";
import { until } from "../support/poll.ts";
import { seeded } from "../support/random.ts";
import { allBudgets, allUsage, openCalls } from "../support/rows.ts";
import { setUp } from "../support/setup.ts";

/** kill -9 at random moments under load: whatever a client saw to its end is in the ledger, once, with its exact usage. */
const kills = 10;
const clients = 24;
const random = seeded("kill -9");

const setup = await setUp({ key: { name: "killed", budget: { usd: 1000, window: "lifetime" } } });
setup.upstream.on("fast", answers({ promptTokens: 17, completionTokens: 4 }));
afterAll(() => setup.stop());

/** A body the client saw to its end with status 200. */
const acknowledged = (reply: Reply, stream: boolean): boolean =>
  reply.status === 200 && reply.complete && (stream ? reply.text.includes("data: [DONE]") : reply.text.endsWith("}"));

/** Calls without a pause until the process dies; adds the id of each acknowledged call to `ids`. */
async function load(lane: number, ids: string[]): Promise<void> {
  for (let round = lane; setup.gateway.running; round++) {
    const stream = round % 2 === 0;
    const body = chat("mock/fast", { stream, max_completion_tokens: 50 });
    const reply = await call(setup.gateway, setup.key.key, body).catch(() => null);
    if (reply && acknowledged(reply, stream)) ids.push(reply.callId);
    if (reply && reply.status !== 200) throw new Error(`status ${reply.status} under load: ${reply.text}`);
    if (!reply) return;
  }
}

test("no acknowledged call is lost or counted twice, and no hold is left", async () => {
  const ids: string[] = [];
  for (let kill = 0; kill < kills; kill++) {
    const enough = ids.length + 20 + random.below(400);
    const lanes = Promise.all(Array.from({ length: clients }, (_, lane) => load(lane, ids)));
    await Promise.race([lanes, until("load", () => ids.length >= enough, { deadlineMs: 30_000, everyMs: 1 })]);
    await setup.gateway.kill();
    await lanes;
    await setup.gateway.start();
    await until("the sweep of the dead process's calls", () => openCalls(setup.gateway) === 0);
    expect(allBudgets(setup.gateway)).toMatchObject([{ held_nano: 0 }]);
  }

  const rows = new Map(allUsage(setup.gateway).map((row) => [row.call_id, row]));
  const lost = ids.filter(
    (id) => rows.get(id)?.status !== "ok" || rows.get(id)?.input_tokens !== 17 || rows.get(id)?.output_tokens !== 4,
  );
  expect(lost).toEqual([]);
  expect(new Set(ids).size).toBe(ids.length);
  const statuses = new Set([...rows.values()].map((row) => row.status));
  expect([...statuses].filter((status) => !["ok", "interrupted", "client_aborted"].includes(status))).toEqual([]);
  console.log(
    `kill -9: ${ids.length} acknowledged, ${rows.size} recorded, ${[...rows.values()].filter((row) => row.status === "interrupted").length} interrupted`,
  );
  await invariants(setup, { killed: true });

  const beside = await runCommand(setup.gateway, ["doctor", "--json"]);
  expect({ code: beside.code, report: beside.code === 0 ? "" : beside.stdout + beside.stderr }).toEqual({
    code: 0,
    report: "",
  });
  expect(() => JSON.parse(beside.stdout)).not.toThrow();
  expect(await setup.gateway.stop()).toBe(0);
  const after = await runCommand(setup.gateway, ["doctor", "--json"]);
  expect({ code: after.code, report: after.code === 0 ? "" : after.stdout + after.stderr }).toEqual({
    code: 0,
    report: "",
  });
}, 120_000);
