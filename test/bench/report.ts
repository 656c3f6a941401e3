import type { Figure } from "./figures.ts";
import { eventsPerStream } from "./shape.ts";
import { labels } from "./tables.ts";

/** What the tables measured, by label and subject. */
export type Measured = ReadonlyMap<string, ReadonlyMap<string, Figure>>;

export interface Memory {
  readonly afterStartMb: number;
  readonly afterLoadMb: number;
  readonly afterIdleMb: number;
}
export interface Beside {
  readonly memory: ReadonlyMap<string, Memory>;
  /** While nobody calls, in ms a second. */
  readonly idleCpu: ReadonlyMap<string, number>;
  /** Σ of what finished calls held ÷ Σ of what they were charged. */
  readonly holdToActual: number;
  /** Calls that were in the database of the subject `seeded` beforehand; 0: there is no such subject. */
  readonly seededCalls: number;
}

/** With everything on: over fetch, and over sockets of our own. */
const proxies = ["proxy", "sockets"] as const;
/** What any gateway costs that does what the target of a JSON call names, over either way upstream. */
const leasts = ["least", "least, fetch"] as const;

/** Calls a second without a proxy, below which the load itself is too slow to show what a subject can do. */
const fastEnough = 60_000;

/** The lines under the tables: each figure beside what it must and what it should be. */
export function reportText(measured: Measured, { memory, idleCpu, holdToActual, seededCalls }: Beside): string {
  const rows: string[] = [];
  function row(what: string, value: string, must = "", aim = "") {
    // Of a table that `--only` left out, or of a subject that is not there.
    if (!value.includes("NaN"))
      rows.push(`${what.padEnd(60)}${value.padStart(20)}${must.padStart(14)}${aim.padStart(12)}`);
  }
  const of = (label: string, name: string, part: keyof Figure) => measured.get(label)?.get(name)?.[part] ?? Number.NaN;
  const ratio = (label: string, name: string, over: string, part: "cpu" | "p50" = "cpu") =>
    (of(label, name, part) / of(label, over, part)).toFixed(2);
  const added = (label: string, name: string) =>
    (["p50", "p99", "p999"] as const)
      .map((part) => (of(label, name, part) - of(label, "direct", part)).toFixed(2))
      .join(" / ");

  row("", "measured", "must", "aim");
  for (const name of proxies) {
    row(`CPU of a JSON call at 64, ${name} / bare`, ratio(labels.c64, name, "bare"), "≤ 2.0", "≤ 1.5");
    row(`CPU of a JSON call at 64, ${name} / nginx`, ratio(labels.c64, name, "nginx"), "≤ 2.6", "≤ 1.8");
  }
  for (const name of leasts) row(`CPU of a JSON call at 64, ${name} / bare`, ratio(labels.c64, name, "bare"));
  // The row is written either way: this is prices, budgets and their holds.
  row(
    "CPU of a JSON call at 64, with less without the ledger, µs",
    (of(labels.c64, "proxy", "cpu") - of(labels.c64, "no billing", "cpu")).toFixed(1),
    "≤ 40",
  );
  const wider = (name: string) => (of(labels.c256, name, "cpu") / of(labels.c64, name, "cpu")).toFixed(2);
  for (const name of proxies) row(`CPU at 256 / at 64, ${name}`, wider(name), "≤ 1.7", "≤ 1.15");
  row("CPU at 256 / at 64, bare", wider("bare"));
  for (const [label, how] of [
    [labels.c16, "at 16 connections"],
    [labels.openLoop, "at 500 calls/s"],
  ] as const)
    for (const name of [...proxies, "bare", "nginx"])
      row(
        `added p50 / p99 / p99.9 ${how}, ${name}, ms`,
        added(label, name),
        proxies.some((one) => one === name) ? "0.5 / 1.5" : "",
        proxies.some((one) => one === name) ? "0.3 / 0.9" : "",
      );
  row("p50 of one call at a time, proxy / nginx", ratio(labels.c1, "proxy", "nginx", "p50"), "≤ 2.2", "≤ 1.7");
  for (const name of ["proxy", "bare", "direct"])
    row(`longest stall of the loop at 500 calls/s, ${name}, ms`, of(labels.stalls, name, "stall").toFixed(1));
  for (const name of proxies) {
    row(
      `CPU of a stream of ${eventsPerStream} events at once, ${name} / bare`,
      ratio(labels.burst, name, "bare"),
      "≤ 1.3",
      "≤ 1.1",
    );
    row(`CPU of a paced event, ${name} / bare`, ratio(labels.paced, name, "bare"), "≤ 1.3", "≤ 1.1");
    row(`CPU of a paced event, ${name} / nginx`, ratio(labels.paced, name, "nginx"), "≤ 1.4", "≤ 1.15");
  }
  for (const name of leasts) {
    row(`CPU of a stream of ${eventsPerStream} events at once, ${name} / bare`, ratio(labels.burst, name, "bare"));
    row(`CPU of a paced event, ${name} / bare`, ratio(labels.paced, name, "bare"));
  }
  for (const [label, over, how] of [
    [labels.translated, labels.burst, "at once"],
    [labels.translatedPaced, labels.paced, "paced"],
  ] as const)
    row(
      `CPU of an event, ${how}, translated / relayed`,
      (of(label, "proxy", "cpuOfEvent") / of(over, "proxy", "cpuOfEvent")).toFixed(2),
      "≤ 4",
      "≤ 3",
    );
  row("held / charged, finished calls under a budget", holdToActual.toFixed(2));
  for (const [name, { afterStartMb, afterLoadMb, afterIdleMb }] of memory)
    row(
      `memory of ${name} after start / load / idle, MB`,
      [afterStartMb, afterLoadMb, afterIdleMb].map((mb) => mb.toFixed(0)).join(" / "),
      name === "proxy" ? "≤ 110 first" : "",
      name === "proxy" ? "≤ 90" : "",
    );
  for (const [name, ms] of idleCpu) row(`CPU of ${name} while nobody calls, ms a second`, ms.toFixed(0));
  if (seededCalls > 0)
    for (const label of [labels.c64, labels.c256])
      row(
        `CPU µs of a ${label} call, 0 / ${seededCalls} calls stored`,
        `${of(label, "proxy", "cpu").toFixed(1)} / ${of(label, "seeded", "cpu").toFixed(1)}`,
        "flat",
      );

  const fastest = Math.max(
    ...[labels.c16, labels.c64, labels.c256].map((label) => of(label, "direct", "perSecond") || 0),
  );
  const speed = `the load and the upstream together, without a subject: ${fastest.toFixed(0)} calls/s`;
  if (fastest >= fastEnough) rows.push(speed);
  else if (fastest > 0)
    rows.push(
      `WARNING: ${speed}, below ${fastEnough}: calls/s of a subject are limited by the load; its CPU a call is not.`,
    );
  return rows.join("\n");
}
