import { readFileSync } from "node:fs";
import { setInterval } from "node:timers/promises";
import { runCommand } from "../support/command.ts";
import type { Gateway } from "../support/process.ts";
import { residentBytes } from "../support/stalls.ts";

/** How much of it, and for how long. */
export interface Size {
  /** Streams, readers, aborts, kills or calls, as the soak has it. */
  readonly count: number;
  /** Of those that only wait. */
  readonly minutes: number;
  readonly print: (line: string) => void;
}

/** Runs in a process of its own beside the proxy; gives each rule that did not hold, in words. */
export type Soak = (size: Size) => Promise<readonly string[]>;

/** Of `server:`, for soaks that have no question about it: where others use the machine too, it stops any process for a second. */
export const neverShed = "overload: { maxLoopLagMs: 60000 }";

export const rssMb = (gateway: Gateway): number => residentBytes(gateway.pid) / 1_048_576;

/** Prints the proxy's memory in even steps over `minutes`, and gives the most that it was in MB. */
export async function watchMemory(gateway: Gateway, { minutes, print }: Size): Promise<number> {
  const startedMs = performance.now();
  const endMs = minutes * 60_000;
  let [most, printedMs] = [rssMb(gateway), 0];
  const stepMs = Math.max(endMs / 12, 1_000);
  for await (const _ of setInterval(Math.min(500, endMs))) {
    const passedMs = performance.now() - startedMs;
    most = Math.max(most, rssMb(gateway));
    if (passedMs - printedMs >= stepMs) {
      printedMs = passedMs;
      print(`after ${(passedMs / 1_000).toFixed(0)} s: ${rssMb(gateway).toFixed(0)} MB`);
    }
    if (passedMs >= endMs) break;
  }
  return most;
}

/** What `doctor` found, beside the running process or after it. */
export async function doctor(gateway: Gateway): Promise<readonly string[]> {
  const { code, stdout, stderr } = await runCommand(gateway, ["doctor", "--json"]);
  return code === 0 ? [] : [`doctor ends with ${code}: ${stdout}${stderr}`];
}

/** Rejections and errors that nobody handled, as the log has them. */
export function unhandled(gateway: Gateway): readonly string[] {
  const lines = gateway.log().match(/^.*that nobody (handles|catches).*$/gm) ?? [];
  return lines.length === 0 ? [] : [`${lines.length} errors that nobody handled, e.g. ${lines[0]}`];
}

/** What keeps a process from opening `files` at once; the same limit holds for the proxy, which inherits it. */
export function tooFewFiles(files: number): readonly string[] {
  const limit = /^Max open files +(\d+)/m.exec(readFileSync("/proc/self/limits", "utf8"))?.[1];
  return Number(limit) >= files
    ? []
    : [`needs ${files} open files, a process here may have ${limit}: run "ulimit -n ${files}" in this shell first`];
}
