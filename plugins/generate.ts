import { execFileSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import type { Plugin } from "llm-proxy/plugin";
import { type Catalogue, jsonSchemaOf } from "../core/config/json-schema.ts";
import { referenceOf } from "../core/config/reference.ts";
import { findPlugin } from "../core/plugin/find.ts";
import { builtins } from "./index.ts";

/**
 * `bun plugins/generate.ts [--check]`: writes llm-proxy.schema.json and the config reference in README.md, or with
 * `--check` only says, by its exit code, whether they are what it would write.
 */
const root = new URL("../", import.meta.url);
const start = "<!-- config:start -->";
const end = "<!-- config:end -->";

/** What each generated file should hold. README.md is left out while it has no place for the reference. */
export async function generatedFiles(): Promise<ReadonlyMap<string, string>> {
  const catalogue = await catalogueOf();
  const schema = formatted("llm-proxy.schema.json", JSON.stringify(jsonSchemaOf(catalogue), null, 2));
  const files = new Map([["llm-proxy.schema.json", schema]]);
  const readme = withReference(readText("README.md"), referenceOf(catalogue));
  if (readme !== null) files.set("README.md", formatted("README.md", readme));
  return files;
}

export function readText(name: string): string {
  try {
    return readFileSync(new URL(name, root), "utf8");
  } catch {
    return "";
  }
}

/** As `bun fmt` leaves the file, so that formatting and generating never disagree. */
const formatted = (name: string, text: string): string =>
  execFileSync(process.execPath, ["fmt", "--stdin-filepath", name], { cwd: root, input: text, encoding: "utf8" });

function withReference(readme: string, reference: string): string | null {
  const [before, rest] = readme.split(start);
  const after = rest?.split(end)[1];
  return before === undefined || after === undefined ? null : `${before}${start}\n\n${reference}\n\n${end}${after}`;
}

async function catalogueOf(): Promise<Catalogue> {
  const load = async (kind: keyof Catalogue): Promise<readonly Plugin[]> => {
    const found = Object.keys(builtins[kind]).map((name) =>
      findPlugin({ kind, name, use: name, directory: "." }, builtins),
    );
    return (await Promise.all(found)).map(({ plugin }) => plugin);
  };
  return {
    storage: await load("storage"),
    provider: await load("provider"),
    auth: await load("auth"),
    "rate-limit": await load("rate-limit"),
    billing: await load("billing"),
    guardrail: await load("guardrail"),
    cache: await load("cache"),
    observer: await load("observer"),
  };
}

async function main(checkOnly: boolean): Promise<void> {
  const files = await generatedFiles();
  if (!files.has("README.md")) console.log(`README.md: left alone, it has no ${start} … ${end}`);
  for (const [name, text] of files) {
    const current = readText(name) === text;
    console.log(`${name}: ${current ? "current" : checkOnly ? "not current; run bun plugins/generate.ts" : "written"}`);
    if (current) continue;
    if (checkOnly) process.exitCode = 1;
    else writeFileSync(new URL(name, root), text);
  }
}

if (import.meta.main) await main(process.argv.includes("--check"));
