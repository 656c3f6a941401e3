import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import type { DialectName } from "../../core/dialects/dialect.ts";
import { dialects } from "../../core/dialects/index.ts";
import { setUp } from "../support/setup.ts";
import { type Agent, agents } from "./agents.ts";
import { type Outcome, runLoop } from "./loop.ts";

/**
 * `bun run test:agents`: real coding agents, each before a provider of every dialect, do one task with a tool. Installs
 * them from npm, about 1 GB, into `--folder` (a folder in the system's own for temporary files), where they stay.
 */
const { values } = parseArgs({
  options: {
    folder: { type: "string", default: join(tmpdir(), "llm-proxy-agents") },
    /** Part of an agent's name; all where absent. */
    only: { type: "string", default: "" },
    /** A target dialect; all where absent. */
    target: { type: "string" },
    /** Print the end of each run's output, not only of those that fail. */
    trace: { type: "boolean", default: false },
  },
});

const binaries = install(values.folder);
const setup = await setUp({ dialects: dialects.keys() });
const outcomes: Outcome[] = [];
console.log("| agent | version | speaks | provider speaks | calls | seconds | outcome |");
console.log("|---|---|---|---|---:|---:|---|");
try {
  const targets = [...dialects.keys()].filter((name) => name === (values.target ?? name));
  for (const agent of agents.filter(({ name }) => name.toLowerCase().includes(values.only.toLowerCase())))
    for (const target of targets) {
      const outcome = await runLoop(agent, target, setup, binaries);
      outcomes.push(outcome);
      console.log(rowOf(agent, target, outcome));
      if (values.trace || outcome.faults.length > 0)
        console.error(`${agent.name} before ${target}\n${outcome.trace}\n`);
    }
} finally {
  await setup.stop();
}
const failed = outcomes.filter(({ faults }) => faults.length > 0).length;
console.log(`\n${outcomes.length - failed} of ${outcomes.length} loops went as scripted`);
process.exitCode = failed > 0 || outcomes.length === 0 ? 1 : 0;

function rowOf({ name, install: from, dialect }: Agent, target: DialectName, outcome: Outcome): string {
  const said = outcome.faults.length === 0 ? "as scripted" : outcome.faults.join("; ");
  const cells = [name, from.split("@").at(-1), dialect, target, outcome.asked, outcome.seconds.toFixed(1), said];
  return `| ${cells.join(" | ")} |`;
}

/** The folder with the commands. What is there in the right version stays. */
function install(folder: string): string {
  mkdirSync(folder, { recursive: true });
  const packages = [...new Set(agents.map((agent) => agent.install))];
  console.error(`installing ${packages.join(", ")} into ${folder}`);
  // With their install scripts: Claude Code and opencode put their programs in place there.
  execFileSync(
    "npm",
    ["install", "--prefix", folder, "--no-audit", "--no-fund", "--loglevel", "error", "--save-exact", ...packages],
    {
      stdio: ["ignore", "ignore", "inherit"],
    },
  );
  const found = join(folder, "node_modules", ".bin");
  if (!existsSync(found)) throw new Error(`npm installed no commands into ${folder}`);
  return found;
}
