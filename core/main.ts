import { parseArgs } from "node:util";
import manifest from "../package.json" with { type: "json" };
import { builtins } from "../plugins/index.ts";
import { audit } from "./commands/audit.ts";
import { check, plugins } from "./commands/check.ts";
import type { Command, ExitCode } from "./commands/command.ts";
import { doctor } from "./commands/doctor.ts";
import { explainFailure } from "./commands/failure.ts";
import { reprice } from "./commands/reprice.ts";
import { serve } from "./commands/serve.ts";
import { adminToken, backup, migrate } from "./commands/storage.ts";

const commands: Readonly<Record<string, Command>> = {
  serve,
  check,
  doctor,
  migrate,
  backup,
  reprice,
  plugins,
  audit,
  "admin-token": adminToken,
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
          backup FILE  ·  audit verify [SEQ-HASH]  ·  doctor --repair  ·  migrate --compact  ·  admin-token --new  ·  reprice --from TIME --to TIME [--model NAME] [--dry-run] [--reason TEXT] [--author NAME]`;

async function main(args: readonly string[]): Promise<ExitCode> {
  const printError = (line: string) => void process.stderr.write(`${line}\n`);
  const parsed = parse(args);
  const command = parsed && commands[parsed.positionals[0] ?? "serve"];
  const print = (line: string) => void process.stdout.write(`${line}\n`);
  if (parsed?.values.help) {
    print(usage);
    return 0;
  }
  const [, ...words] = parsed?.positionals ?? [];
  if (!parsed || !command || (words.length > 0 && command !== backup && command !== audit)) {
    printError(usage);
    return 2;
  }
  try {
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
  } catch {
    return null;
  }
}

process.exitCode = await main(process.argv.slice(2));
