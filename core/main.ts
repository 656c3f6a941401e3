import { parseArgs } from "node:util";
import manifest from "../package.json" with { type: "json" };
import { builtins } from "../plugins/index.ts";
import { check, plugins } from "./commands/check.ts";
import type { Command, ExitCode } from "./commands/command.ts";
import { explainFailure } from "./commands/failure.ts";
import { serve } from "./commands/serve.ts";
import { adminToken, backup, doctor, migrate } from "./commands/storage.ts";

const commands: Readonly<Record<string, Command>> = {
  serve,
  check,
  doctor,
  migrate,
  backup,
  plugins,
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
} as const;

async function main(args: readonly string[]): Promise<ExitCode> {
  const printError = (line: string) => void process.stderr.write(`${line}\n`);
  const parsed = parse(args);
  const command = parsed && commands[parsed.positionals[0] ?? "serve"];
  if (!parsed || !command) {
    printError(
      `usage: llm-proxy [${Object.keys(commands).join("|")}] [--config FILE] [--host H] [--port N] [--data DIR] [--json]`,
    );
    return 2;
  }
  const print = (line: string) => void process.stdout.write(`${line}\n`);
  const [, ...words] = parsed.positionals;
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
