import { spawn } from "node:child_process";
import { join } from "node:path";
import type { Gateway } from "./process.ts";

export interface CommandResult {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs `bun core/main.ts …` in the same environment as the gateway, beside it or after it. */
export function runCommand(
  gateway: Gateway,
  args: readonly string[],
  env: Readonly<Record<string, string | undefined>> = {},
): Promise<CommandResult> {
  const root = join(import.meta.dir, "..", "..");
  return new Promise((resolve) => {
    const child = spawn(process.execPath, ["core/main.ts", ...args], {
      cwd: root,
      env: { ...gateway.environment, ...env },
    });
    let [stdout, stderr] = ["", ""];
    child.stdout.on("data", (piece) => (stdout += String(piece)));
    child.stderr.on("data", (piece) => (stderr += String(piece)));
    child.on("close", (code) => resolve({ code, stdout, stderr }));
  });
}
