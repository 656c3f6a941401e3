import { call, chat, type Reply } from "../support/clients.ts";
import { invariants } from "../support/invariants.ts";
import { answers } from "../support/openai-answers.ts";
import { until } from "../support/poll.ts";
import { seeded } from "../support/random.ts";
import { allBudgets, allUsage, openCalls } from "../support/rows.ts";
import { type Setup, setUp } from "../support/setup.ts";
import { doctor, neverShed, type Soak } from "./soak.ts";

const clients = 24;
const usage = { promptTokens: 17, completionTokens: 4 };

/** kill -9 at random moments under load: whatever a client saw to its end is in the ledger, once, with its exact usage. */
export const kill9: Soak = async ({ count, print }) => {
  const random = seeded("kill -9");
  const setup = await setUp({
    config: `server: { ${neverShed} }`,
    key: { name: "killed", budget: { usd: 1_000_000, window: "lifetime" } },
  });
  try {
    const { gateway } = setup;
    setup.upstream.on("fast", answers(usage));
    const ids: string[] = [];
    const broken: string[] = [];
    let slowest = 0;
    for (let kill = 0; kill < count; kill++) {
      const enough = ids.length + 20 + random.below(400);
      const lanes = Promise.all(Array.from({ length: clients }, (_, lane) => load(setup, lane, ids)));
      await Promise.race([lanes, until("load", () => ids.length >= enough, { deadlineMs: 30_000, everyMs: 1 })]);
      await gateway.kill();
      await lanes;
      const startedMs = performance.now();
      await gateway.start();
      slowest = Math.max(slowest, performance.now() - startedMs);
      await until("the sweep of the dead process's calls", () => openCalls(gateway) === 0);
      const held = allBudgets(gateway).reduce((sum, budget) => sum + budget.held_nano, 0);
      if (held !== 0) broken.push(`${held} nano-USD are held after kill ${kill + 1}`);
    }

    const rows = new Map(allUsage(gateway).map((row) => [row.call_id, row]));
    const isExact = (id: string): boolean => {
      const row = rows.get(id);
      return (
        row?.status === "ok" && row.input_tokens === usage.promptTokens && row.output_tokens === usage.completionTokens
      );
    };
    const lost = ids.filter((id) => !isExact(id));
    const interrupted = [...rows.values()].filter((row) => row.status === "interrupted").length;
    print(
      `${count} × kill -9: ${ids.length} acknowledged, ${lost.length} lost, ${rows.size} recorded, ${interrupted} interrupted; slowest start ${slowest.toFixed(0)} ms`,
    );
    if (lost.length > 0) broken.push(`${lost.length} acknowledged calls are lost or wrong, e.g. ${lost[0]}`);
    if (new Set(ids).size !== ids.length) broken.push("two calls have the same id");
    const statuses = new Set([...rows.values()].map((row) => row.status));
    for (const status of statuses)
      if (!["ok", "interrupted", "client_aborted"].includes(status)) broken.push(`a call ended as ${status}`);
    // Also: no call has two rows, none is charged twice.
    await invariants(setup, { killed: true });
    broken.push(...(await doctor(gateway)));
    const exitCode = await gateway.stop();
    if (exitCode !== 0) broken.push(`the process stopped with ${exitCode}`);
    broken.push(...(await doctor(gateway)));
    return broken;
  } finally {
    await setup.stop();
  }
};

/** Calls without a pause until the process dies; adds the id of each acknowledged call to `ids`. */
async function load({ gateway, key }: Setup, lane: number, ids: string[]): Promise<void> {
  for (let round = lane; gateway.running; round++) {
    const stream = round % 2 === 0;
    const body = chat("mock/fast", { stream, max_completion_tokens: 50 });
    const reply = await call(gateway, key.key, body).catch(() => null);
    if (!reply) return;
    if (reply.status !== 200) throw new Error(`status ${reply.status} under load: ${reply.text}`);
    if (isAcknowledged(reply, stream)) ids.push(reply.callId);
  }
}

/** A body the client saw to its end with status 200. */
const isAcknowledged = (reply: Reply, stream: boolean): boolean =>
  reply.complete && (stream ? reply.text.includes("data: [DONE]") : reply.text.endsWith("}"));
