import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Setup, setUp, type SetupOptions } from "../support/setup.ts";

/** Whether this machine lets a process be traced, which is how system calls are made to fail. */
export function canTrace(): boolean {
  return spawnSync("strace", ["-D", "-f", "-qq", "-o", "/dev/null", "-e", "trace=fsync", "true"]).status === 0;
}

/** A proxy whose next start has the system calls fail, or wait, that `faults` names in strace's words; none at first. */
export async function setUpTraced(options: SetupOptions): Promise<Setup & { faults(rules: readonly string[]): void }> {
  const folder = mkdtempSync(join(tmpdir(), "llm-proxy-faults-"));
  const file = join(folder, "rules");
  writeFileSync(file, "");
  // -D: the proxy itself is the child, so that signals and the end are its own. Only what is named is traced at all.
  const choose = `[ -s "${file}" ] && exec strace -D -f --seccomp-bpf -qq -o /dev/null $(cat "${file}") "$@"; exec "$@"`;
  const setup = await setUp({ ...options, wrapper: ["sh", "-c", choose, "sh"] });
  return {
    ...setup,
    faults(rules) {
      const names = [...new Set(rules.map((rule) => rule.slice(0, rule.indexOf(":"))))];
      const trace = rules.length === 0 ? "" : `-e trace=${names.join(",")} `;
      writeFileSync(file, `${trace}${rules.map((rule) => `-e inject=${rule}`).join(" ")}`);
    },
    async stop() {
      await setup.stop();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
