import type { LoadedConfig } from "../config/config.ts";
import { ConfigError } from "../config/problem.ts";
import { readConfig } from "../config/read.ts";
import { type Settings, settingsFrom } from "../config/settings.ts";
import { type ResolvedPlugin, resolvePlugins } from "../plugin/load.ts";
import { pluginFiles, type SeenFile, signOf } from "./seen-files.ts";
import { type CommandInput, pathOfConfig } from "./command.ts";

/** A config as it is to be: read, checked, its plugins found. Nothing of it runs yet. */
export interface Wanted {
  readonly loaded: LoadedConfig;
  readonly settings: Settings;
  readonly resolved: readonly ResolvedPlugin[];
  /** Where it came from. */
  readonly files: readonly SeenFile[];
}

/** Throws `ConfigError` with all that is wrong. */
export async function wantedConfig(input: CommandInput): Promise<Wanted> {
  const { flags, env } = input;
  const path = pathOfConfig(input);
  // Before it is read: what changes meanwhile must look new afterwards.
  const seen = path === null ? [] : [{ path, sign: signOf(path) }];
  const loaded = await readConfig({ path, env });
  const settings = settingsFrom({ flags, env, config: loaded.config });
  const resolved = await resolvePlugins(loaded, input.builtins);
  for (const { kind, name } of resolved)
    if (kind === "guardrail" || kind === "cache")
      throw new ConfigError([loaded.source.problem([kind, name], `this version runs no ${kind} plugins`, "key")]);
  return { loaded, settings, resolved, files: [...seen, ...pluginFiles(loaded, resolved)] };
}
