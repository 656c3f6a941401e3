import type { Buffer } from "node:buffer";
import { readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { derivedKey, masterSecret } from "../identity/secret.ts";
import type { Logger } from "../plugin/plugin.ts";
import { appliedConfigName } from "../storage/applied-config.ts";
import { StorageError } from "../storage/migrate.ts";
import { type ConfigFacts, factsOf, planOf } from "./config-facts.ts";
import type { Command } from "./command.ts";
import { type Wanted, wantedConfig } from "./wanted.ts";

interface Applied {
  readonly appliedMs: number;
  readonly facts: ConfigFacts;
}

/** For `plan`, which runs beside the process. */
export function keepApplied(wanted: Wanted, key: Buffer, nowMs: number, logger: Logger): void {
  const path = join(wanted.settings.dataDir, appliedConfigName);
  try {
    const applied: Applied = { appliedMs: nowMs, facts: factsOf(wanted, key) };
    writeFileSync(`${path}.new`, JSON.stringify(applied), { mode: 0o600 });
    renameSync(`${path}.new`, path);
  } catch (error) {
    logger.warn({ error }, "what the config says could not be kept for `plan`");
  }
}

/** What a reload would change: the config file against what was applied last. Nothing is started and nothing written. */
export const plan: Command = async (input) => {
  const wanted = await wantedConfig(input);
  const { dataDir } = wanted.settings;
  const path = join(dataDir, appliedConfigName);
  const text = textOf(path);
  const applied = text === null ? null : appliedIn(text);
  const key = derivedKey(masterSecret(input.env, dataDir).value, "config-digests");
  const lines = planOf(applied?.facts ?? {}, factsOf(wanted, key));
  if (input.flags.json) {
    input.print(JSON.stringify({ ok: true, appliedAt: applied?.appliedMs ?? null, lines }));
    return 0;
  }
  input.print(
    applied
      ? `${lines.length === 0 ? "Nothing changes" : "Changes"} against what was applied at ${new Date(applied.appliedMs).toISOString()}.`
      : "No config was applied with this data folder yet: all of it is new.",
  );
  for (const { change, path: at, before, after, needsRestart } of lines) {
    const sign = { added: "+", removed: "-", changed: "~" }[change];
    const values = change === "changed" ? `: ${before} → ${after}` : `: ${after ?? before}`;
    input.print(`${sign} ${at}${values}${needsRestart ? "  (needs a restart)" : ""}`);
  }
  return 0;
};

/** `null`: there is none. A folder that cannot be looked into may have one. */
function textOf(path: string): string | null {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return null;
    throw new StorageError(`what was applied last cannot be read: ${error instanceof Error ? error.message : path}`);
  }
}

/** What this program wrote; `null`: what another version did, which compares with nothing. */
function appliedIn(text: string): Applied | null {
  try {
    const value = JSON.parse(text) as Partial<Applied> | null;
    return typeof value?.appliedMs === "number" && typeof value.facts === "object"
      ? { appliedMs: value.appliedMs, facts: value.facts }
      : null;
  } catch {
    return null;
  }
}
