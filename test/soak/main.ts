import { parseArgs } from "node:util";
import { aborts } from "./aborts.ts";
import { backup } from "./backup.ts";
import { cuts } from "./cuts.ts";
import { eio, eioEvery, slowDisk, walGrow } from "./disk-faults.ts";
import { faults } from "./faults.ts";
import { hung } from "./hung.ts";
import { drain } from "./drain.ts";
import { idle } from "./idle.ts";
import { keys } from "./keys.ts";
import { kill9 } from "./kill9.ts";
import { memory } from "./memory.ts";
import { mixed } from "./mixed.ts";
import { reload } from "./reload.ts";
import { retention } from "./retention.ts";
import { diskFull, locked } from "./storage-faults.ts";
import type { Soak } from "./soak.ts";
import { stalled } from "./stalled.ts";
import { upgrade } from "./upgrade.ts";

/** `bun run soak NAME [--count N] [--minutes N]`: prints its figures, and exits with 1 when something that must hold does not. */
const soaks: ReadonlyMap<string, { readonly soak: Soak; readonly count: number }> = new Map([
  ["idle", { soak: idle, count: 9_000 }],
  ["stalled", { soak: stalled, count: 200 }],
  ["aborts", { soak: aborts, count: 10_000 }],
  ["cuts", { soak: cuts, count: 10_000 }],
  ["hung", { soak: hung, count: 3_000 }],
  ["faults", { soak: faults, count: 0 }],
  ["mixed", { soak: mixed, count: 300 }],
  ["keys", { soak: keys, count: 100_000 }],
  ["kill9", { soak: kill9, count: 100 }],
  ["memory", { soak: memory, count: 1_000_000 }],
  ["drain", { soak: drain, count: 500 }],
  ["reload", { soak: reload, count: 100 }],
  ["upgrade", { soak: upgrade, count: 1 }],
  ["backup", { soak: backup, count: 60 }],
  ["retention", { soak: retention, count: 100_000 }],
  ["disk-full", { soak: diskFull, count: 5 }],
  ["db-locked", { soak: locked, count: 3 }],
  ["slow-disk", { soak: slowDisk, count: 5_000 }],
  ["eio", { soak: eio, count: 10_000 }],
  ["eio-every", { soak: eioEvery, count: 200 }],
  ["wal-grow", { soak: walGrow, count: 10_000 }],
]);

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { count: { type: "string" }, minutes: { type: "string", default: "1" } },
});
const chosen = soaks.get(positionals[0] ?? "");
if (!chosen || positionals.length !== 1) {
  process.stderr.write(`bun run soak NAME [--count N] [--minutes N]; NAME is one of ${[...soaks.keys()].join(", ")}\n`);
  process.exit(2);
}
const print = (line: string) => void process.stdout.write(`${line}\n`);
const broken = await chosen.soak({
  count: Number(values.count ?? chosen.count),
  minutes: Number(values.minutes),
  print,
});
for (const rule of broken) print(`BROKEN: ${rule}`);
if (broken.length === 0) print("all that must hold holds");
process.exit(broken.length === 0 ? 0 : 1);
