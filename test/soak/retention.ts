import { join } from "node:path";
import { openSqliteDatabase } from "../../core/storage/sqlite.ts";
import { aFinal, anAdmission } from "../contract/storage-samples.ts";
import { answers } from "../support/openai-answers.ts";
import { until } from "../support/poll.ts";
import { type Random, seeded } from "../support/random.ts";
import { type Setup, setUp } from "../support/setup.ts";
import { lost, underLoad, usage } from "./load.ts";
import { doctor, neverShed, type Soak } from "./soak.ts";

const dayMs = 86_400_000;

/** `count` calls of the last weeks are deleted under load while the process is killed again and again: no sum changes. */
export const retention: Soak = async ({ count, print }) => {
  const random = seeded("retention");
  const setup = await setUp({
    config: `server: { ${neverShed} }\nstorage: { sqlite: { retention: { calls: 7d } } }`,
    key: { name: "kept", budget: { usd: 1_000_000, window: "lifetime" } },
  });
  const { gateway } = setup;
  try {
    setup.upstream.on("fast", answers(usage));
    await gateway.stop();
    await age(setup, random, count);
    const today = Math.floor(Date.now() / dayMs) * dayMs;
    await gateway.start();
    const before = await sums(setup, today);
    const acknowledged: string[] = [];
    const broken: string[] = [];
    let [kills, slowestMs] = [0, 0];
    for (let gone = 0; gone < count;) {
      const load = underLoad(setup, { lanes: 4 });
      const next = Math.min(gone + 1 + random.below(Math.ceil(count / 2)), count);
      await until(`${next} calls deleted`, () => (gone = deleted(setup)) >= next, { deadlineMs: 120_000 });
      const shown = await sums(setup, today);
      if (shown !== before) broken.push(`sums of whole days were ${before} and are ${shown}`);
      await gateway.kill();
      kills += 1;
      await load.stop();
      slowestMs = Math.max(slowestMs, ...load.firstByteMs);
      acknowledged.push(...load.acknowledged);
      broken.push(...(await doctor(gateway)));
      await gateway.start();
    }
    broken.push(...lost(setup, acknowledged), ...(await doctor(gateway)));
    const left = gateway.sql<{ n: number }>(
      "select count(*) as n from calls where created_ms < ?",
      today - 7 * dayMs,
    )[0]?.n;
    if (left !== 0) broken.push(`${left} calls are older than the retention`);
    if ((await sums(setup, today)) !== before) broken.push("sums of whole days changed");
    print(
      `${count} calls deleted under load through ${kills} × kill -9, ${acknowledged.length} calls acknowledged meanwhile, slowest first byte ${slowestMs.toFixed(0)} ms`,
    );
    return broken;
  } finally {
    await setup.stop();
  }
};

const deleted = ({ gateway }: Setup): number =>
  gateway.sql<{ n: number }>("select coalesce(sum(calls), 0) as n from purges")[0]?.n ?? 0;

/** Calls from 30 to 8 days ago, as the process itself would have written them then. */
async function age({ gateway, key }: Setup, random: Random, count: number): Promise<void> {
  const today = Math.floor(Date.now() / dayMs) * dayMs;
  const path = join(gateway.dataDir, "llm-proxy.db");
  let nowMs = today - 30 * dayMs;
  const database = await openSqliteDatabase({ path, synchronous: "normal", now: () => nowMs, onBackup: () => {} });
  for (let at = 0; at < count; at += 100) {
    await Promise.all(
      Array.from({ length: Math.min(100, count - at) }, async () => {
        nowMs = today - 30 * dayMs + Math.floor((22 * dayMs * at) / count) + random.below(1_000);
        const admission = anAdmission({ callId: crypto.randomUUID(), startedMs: nowMs, keyId: key.id });
        await database.ledger.admit(admission);
        const chargeNano = random.below(1_000);
        await database.ledger.finish(
          aFinal(admission.callId, { costNano: chargeNano, chargeNano, finishedMs: nowMs + random.below(9_000) }),
        );
      }),
    );
  }
  await database.close();
}

/** What reports, the budget and the ledger say of all days before today. */
async function sums({ gateway }: Setup, today: number): Promise<string> {
  const report = (groupBy: string, to: number) => gateway.admin("GET", `/api/usage?from=0&to=${to}&groupBy=${groupBy}`);
  const entries = gateway.sql(
    "select count(*) as n, sum(delta_nano) as nano from v_ledger where created_ms < ?",
    today - 7 * dayMs,
  );
  return JSON.stringify([await report("day,key", today), await report("model,status", today - 10 * dayMs), entries]);
}
