import type { Figure, Table } from "./figures.ts";

export const labels = {
  c1: "JSON c1",
  c16: "JSON c16",
  c64: "JSON c64",
  c256: "JSON c256",
  openLoop: "JSON open loop",
  stalls: "JSON stalls",
  burst: "SSE burst",
  paced: "SSE paced",
  translated: "SSE translated",
  translatedPaced: "SSE translated paced",
} as const;

const openLoopRate = 500;

export interface Size {
  /** Of one subject in one round of the tables that have the most. */
  readonly calls: number;
  readonly rounds: number;
  /** Of the tables that take seconds however fast a subject is. */
  readonly slowRounds: number;
}

export function tables({ calls, rounds, slowRounds }: Size): readonly Table[] {
  const closed = { rounds, rate: null, probe: false } as const;
  const open = { rounds: slowRounds, rate: openLoopRate, calls: Math.ceil(calls / 4), concurrency: 16 } as const;
  const streams = { calls: Math.max(Math.ceil(calls / 10), 64), concurrency: 64, ...closed } as const;
  return [
    { label: labels.c1, body: "json", calls: Math.ceil(calls / 10), concurrency: 1, ...closed },
    { label: labels.c16, body: "json", calls, concurrency: 16, ...closed },
    { label: labels.c64, body: "json", calls, concurrency: 64, ...closed },
    { label: labels.c256, body: "json", calls, concurrency: 256, ...closed },
    { label: labels.openLoop, body: "json", ...open, probe: false },
    // Apart from the open loop: two probes for each call would count as its CPU.
    { label: labels.stalls, body: "json", ...open, probe: true },
    { label: labels.burst, body: "burst", ...streams },
    { label: labels.paced, body: "paced", calls: 256, concurrency: 256, ...closed, rounds: slowRounds },
    { label: labels.translated, body: "translated", ...streams },
    {
      label: labels.translatedPaced,
      body: "translatedPaced",
      calls: 256,
      concurrency: 256,
      ...closed,
      rounds: slowRounds,
    },
  ];
}

const columns: readonly (readonly [name: string, of: (figure: Figure) => number, digits: number])[] = [
  ["calls/s", (figure) => figure.perSecond, 0],
  ["p50 ms", (figure) => figure.p50, 2],
  ["p99 ms", (figure) => figure.p99, 2],
  ["p99.9 ms", (figure) => figure.p999, 2],
  ["CPU µs", (figure) => figure.cpu, 1],
  ["an event", (figure) => figure.cpuOfEvent, 2],
  ["stall ms", (figure) => figure.stall, 1],
  ["failed", (figure) => figure.failed, 0],
];
const width = 10;

export function tableText(table: Table, figures: ReadonlyMap<string, Figure>): string {
  // A column that no subject fills is left out.
  const shown = columns.filter(([, of]) => [...figures.values()].some((figure) => !Number.isNaN(of(figure))));
  const { label, calls, rounds, concurrency, rate } = table;
  const shape = `${rounds} × ${calls} calls, ${concurrency} connections${rate === null ? "" : `, ${rate} calls/s`}`;
  const lines = [...figures].map(
    ([name, figure]) =>
      name.padEnd(12) + shown.map(([, of, digits]) => cell(of(figure), digits).padStart(width)).join(""),
  );
  const head = "".padEnd(12) + shown.map(([name]) => name.padStart(width)).join("");
  return [`\n${label}: ${shape}`, head, ...lines].join("\n");
}

const cell = (value: number, digits: number): string => (Number.isNaN(value) ? "–" : value.toFixed(digits));
