import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { eventsPerStream } from "./upstream.ts";
import { percentile, run } from "./load.ts";
import { cpuUs, rssMb } from "./process-stat.ts";
import { seed } from "./seed.ts";
import { startBare, startNginx, startProxy, startUpstream, type Subject } from "./subjects.ts";

/**
 * `bun run bench [--calls N] [--quick] [--only "JSON c64"] [--seed CALLS] [--keys N]`: what a call costs, beside a bare relay and nginx in the same run. Only ratios of
 * one run mean anything: the machine is shared. Never asserts; the targets stand beside the figures.
 */
const { values } = parseArgs({
  options: {
    calls: { type: "string" },
    quick: { type: "boolean" },
    only: { type: "string" },
    seed: { type: "string" },
    keys: { type: "string" },
  },
});
const calls = Number(values.calls ?? (values.quick ? 4_000 : 20_000));

const message = { role: "user", content: "y".repeat(900) };
const body = (more: object) => JSON.stringify({ model: "mock/m", ...more, messages: [message] });
const jsonBody = body({});
const burstBody = body({ stream: true });
const pacedBody = body({ stream: true, user: "paced" });

interface Figure {
  readonly perSecond: number;
  readonly p50: number;
  readonly p99: number;
  readonly p999: number;
  /** µs of the subject for one call; `null` for the upstream itself. */
  readonly cpu: number | null;
  readonly failed: number;
}

async function measure(
  subject: Subject,
  text: string,
  count: number,
  concurrency: number,
  rate: number | null = null,
): Promise<Figure> {
  const before = subject.pid === null ? 0 : cpuUs(subject.pid);
  const result = await run({ port: subject.port, requests: subject.requests(text), calls: count, concurrency, rate });
  const cpu = subject.pid === null ? null : (cpuUs(subject.pid) - before) / count;
  return {
    perSecond: count / result.seconds,
    p50: percentile(result.latencies, 0.5),
    p99: percentile(result.latencies, 0.99),
    p999: percentile(result.latencies, 0.999),
    cpu,
    failed: result.failed,
  };
}

const print = (line: string) => void process.stdout.write(`${line}\n`);
const column = (value: number | null, digits = 0) => (value === null ? "–" : value.toFixed(digits)).padStart(9);

const upstream = await startUpstream();
const subjects: Subject[] = [upstream, await startBare(upstream.port)];
const nginx = await startNginx(upstream.port);
if (nginx) subjects.push(nginx);
else print("nginx: skipped, not installed");
const shared = { upstreamPort: upstream.port, keys: 10 };
const scratch = mkdtempSync(join(tmpdir(), "llm-proxy-bench-seed-"));
const stored = { calls: Number(values.seed ?? 0), keys: Number(values.keys ?? 0) };
if (stored.calls + stored.keys > 0) {
  print(`filling the database: ${stored.calls} calls, ${stored.keys} keys`);
  await seed(join(scratch, "data"), stored);
}
const startedMs = performance.now();
subjects.push(await startProxy({ ...shared, name: "proxy", billing: true, dataDir: join(scratch, "data") }));
print(`proxy: ready, with its keys, ${(performance.now() - startedMs).toFixed(0)} ms after its start`);
subjects.push(await startProxy({ ...shared, name: "no billing", billing: false }));

const figures = new Map<string, Figure>();
const figure = (label: string, name: string) => figures.get(`${label}/${name}`);

async function table(label: string, text: string, count: number, concurrency: number, rate: number | null = null) {
  if (values.only !== undefined && values.only !== label) return;
  print(`\n${label}: ${count} calls, ${concurrency} connections${rate === null ? "" : `, ${rate} calls/s`}`);
  print(
    `${"".padEnd(12)}${["calls/s", "p50 ms", "p99 ms", "p99.9 ms", "CPU µs", "failed"].map((name) => name.padStart(9)).join("")}`,
  );
  for (const subject of subjects) {
    const found = await measure(subject, text, count, concurrency, rate);
    figures.set(`${label}/${subject.name}`, found);
    print(
      `${subject.name.padEnd(12)}${column(found.perSecond)}${column(found.p50, 2)}${column(found.p99, 2)}${column(found.p999, 2)}${column(found.cpu, 1)}${column(found.failed)}`,
    );
  }
}

for (const subject of subjects) await measure(subject, jsonBody, Math.min(calls, 4_000), 32);
await table("JSON c1", jsonBody, Math.ceil(calls / 10), 1);
await table("JSON c16", jsonBody, calls, 16);
await table("JSON c64", jsonBody, calls, 64);
await table("JSON c256", jsonBody, calls, 256);
await table("JSON open loop", jsonBody, Math.ceil(calls / 8), 64, 500);
await table("SSE burst", burstBody, Math.ceil(calls / 8), 64);
await table("SSE paced", pacedBody, 256, 256);

/** A subject's CPU over that of another in the same table. */
const ratio = (label: string, name: string, over: string) =>
  (figure(label, name)?.cpu ?? Number.NaN) / (figure(label, over)?.cpu ?? Number.NaN);
const added = (part: "p50" | "p99" | "p999", name: string) =>
  (figure("JSON open loop", name)?.[part] ?? Number.NaN) - (figure("JSON open loop", "direct")?.[part] ?? Number.NaN);
function row(what: string, value: string, must: string, aim: string) {
  // Of a table that `--only` left out.
  if (value.includes("NaN")) return;
  print(`${what.padEnd(58)}${value.padStart(18)}${must.padStart(14)}${aim.padStart(12)}`);
}

print("");
row("", "measured", "must", "aim");
row("CPU of a JSON call at 64, proxy / bare", ratio("JSON c64", "proxy", "bare").toFixed(2), "≤ 2.0", "≤ 1.5");
row(
  "CPU at 256 / at 64, proxy",
  ((figure("JSON c256", "proxy")?.cpu ?? Number.NaN) / (figure("JSON c64", "proxy")?.cpu ?? Number.NaN)).toFixed(2),
  "≤ 1.7",
  "≤ 1.15",
);
row(
  "added p50 / p99 / p99.9 at 500/s, proxy, ms",
  (["p50", "p99", "p999"] as const).map((part) => added(part, "proxy").toFixed(2)).join(" "),
  "0.5 1.5",
  "0.3 0.9",
);
row(
  "added p50 / p99 / p99.9 at 500/s, bare, ms",
  (["p50", "p99", "p999"] as const).map((part) => added(part, "bare").toFixed(2)).join(" "),
  "",
  "",
);
row(
  `CPU of a stream of ${eventsPerStream} events at once, proxy / bare`,
  ratio("SSE burst", "proxy", "bare").toFixed(2),
  "≤ 1.3",
  "≤ 1.1",
);
row("CPU of a paced stream, proxy / bare", ratio("SSE paced", "proxy", "bare").toFixed(2), "≤ 1.3", "≤ 1.1");
if (nginx) {
  row("CPU of a JSON call at 64, proxy / nginx", ratio("JSON c64", "proxy", "nginx").toFixed(2), "≤ 2.6", "≤ 1.8");
  row("CPU of a paced stream, proxy / nginx", ratio("SSE paced", "proxy", "nginx").toFixed(2), "≤ 1.4", "≤ 1.15");
}
for (const subject of subjects)
  if (subject.pid !== null)
    row(
      `memory of ${subject.name}, MB`,
      rssMb(subject.pid).toFixed(0),
      subject.name === "proxy" ? "≤ 110" : "",
      subject.name === "proxy" ? "≤ 90" : "",
    );
for (const subject of subjects) subject.stop();
rmSync(scratch, { recursive: true, force: true });
process.exit(0);
