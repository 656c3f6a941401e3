import { resolve } from "node:path";
import type { LoadedConfig } from "../config/config.ts";
import { type ReadFile, readTextFile } from "../config/file.ts";
import { ConfigError } from "../config/problem.ts";
import { readConfig } from "../config/read.ts";
import { type Settings, settingsFrom } from "../config/settings.ts";
import { type ResolvedPlugin, resolvePlugins } from "../plugin/load.ts";
import { pluginFiles, type SeenFile, SeenFiles } from "./seen-files.ts";
import { type CommandInput, pathOfConfig } from "./command.ts";

/** A config as it is to be: read, checked, its plugins found. Nothing of it runs yet. */
export interface Wanted {
  readonly loaded: LoadedConfig;
  readonly settings: Settings;
  readonly resolved: readonly ResolvedPlugin[];
  /** Where it came from: the file, its secret files, and those of its plugins. */
  readonly files: readonly SeenFile[];
}

/** Throws `ConfigError` with all that is wrong; `seen` has what was read by then. */
export async function wantedConfig(input: CommandInput, seen = new SeenFiles()): Promise<Wanted> {
  const { flags, env } = input;
  const path = pathOfConfig(input);
  if (path !== null) seen.see(resolve(path));
  const readFile: ReadFile = (file) => {
    seen.see(file);
    return readTextFile(file);
  };
  const loaded = await readConfig({ path, env, readFile });
  for (const file of pluginFiles(loaded)) seen.see(file);
  const settings = settingsFrom({ flags, env, config: loaded.config });
  const resolved = await resolvePlugins(loaded, input.builtins);
  for (const { kind, name } of resolved)
    if (kind === "guardrail" || kind === "cache")
      throw new ConfigError([loaded.source.problem([kind, name], `this version runs no ${kind} plugins`, "key")]);
  return { loaded, settings, resolved, files: seen.list() };
}
