import { resolve } from "node:path";
import { isDeepStrictEqual } from "node:util";
import type { LoadedConfig } from "../config/config.ts";
import { type ReadFile, readTextFile } from "../config/file.ts";
import { ConfigError, type Problem } from "../config/problem.ts";
import { readConfig } from "../config/read.ts";
import { type Settings, settingsFrom } from "../config/settings.ts";
import { type ResolvedPlugin, resolvePlugins } from "../plugin/load.ts";
import type { Awaitable } from "../plugin/plugin.ts";
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
  const problems: Problem[] = [];
  const noted = (error: unknown): LoadedConfig | null => {
    if (!(error instanceof ConfigError)) throw error;
    // One thing a place: what is empty because it could not be filled fits no option either.
    problems.push(...error.problems.filter((one) => !problems.some((other) => isSamePlace(one, other))));
    return error.readable;
  };
  const loaded = await readConfig({ path, env, readFile }).catch(noted);
  if (loaded === null) throw new ConfigError(problems);
  for (const file of pluginFiles(loaded)) seen.see(file);
  const settings = await attempt(() => settingsFrom({ flags, env, config: loaded.config }), noted);
  const resolved = await attempt(() => resolvePlugins(loaded, input.builtins), noted);
  for (const kind of ["guardrail", "cache"] as const)
    for (const name of Object.keys(loaded.config[kind]))
      problems.push(loaded.source.problem([kind, name], `this version runs no ${kind} plugins`, "key"));
  if (problems.length > 0 || settings === null || resolved === null) throw new ConfigError(problems);
  return { loaded, settings, resolved, files: seen.list() };
}

async function attempt<T>(work: () => Awaitable<T>, failed: (error: unknown) => void): Promise<T | null> {
  try {
    return await work();
  } catch (error) {
    failed(error);
    return null;
  }
}

const isSamePlace = (one: Problem, other: Problem): boolean =>
  one.position !== null && one.file === other.file && isDeepStrictEqual(one.position, other.position);
