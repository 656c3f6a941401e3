import { writeFileSync } from "node:fs";
import { doctor } from "../../core/commands/doctor.ts";
import { builtins } from "../../plugins/index.ts";

interface Shown {
  readonly code: string;
  readonly ok: boolean;
  readonly detail: string;
  readonly means: string;
  readonly action: string;
  readonly command: string;
}

/** What `doctor` says of a database, as on the command line. */
export async function examined(path: string, { json = true, repair = false } = {}) {
  const file = `${path}.yaml`;
  writeFileSync(file, `storage: { sqlite: { path: "${path}" } }\n`);
  let text = "";
  const print = (line: string) => void (text += `${line}\n`);
  const flags = { config: file, json, repair };
  const code = await doctor({ flags, words: [], env: {}, builtins, version: "", print, printError: print });
  const checks: readonly Shown[] = json ? JSON.parse(text).checks : [];
  return { code, text, wrong: checks.filter(({ ok }) => !ok) };
}
