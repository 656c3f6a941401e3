import { parseArgs } from "node:util";
import manifest from "../package.json" with { type: "json" };
import { reasonOf } from "./config/problem.ts";
import { didYouMean } from "./config/nearest.ts";
import type { Command, ExitCode } from "./commands/command.ts";
import { explainFailure } from "./commands/failure.ts";
import { takeHangups } from "./commands/hangup.ts";

/** Loaded when asked for, and beside each other: the one that serves must be ready soon. */
const plugins = async () => (await import("../plugins/index.ts")).builtins;
const commands: Readonly<Record<string, () => Promise<Command>>> = {
  async serve() {
    const hangups = takeHangups();
    // Half of all that a start loads. Whoever has another one loads it for nothing; what fails here fails there again.
    void plugins()
      .then(({ storage }) => storage["sqlite"]?.())
      .catch(() => {});
    const { serve } = await import("./commands/serve.ts");
    return (input) => serve(input, hangups);
  },
  check: async () => (await import("./commands/check.ts")).check,
  plan: async () => (await import("./commands/plan.ts")).plan,
  doctor: async () => (await import("./commands/doctor.ts")).doctor,
  migrate: async () => (await import("./commands/storage.ts")).migrate,
  backup: async () => (await import("./commands/storage.ts")).backup,
  reprice: async () => (await import("./commands/reprice.ts")).reprice,
  "new-plugin": async () => (await import("./commands/new-plugin.ts")).newPlugin,
  plugins: async () => (await import("./commands/check.ts")).plugins,
  audit: async () => (await import("./commands/audit.ts")).audit,
  "admin-token": async () => (await import("./commands/storage.ts")).adminToken,
};
/** Those that take words of their own. */
const takesWords: ReadonlySet<string> = new Set(["backup", "audit", "new-plugin"]);

/** Options of one command each; the others hold for all of them. */
const ownOptions: Readonly<Record<string, readonly string[]>> = {
  doctor: ["repair"],
  migrate: ["compact"],
  reprice: ["from", "to", "model", "dry-run", "reason", "author"],
  "admin-token": ["new"],
};

const options = {
  config: { type: "string" },
  host: { type: "string" },
  port: { type: "string" },
  data: { type: "string" },
  "log-level": { type: "string" },
  "public-url": { type: "string" },
  json: { type: "boolean" },
  new: { type: "boolean" },
  from: { type: "string" },
  to: { type: "string" },
  model: { type: "string" },
  "dry-run": { type: "boolean" },
  compact: { type: "boolean" },
  repair: { type: "boolean" },
  reason: { type: "string" },
  author: { type: "string" },
  help: { type: "boolean", short: "h" },
} as const;

const usage = `usage: llm-proxy [COMMAND] [OPTIONS]
commands: ${Object.keys(commands).join(", ")}; none is serve
options:  --config FILE  --host ADDRESS  --port NUMBER  --data FOLDER  --public-url URL  --log-level LEVEL  --json
          backup FILE  ·  new-plugin KIND NAME  ·  audit verify [SEQ-HASH]  ·  doctor --repair  ·  migrate --compact  ·  admin-token --new  ·  reprice --from TIME --to TIME [--model NAME] [--dry-run] [--reason TEXT] [--author NAME]`;

async function main(args: readonly string[]): Promise<ExitCode> {
  const printError = (line: string) => void process.stderr.write(`${line}\n`);
  const parsed = parse(args);
  if (parsed instanceof Error) {
    printError(`${reasonOf(parsed)}\n${usage}`);
    return 2;
  }
  const [name = "serve", ...words] = parsed.positionals;
  const load = Object.hasOwn(commands, name) ? commands[name] : undefined;
  const print = (line: string) => void process.stdout.write(`${line}\n`);
  if (parsed.values.help) {
    print(usage);
    return 0;
  }
  if (!load) {
    printError(`no command "${name}"${didYouMean(name, Object.keys(commands))}\n${usage}`);
    return 2;
  }
  if (words.length > 0 && !takesWords.has(name)) {
    printError(`${name} takes no "${words[0]}"\n${usage}`);
    return 2;
  }
  const foreign = foreignOption(name, Object.keys(parsed.values));
  if (foreign !== undefined) {
    printError(`${name} takes no --${foreign}\n${usage}`);
    return 2;
  }
  try {
    const [command, builtins] = await Promise.all([load(), plugins()]);
    return await command({
      flags: parsed.values,
      words,
      env: process.env,
      builtins,
      version: manifest.version,
      print,
      printError,
    });
  } catch (error) {
    explainFailure(error, parsed.values.json ?? false, print, printError);
    return 1;
  }
}

function parse(args: readonly string[]) {
  try {
    return parseArgs({ args: [...args], options, allowPositionals: true });
  } catch (error) {
    return error instanceof Error ? error : new Error("the arguments cannot be read");
  }
}

/** One that is another command's: left aside, what it was to prevent would be done. */
function foreignOption(command: string, given: readonly string[]): string | undefined {
  const own = ownOptions[command] ?? [];
  const owned = Object.values(ownOptions).flat();
  return given.find((option) => owned.includes(option) && !own.includes(option));
}

process.exitCode = await main(process.argv.slice(2));
