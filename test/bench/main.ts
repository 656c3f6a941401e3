import { Database } from "bun:sqlite";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { parseArgs } from "node:util";
import { type Figure, figuresOf, warmUp } from "./figures.ts";
import { benchPages } from "./pages.ts";
import { cpuUs, rssMb } from "./process-stat.ts";
import { reportText } from "./report.ts";
import { seed } from "./seed.ts";
import { type ProxyOptions, startProxy } from "./proxy.ts";
import type { Subject } from "./spawn.ts";
import { benchStorage } from "./storage.ts";
import { startBare, startLeast, startNginx, startUpstream } from "./subjects.ts";
import { tables, tableText } from "./tables.ts";

/**
 * `bun run bench [--calls N] [--rounds N] [--quick] [--only "JSON c64"]… [--processes N] [--seed CALLS] [--keys N] [--pages | --storage]`: what a call costs, beside a
 * bare relay and nginx in the same run. Only ratios of one run mean anything: the machine is shared. Never asserts; the
 * targets stand beside the figures.
 */
const { values } = parseArgs({
  options: {
    calls: { type: "string" },
    rounds: { type: "string" },
    quick: { type: "boolean", default: false },
    only: { type: "string", multiple: true, default: [] },
    seed: { type: "string", default: "0" },
    keys: { type: "string", default: "0" },
    processes: { type: "string", default: "1" },
    // Instead: what the pages and reports take over the seeded database.
    pages: { type: "boolean", default: false },
    // Instead: what the storage alone takes of a call.
    storage: { type: "boolean", default: false },
  },
});
const processes = Number(values.processes);
const rounds = Number(values.rounds ?? 3);
const idleMs = values.quick ? 3_000 : 20_000;
const stored = { calls: Number(values.seed), keys: Number(values.keys) };
const all = tables({
  calls: Number(values.calls ?? (values.quick ? 2_000 : 10_000)),
  rounds,
  slowRounds: values.quick ? 1 : rounds,
});
const chosen = all.filter(({ label }) => values.only.length === 0 || values.only.includes(label));
if (chosen.length === 0) {
  process.stderr.write(`no such table; there are ${all.map(({ label }) => `"${label}"`).join(", ")}\n`);
  process.exit(2);
}

const print = (line: string) => void process.stdout.write(`${line}\n`);
const scratch = mkdtempSync(join(tmpdir(), "llm-proxy-bench-data-"));
const subjects: Subject[] = [];
// A database of ten million calls must not stay behind when a run is given up.
for (const signal of ["SIGINT", "SIGTERM"] as const)
  process.once(signal, () => {
    cleanUp();
    process.exit(1);
  });
try {
  if (values.pages) await benchPages(join(scratch, "seeded"), stored, print);
  else if (values.storage) await benchStorage(join(scratch, "storage"), print);
  else await bench();
} finally {
  cleanUp();
}
process.exit(0);

function cleanUp(): void {
  for (const subject of subjects) subject.stop();
  rmSync(scratch, { recursive: true, force: true });
}

async function bench(): Promise<void> {
  const upstream = await startUpstream();
  subjects.push(upstream, await startBare(upstream.port));
  const nginx = await startNginx(upstream.port);
  if (nginx) subjects.push(nginx);
  else print("nginx: skipped, not installed");
  const shared = { upstreamPort: upstream.port, keys: 10 };
  for (const transport of ["sockets", "fetch"] as const)
    subjects.push(await startLeast(shared.upstreamPort, shared.keys, transport));
  for (let at = 0; at < processes; at++) {
    const own = (name: string) => ({ ...shared, name, dataDir: join(scratch, `${name} ${at}`) });
    await addProxy({ ...own("proxy"), billing: true });
    await addProxy({ ...own("no billing"), billing: false });
    await addProxy({ ...own("sockets"), billing: true, transport: "sockets" });
  }
  if (stored.calls + stored.keys > 0) await addSeeded(shared);
  const afterStart = ofEach(rssMb);

  await warmUp(subjects, values.quick ? 8_000 : 40_000);
  const measured = new Map<string, ReadonlyMap<string, Figure>>();
  for (const table of chosen) {
    const figures = await figuresOf(table, subjects);
    measured.set(table.label, figures);
    print(tableText(table, figures));
  }

  const afterLoad = ofEach(rssMb);
  // Right after a rush the runtime still tidies up.
  await pause(idleMs / 2);
  const cpuBefore = ofEach(cpuUs);
  await pause(idleMs / 2);
  const afterIdle = ofEach(rssMb);
  const idleCpu = new Map(
    [...ofEach(cpuUs)].map(([name, us]) => [name, (us - (cpuBefore.get(name) ?? 0)) / (idleMs / 2)]),
  );
  // Hundredths of a second are counted: of a short time they say nothing.
  if (values.quick) idleCpu.clear();
  const memory = new Map(
    [...afterStart].map(([name, afterStartMb]) => [
      name,
      { afterStartMb, afterLoadMb: afterLoad.get(name) ?? 0, afterIdleMb: afterIdle.get(name) ?? 0 },
    ]),
  );
  print(
    `\n${reportText(measured, { memory, idleCpu, holdToActual: holdToActual(join(scratch, "proxy 0")), seededCalls: stored.calls })}`,
  );
}

/** The proxy again, with everything on, in front of a database that has had a life. */
async function addSeeded(shared: Pick<ProxyOptions, "upstreamPort" | "keys">): Promise<void> {
  const dataDir = join(scratch, "seeded");
  const startedMs = performance.now();
  await seed(dataDir, stored);
  const seconds = (performance.now() - startedMs) / 1_000;
  print(`filled a database with ${stored.calls} calls and ${stored.keys} keys in ${seconds.toFixed(1)} s`);
  await addProxy({ ...shared, name: "seeded", billing: true, dataDir });
}

async function addProxy(options: ProxyOptions): Promise<void> {
  const proxy = await startProxy(options);
  subjects.push(proxy);
  print(`${options.name}: ready ${proxy.readyMs.toFixed(0)} ms after its start`);
}

function ofEach(figure: (pid: number) => number): Map<string, number> {
  return new Map(subjects.flatMap(({ name, pid }) => (pid === null ? [] : [[name, figure(pid)] as const])));
}

function holdToActual(dataDir: string): number {
  const database = new Database(join(dataDir, "llm-proxy.db"), { readonly: true });
  const [row] = database
    .query<{ ratio: number | null }, []>(
      "SELECT sum(held_nano) * 1.0 / sum(charge_nano) AS ratio FROM calls WHERE charge_nano > 0",
    )
    .all();
  database.close();
  return row?.ratio ?? Number.NaN;
}
