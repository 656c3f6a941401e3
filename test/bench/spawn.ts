import { existsSync } from "node:fs";
import { join } from "node:path";
import type { Kind } from "./shape.ts";
import { until } from "../support/poll.ts";

/** One program between the load and the upstream, running. */
export interface Subject {
  readonly name: string;
  readonly port: number;
  /** `null`: the upstream itself, whose CPU is not the question. */
  readonly pid: number | null;
  /** A whole HTTP request of the load; one for each key. */
  readonly requests: (kind: Kind) => readonly Buffer[];
  stop(): void;
}

const root = join(import.meta.dir, "../..");
/** Where there are two cores, the subject has one for itself and the load and the upstream share the other. */
const pin = (core: number): string[] =>
  navigator.hardwareConcurrency > 1 && existsSync("/usr/bin/taskset") ? ["taskset", "-c", String(core)] : [];
export const loadCore = 1;
export const subjectCore = 0;

export function start(command: string[], core: number, env: Record<string, string> = {}, log?: string) {
  return Bun.spawn([...pin(core), ...command], {
    cwd: root,
    env: { ...process.env, ...env },
    stdout: log === undefined ? "pipe" : Bun.file(log),
    stderr: log === undefined ? "inherit" : "ignore",
  });
}

export async function firstLine(child: { readonly stdout: unknown }): Promise<string> {
  if (!(child.stdout instanceof ReadableStream)) throw new Error("no output to read");
  const reader = child.stdout.getReader();
  const { value } = await reader.read();
  reader.releaseLock();
  return new TextDecoder().decode(value).trim();
}

/** A proxy in front of many stored calls may have to look through them first. */
export const answering = (port: number): Promise<unknown> =>
  until(
    `an answer on port ${port}`,
    async () => {
      try {
        return (await fetch(`http://127.0.0.1:${port}/readyz`)).status !== 503;
      } catch {
        return false;
      }
    },
    { deadlineMs: 120_000, everyMs: 5 },
  );
