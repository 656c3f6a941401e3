import { call, chat, type Reply } from "../support/clients.ts";
import { invariants } from "../support/invariants.ts";
import { answers } from "../support/openai-answers.ts";
import { until } from "../support/poll.ts";
import { seeded } from "../support/random.ts";
import { WebhookReceiver } from "../support/receiver.ts";
import { allBudgets, allUsage, openCalls, type UsageRow } from "../support/rows.ts";
import { type Setup, setUp } from "../support/setup.ts";
import { doctor, neverShed, type Soak } from "./soak.ts";

const usage = { promptTokens: 17, completionTokens: 4 };
const eventsAtOnce = 200;

/**
 * kill -9 at random moments under mixed load: keys with a wide budget, with one that is soon spent, with limits, and with an
 * `Idempotency-Key`, before a receiver of usage. Whatever a client saw to its end is in the ledger, once, with its exact usage.
 */
export const kill9: Soak = async ({ count, print }) => {
  const random = seeded("kill -9");
  const receiver = await WebhookReceiver.start();
  const setup = await setUp({
    config: [
      `server: { ${neverShed} }`,
      `observer: { log: {}, meter: { use: webhook, url: "${receiver.url}", secret: kill-nine, events: [usage.call], batch: ${eventsAtOnce} } }`,
    ].join("\n"),
    key: { name: "killed", budget: { usd: 1_000_000, window: "lifetime" } },
  });
  try {
    const { gateway } = setup;
    setup.upstream.on("fast", answers(usage));
    const limited = await gateway.createKey({ name: "limited", limits: { concurrency: 3, requestsPerMinute: 3_000 } });
    const seen: Seen = { ids: [], kept: new Map(), refused: 0, replayed: 0, broken: [] };
    let slowest = 0;
    for (let kill = 0; kill < count; kill++) {
      const poor = await gateway.createKey({ name: `poor ${kill}`, budget: { usd: "0.02", window: "lifetime" } });
      const lanes = lanesOf(setup, { rich: setup.key.key, poor: poor.key, limited: limited.key }, seen);
      const enough = seen.ids.length + 20 + random.below(400);
      const running = Promise.all(lanes.map((lane) => lane()));
      await Promise.race([running, until("load", () => seen.ids.length >= enough, { deadlineMs: 60_000, everyMs: 1 })]);
      await gateway.kill();
      await running;
      const startedMs = performance.now();
      await gateway.start();
      slowest = Math.max(slowest, performance.now() - startedMs);
      await until("the sweep of the dead process's calls", () => openCalls(gateway) === 0);
      const held = allBudgets(gateway).reduce((sum, budget) => sum + budget.held_nano, 0);
      if (held !== 0) seen.broken.push(`${held} nano-USD are held after kill ${kill + 1}`);
    }

    const { ids, broken } = seen;
    const rows = new Map(allUsage(gateway).map((row) => [row.call_id, row]));
    const lost = ids.filter((id) => !isExact(rows.get(id)));
    const interrupted = [...rows.values()].filter((row) => row.status === "interrupted").length;
    print(
      `${count} × kill -9: ${ids.length} acknowledged, ${lost.length} lost, ${rows.size} recorded, ${interrupted} interrupted; slowest start ${slowest.toFixed(0)} ms`,
    );
    if (lost.length > 0) broken.push(`${lost.length} acknowledged calls are lost or wrong, e.g. ${lost[0]}`);
    if (new Set(ids).size !== ids.length) broken.push("two calls have the same id");
    for (const status of new Set([...rows.values()].map((row) => row.status)))
      if (!["ok", "interrupted", "client_aborted", "refused"].includes(status))
        broken.push(`a call ended as ${status}`);
    broken.push(...(await told(receiver, [...rows.values()], count)));
    print(
      `${seen.refused} refused by budgets and limits; ${seen.kept.size} idempotency keys, ${seen.replayed} replays; ${receiver.taken.length} events`,
    );
    // Also: no call has two rows, none is charged twice, no budget is over its limit.
    await invariants(setup, { killed: true });
    broken.push(...(await doctor(gateway)));
    const exitCode = await gateway.stop();
    if (exitCode !== 0) broken.push(`the process stopped with ${exitCode}`);
    broken.push(...(await doctor(gateway)));
    return broken;
  } finally {
    await setup.stop();
    await receiver.stop();
  }
};

/** What the clients saw. */
interface Seen {
  /** Acknowledged calls. */
  readonly ids: string[];
  /** By `Idempotency-Key`: the call that its client saw to its end; `null`: the process died over it. */
  readonly kept: Map<string, string | null>;
  refused: number;
  replayed: number;
  readonly broken: string[];
}
type Lane = () => Promise<void>;

function lanesOf(setup: Setup, keys: Readonly<Record<"rich" | "poor" | "limited", string>>, seen: Seen): Lane[] {
  const plain = (key: string) => (lane: number) => () => load(setup, key, lane, seen);
  const of = (width: number, lane: (at: number) => Lane) => Array.from({ length: width }, (_, at) => lane(at));
  return [
    ...of(12, plain(keys.rich)),
    ...of(4, plain(keys.poor)),
    ...of(4, plain(keys.limited)),
    ...of(4, (lane) => () => loadKept(setup, keys.rich, lane, seen)),
  ];
}

/** Calls without a pause until the process dies. */
async function load({ gateway }: Setup, key: string, lane: number, seen: Seen): Promise<void> {
  for (let round = lane; gateway.running; round++) {
    const stream = round % 2 === 0;
    const reply = await call(gateway, key, chat("mock/fast", { stream, max_completion_tokens: 50 })).catch(() => null);
    if (!reply) return;
    if (reply.status === 402 || reply.status === 429) seen.refused += 1;
    else if (reply.status !== 200) throw new Error(`status ${reply.status} under load: ${reply.text}`);
    else if (isAcknowledged(reply, stream)) seen.ids.push(reply.callId);
    // Nothing of it is free until the process is another one.
    if (reply.status === 402) return;
  }
}

/** Each key twice: what was seen is replayed, what died with a process is never made again. */
async function loadKept({ gateway }: Setup, key: string, lane: number, seen: Seen): Promise<void> {
  const { kept } = seen;
  for (let round = lane; gateway.running; round++) {
    const known = round % 2 === 0 ? null : [...kept.keys()].at(-1 - (round % 7));
    const idempotencyKey = known ?? crypto.randomUUID();
    const before = kept.get(idempotencyKey);
    if (before === undefined) kept.set(idempotencyKey, null);
    const body = chat("mock/fast", { max_completion_tokens: 50 });
    const reply = await call(gateway, key, body, { headers: { "idempotency-key": idempotencyKey } }).catch(() => null);
    if (!reply) return;
    // The first one is under way, or its answer went with its process.
    if (reply.status === 409) continue;
    if (reply.status !== 200) throw new Error(`status ${reply.status} with an Idempotency-Key: ${reply.text}`);
    if (!isAcknowledged(reply, false)) continue;
    const earlier = kept.get(idempotencyKey) ?? null;
    if (earlier !== null && earlier !== reply.callId)
      seen.broken.push(`the key ${idempotencyKey} stands for ${earlier} and for ${reply.callId}`);
    if (reply.headers.get("idempotent-replayed") === "true") seen.replayed += 1;
    if (earlier === null) seen.ids.push(reply.callId);
    kept.set(idempotencyKey, reply.callId);
  }
}

/** A body the client saw to its end with status 200. */
const isAcknowledged = (reply: Reply, stream: boolean): boolean =>
  reply.complete && (stream ? reply.text.includes("data: [DONE]") : reply.text.endsWith("}"));

const isExact = (row: UsageRow | undefined): boolean =>
  row?.status === "ok" && row.input_tokens === usage.promptTokens && row.output_tokens === usage.completionTokens;

/** Every call that was charged, and none that there is not; twice only what was under way in a kill. */
async function told({ taken }: WebhookReceiver, rows: readonly UsageRow[], kills: number): Promise<readonly string[]> {
  const charged = new Map(rows.filter((row) => row.status !== "refused").map((row) => [row.call_id, row]));
  const ids = new Set<string>();
  let read = 0;
  const isAll = () => {
    for (; read < taken.length; read += 1) ids.add(taken[read]?.id ?? "");
    return ids.size >= charged.size;
  };
  await until("the receiver has all", isAll, { deadlineMs: 60_000 }).catch(() => null);
  const missing = [...charged.keys()].filter((id) => !ids.has(id));
  const wrong = taken.filter(({ id, data }) => charged.get(id)?.charge_nano !== data["chargeNano"]);
  const twice = taken.length - ids.size;
  return [
    ...(missing.length > 0 ? [`the receiver misses ${missing.length} calls, e.g. ${missing[0]}`] : []),
    ...(wrong.length > 0 ? [`${wrong.length} events say another charge than the record, e.g. ${wrong[0]?.id}`] : []),
    ...(twice > kills * eventsAtOnce ? [`${twice} events came twice`] : []),
  ];
}
