import { Database } from "bun:sqlite";
import { statSync } from "node:fs";
import { join } from "node:path";
import { answers } from "../support/openai-answers.ts";
import { until } from "../support/poll.ts";
import { allUsage, openCalls } from "../support/rows.ts";
import { setUp } from "../support/setup.ts";
import { type Load, lost, underLoad, usage } from "./load.ts";
import { doctor, neverShed, type Soak } from "./soak.ts";
import { setUpTraced } from "./strace.ts";

const options = {
  config: `server: { ${neverShed} }`,
  key: { name: "on a bad disk", budget: { usd: 1_000_000, window: "lifetime" } },
};

/** Each fsync takes 200 ms: no call waits for one. `count` calls with and without. */
export const slowDisk: Soak = async ({ count, print }) => {
  const setup = await setUpTraced(options);
  try {
    setup.upstream.on("fast", answers(usage));
    const measured = async (rules: readonly string[]) => {
      await setup.gateway.stop();
      setup.faults(rules);
      await setup.gateway.start();
      const load = underLoad(setup, { lanes: 4 });
      await until(`${count} calls`, () => load.acknowledged.length >= count, { deadlineMs: 300_000 });
      await load.stop();
      return load;
    };
    const fine = await measured(["fsync:delay_enter=1", "fdatasync:delay_enter=1"]);
    const slow = await measured(["fsync:delay_enter=200000", "fdatasync:delay_enter=200000"]);
    const part = (load: Load, of: number) =>
      load.firstByteMs.toSorted((one, other) => one - other)[Math.floor(load.firstByteMs.length * of)] ?? 0;
    print(
      `first byte p50 ${part(fine, 0.5).toFixed(1)} and ${part(slow, 0.5).toFixed(1)} ms, p99 ${part(fine, 0.99).toFixed(1)} and ${part(slow, 0.99).toFixed(1)} ms with a slow disk`,
    );
    return [
      // What waited for a disk would take its 200 ms; the rest is what else the machine does. Up to one call of each lane
      // meets the sync that begins a new log.
      ...(part(slow, 0.97) < Math.max(100, 3 * part(fine, 0.97)) ? [] : ["calls wait for the disk"]),
      ...lost(setup, [...fine.acknowledged, ...slow.acknowledged]),
      ...(await doctor(setup.gateway)),
    ];
  } finally {
    await setup.stop();
  }
};

/** Now and then the disk refuses: what failed is retried or refused, what was acknowledged is there. `count` calls. */
export const eio: Soak = async ({ count, print }) => {
  const setup = await setUpTraced(options);
  const { gateway } = setup;
  try {
    setup.upstream.on("fast", answers(usage));
    await gateway.stop();
    setup.faults(["fsync:error=EIO:when=20+9", "fdatasync:error=EIO:when=5+9", "pwrite64:error=ENOSPC:when=600+90"]);
    await gateway.start();
    const { pid } = gateway;
    const load = underLoad(setup, { lanes: 4 });
    // After each fault nothing is written for half a second: some 27 go well a second, and 10,000 take six minutes.
    await until(`${count} calls`, () => load.acknowledged.length >= count, { deadlineMs: 900_000 });
    await load.stop();
    await until("no open call", () => openCalls(gateway) === 0, { deadlineMs: 30_000 });
    print(`answers: ${[...load.statuses].map(([status, n]) => `${n} × ${status}`).join(", ")}`);
    const others = [...load.statuses.keys()].filter((status) => status !== 200 && status !== 503);
    return [
      ...(gateway.running && gateway.pid === pid ? [] : ["the process is gone"]),
      ...(others.length > 0 ? [`calls were answered ${others.join(", ")}`] : []),
      ...(load.statuses.has(503) ? [] : ["no fault was felt: the rules fail nothing"]),
      ...lost(setup, load.acknowledged),
      ...(await doctor(gateway)),
    ];
  } finally {
    await setup.stop();
  }
};

const failing = ["fsync", "fdatasync", "pwrite64", "ftruncate", "openat"] as const;

/** The k-th of each system call fails, once and from then on, for k up to `count`: whatever is acknowledged is there after. */
export const eioEvery: Soak = async ({ count, print }) => {
  const setup = await setUpTraced(options);
  const { gateway } = setup;
  try {
    setup.upstream.on("fast", answers(usage));
    const broken: string[] = [];
    let [acknowledged, refused] = [0, 0];
    for (let k = 1; k <= count; k += 1)
      for (const name of failing)
        for (const when of [`${k}`, `${k}+`]) {
          const rule = `${name}:error=EIO:when=${name === "pwrite64" ? when.replace(/^\d+/, String(k * 7)) : when}`;
          await gateway.stop();
          setup.faults([rule]);
          const load = (await started(setup)) ? underLoad(setup, { lanes: 2 }) : null;
          if (load === null) refused += 1;
          else {
            // Fewer where the disk stays broken: an answer waits for its final record.
            await until("some calls", () => sum(load) >= 30 || !gateway.running, { deadlineMs: 4_000 }).catch(() => {});
            // What stops is what the lanes wait for: final records of a disk that stays broken.
            await Promise.race([load.stop(), until("the lanes", () => false, { deadlineMs: 2_000 }).catch(() => {})]);
            acknowledged += load.acknowledged.length;
          }
          if (load !== null && !gateway.running) broken.push(`${rule}: the process is gone`);
          await gateway.kill();
          setup.faults([]);
          await gateway.start();
          const found = [...(load === null ? [] : lost(setup, load.acknowledged)), ...(await doctor(gateway))];
          broken.push(...found.map((rule_) => `${rule}: ${rule_}`));
        }
    print(
      `${count * failing.length * 2} runs: ${acknowledged} acknowledged, ${refused} starts refused, ${allUsage(gateway).length} recorded`,
    );
    return broken;
  } finally {
    await setup.stop();
  }
};

/** A start on a disk that fails may be refused; then it ends by itself, and says why. */
async function started({ gateway }: Awaited<ReturnType<typeof setUpTraced>>): Promise<boolean> {
  gateway.spawn();
  return until(
    "a start or its refusal",
    async () => (gateway.running ? ((await gateway.get("/healthz"))?.status === 200 ? "yes" : null) : "no"),
    { deadlineMs: 20_000 },
  ).then((answer) => answer === "yes");
}

const sum = ({ statuses }: Load): number => [...statuses.values()].reduce((total, n) => total + n, 0);

/** Somebody reads in one transaction for `minutes` under load: the log grows, and shrinks again when that ends. */
export const walGrow: Soak = async ({ count, minutes, print }) => {
  const setup = await setUp(options);
  const path = join(setup.gateway.dataDir, "llm-proxy.db");
  const logMb = () => (statSync(`${path}-wal`, { throwIfNoEntry: false })?.size ?? 0) / 1_048_576;
  try {
    setup.upstream.on("fast", answers(usage));
    const load = underLoad(setup, { lanes: 8 });
    await until("some calls", () => load.acknowledged.length >= 20, { deadlineMs: 30_000 });
    const reader = new Database(path, { readonly: true });
    reader.exec("BEGIN");
    reader.query("SELECT count(*) FROM calls").get();
    const endMs = performance.now() + minutes * 60_000;
    const enough = load.acknowledged.length + count;
    await until("the end of the reader", () => performance.now() >= endMs && load.acknowledged.length >= enough, {
      deadlineMs: minutes * 60_000 + 300_000,
      everyMs: 100,
    });
    const grownMb = logMb();
    reader.exec("COMMIT");
    reader.close();
    await until("a log below 128 MB", () => logMb() < 128, { deadlineMs: 60_000, everyMs: 100 });
    await load.stop();
    print(
      `${load.acknowledged.length} calls; the log was ${grownMb.toFixed(0)} MB with the reader and is ${logMb().toFixed(0)} MB`,
    );
    return [...lost(setup, load.acknowledged), ...(await doctor(setup.gateway))];
  } finally {
    await setup.stop();
  }
};
