import { percentile, run } from "./load.ts";
import { cpuUs } from "./process-stat.ts";
import { eventsPerStream, type Kind } from "./shape.ts";
import type { Subject } from "./spawn.ts";

/** One kind of load that every subject gets. */
export interface Table {
  readonly label: string;
  readonly body: Kind;
  /** Of one subject in one round. */
  readonly calls: number;
  readonly rounds: number;
  readonly concurrency: number;
  /** Calls a second of an open loop; `null`: a closed one. */
  readonly rate: number | null;
  /** Ask `/healthz` each millisecond meanwhile, on a connection of its own: what it waits is how long the loop stood still. */
  readonly probe: boolean;
}

export interface Figure {
  readonly perSecond: number;
  /** Milliseconds, as `p99` and `p999`. */
  readonly p50: number;
  readonly p99: number;
  readonly p999: number;
  /** µs of the subject for one call; NaN for the upstream, whose CPU is not the question. */
  readonly cpu: number;
  /** The same for one event; NaN where there are none. */
  readonly cpuOfEvent: number;
  /** The longest wait of a probe, in ms; NaN without one. */
  readonly stall: number;
  readonly failed: number;
}

const probesPerSecond = 1_000;

/**
 * Each subject once a round, each round beginning with another one: what drifts on a shared machine hits all alike.
 * The figures are medians over the rounds, but `stall` the longest and `failed` the sum.
 */
export async function figuresOf(table: Table, subjects: readonly Subject[]): Promise<Map<string, Figure>> {
  const measured = new Map<string, Figure[]>(subjects.map(({ name }) => [name, []]));
  for (let round = 0; round < table.rounds; round++)
    for (let at = 0; at < subjects.length; at++) {
      const subject = subjects[(at + round) % subjects.length];
      if (subject) measured.get(subject.name)?.push(await measure(table, subject));
    }
  return new Map([...measured].map(([name, figures]) => [name, combined(figures)]));
}

/** Until the code of every subject is compiled as far as it will be; nothing of it is counted. */
export async function warmUp(subjects: readonly Subject[], calls: number): Promise<void> {
  for (const subject of subjects)
    for (const [body, part, concurrency] of warmUps) {
      const count = Math.max(Math.ceil(calls * part), concurrency);
      await run({
        port: subject.port,
        requests: subject.requests(body),
        calls: count,
        concurrency,
        rate: null,
      });
    }
}
const warmUps = [
  ["json", 0.5, 64],
  ["json", 0.5, 256],
  ["burst", 0.1, 64],
  ["translated", 0.1, 64],
  ["paced", 0, 64],
] as const;

async function measure({ body, calls, concurrency, rate, probe }: Table, subject: Subject): Promise<Figure> {
  const { port, pid } = subject;
  const before = pid === null ? Number.NaN : cpuUs(pid);
  const [result, probed] = await Promise.all([
    run({ port, requests: subject.requests(body), calls, concurrency, rate }),
    probe && rate !== null ? probes(port, Math.ceil((calls / rate) * probesPerSecond)) : Number.NaN,
  ]);
  const cpu = pid === null ? Number.NaN : (cpuUs(pid) - before) / calls;
  return {
    perSecond: calls / result.seconds,
    p50: percentile(result.latencies, 0.5),
    p99: percentile(result.latencies, 0.99),
    p999: percentile(result.latencies, 0.999),
    cpu,
    cpuOfEvent: body === "json" ? Number.NaN : cpu / eventsPerStream,
    stall: probed,
    failed: result.failed,
  };
}

const probeRequest = Buffer.from("GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n");

async function probes(port: number, calls: number): Promise<number> {
  const { latencies } = await run({ port, requests: [probeRequest], calls, concurrency: 1, rate: probesPerSecond });
  return latencies.at(-1) ?? Number.NaN;
}

function combined(figures: readonly Figure[]): Figure {
  const all = (name: keyof Figure) => figures.map((figure) => figure[name]);
  return {
    perSecond: median(all("perSecond")),
    p50: median(all("p50")),
    p99: median(all("p99")),
    p999: median(all("p999")),
    cpu: median(all("cpu")),
    cpuOfEvent: median(all("cpuOfEvent")),
    stall: Math.max(...all("stall")),
    failed: all("failed").reduce((sum, failed) => sum + failed, 0),
  };
}

function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length / 2;
  return ((sorted[Math.ceil(middle) - 1] ?? Number.NaN) + (sorted[Math.floor(middle)] ?? Number.NaN)) / 2;
}
