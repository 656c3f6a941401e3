import { existsSync } from "node:fs";
import { resolve } from "node:path";
import { didYouMean } from "../config/nearest.ts";
import { reasonOf } from "../config/problem.ts";
import {
  failedImport,
  importPackage,
  missingModuleHint,
  moduleOf,
  provideModule,
  resolvePackage,
} from "../runtime/plugin-module.ts";
import { within } from "./deadline.ts";
import * as pluginModule from "./plugin.ts";
import type { Kind, Plugin } from "./plugin.ts";
import { pluginTrouble } from "./shape.ts";

type Loader = () => Promise<unknown>;

/** Kind → name → module, as `plugins/index.ts` lists them. */
export type Builtins = Readonly<Partial<Record<Kind, Readonly<Record<string, Loader>>>>>;

export type Origin = "built-in" | "npm" | "file";

export interface Wanted {
  readonly kind: Kind;
  /** The instance's name. */
  readonly name: string;
  /** A built-in's name, `npm:x` or a package's name, or a path. */
  readonly use: string;
  /** Of the config file: where paths and packages are looked for. */
  readonly directory: string;
}

export interface Found {
  readonly plugin: Plugin;
  readonly origin: Origin;
}

/** Imports the plugin that an instance names. Throws an `Error` whose message fits after the instance's name. */
export async function findPlugin(wanted: Wanted, builtins: Builtins): Promise<Found> {
  provideModule("llm-proxy/plugin", pluginModule);
  const { origin, load } = sourceOf(wanted, builtins[wanted.kind] ?? {});
  return { plugin: choose(pluginsIn(await imported(load)), wanted, origin), origin };
}

/** `null`: what `use` names is no file. */
export const pluginFile = (use: string, directory: string): string | null =>
  /^\.{0,2}\//.test(use) ? resolve(directory, use) : null;

function sourceOf(
  { kind, use, directory }: Wanted,
  builtins: Readonly<Record<string, Loader>>,
): { origin: Origin; load: Loader } {
  const builtin = Object.hasOwn(builtins, use) ? builtins[use] : undefined;
  if (builtin !== undefined) return { origin: "built-in", load: builtin };
  const path = pluginFile(use, directory);
  if (path !== null) {
    if (!existsSync(path)) throw new Error("no such file");
    return { origin: "file", load: () => import(moduleOf(path)) };
  }
  const name = use.replace(/^npm:/, "");
  const url = packageUrl(name, directory);
  if (url !== null) return { origin: "npm", load: () => importPackage(url) };
  if (name !== use) throw new Error(`npm package "${name}" is not installed beside the config file`);
  const hint = didYouMean(use, Object.keys(builtins));
  throw new Error(`no built-in ${kind} plugin "${use}"${hint}, and no npm package of that name beside the config file`);
}

function packageUrl(name: string, directory: string): string | null {
  try {
    return resolvePackage(name, directory);
  } catch {
    return null;
  }
}

/** What a file awaits at its top may never come, and a reload or a `check` would wait for it. */
export const importDeadlineMs = 10_000;

async function imported(load: Loader): Promise<unknown> {
  try {
    return await within(importDeadlineMs, load);
  } catch (error) {
    const failed = failedImport(error);
    const reason = `${failed.place}${reasonOf(failed.error)}`;
    const hint = reason.includes("llm-proxy/plugin")
      ? missingModuleHint("llm-proxy/plugin", new URL("plugin.ts", import.meta.url))
      : "";
    throw new Error(`import failed: ${reason}${hint}`, { cause: error });
  }
}

function pluginsIn(module: unknown): readonly Plugin[] {
  if (typeof module !== "object" || module === null || !("default" in module))
    throw new Error("has no default export; write export default definePlugin({ … })");
  const values: readonly unknown[] = Array.isArray(module.default) ? module.default : [module.default];
  return values.map((value) => {
    const trouble = pluginTrouble(value);
    if (trouble !== null) throw new Error(trouble);
    // Checked in full just above.
    return value as Plugin;
  });
}

function choose(plugins: readonly Plugin[], { kind, name, use }: Wanted, origin: Origin): Plugin {
  const ofKind = plugins.filter((plugin) => plugin.kind === kind);
  if (ofKind.length === 0) {
    const kinds = [...new Set(plugins.map((plugin) => plugin.kind))].join(", ");
    throw new Error(`exports no ${kind} plugin, but: ${kinds || "nothing"}`);
  }
  const wantedName = origin === "built-in" ? use : name;
  const names = ofKind.map((plugin) => plugin.name);
  const twice = names.find((each, at) => names.indexOf(each) !== at);
  if (twice !== undefined) throw new Error(`exports two ${kind} plugins of the name ${twice}`);
  const [only, ...others] = ofKind;
  const chosen = others.length === 0 ? only : ofKind.find((plugin) => plugin.name === wantedName);
  if (chosen !== undefined) return chosen;
  throw new Error(`exports several ${kind} plugins; name the instance after one of them: ${names.join(", ")}`);
}
