import { type TSchema, TypeBoxError } from "@sinclair/typebox";
import { Value } from "@sinclair/typebox/value";
import { resolve } from "node:path";
import { convertFilled, faultsOf } from "../config/check.ts";
import type { InstanceOptions, LoadedConfig } from "../config/config.ts";
import { ConfigError, pointer, type Problem, reasonOf, steps } from "../config/problem.ts";
import { pluginSections } from "../config/schema.ts";
import { atOnce } from "./at-once.ts";
import { type Builtins, findPlugin, type Origin } from "./find.ts";
import { leavesOf, placeOf } from "./option-secrets.ts";
import type { FileFacts, Kind, Plugin } from "./plugin.ts";

/** An instance of the config with its plugin, ready for `setup`. */
export interface ResolvedPlugin {
  readonly kind: Kind;
  /** The instance's name. */
  readonly name: string;
  readonly plugin: Plugin;
  readonly origin: Origin;
  /** Checked, defaulted. */
  readonly options: Readonly<Record<string, unknown>>;
  /** Places of options that only `setup` can check, as the database knows what they name. */
  readonly unchecked: readonly string[];
}

/**
 * Finds the plugin of every instance and checks its options. Nothing runs but the imports. In the order of `setup`:
 * storage first, then section by section in the order of the documentation, each in file order. Throws `ConfigError`
 * with all that is wrong.
 */
export async function resolvePlugins(loaded: LoadedConfig, builtins: Builtins): Promise<readonly ResolvedPlugin[]> {
  const instances = pluginSections.flatMap((kind) =>
    Object.entries(loaded.config[kind]).map(([name, instance]) => ({ kind, name, instance })),
  );
  // Beside each other: to load them is mostly to wait.
  const results = await Promise.all(instances.map((named) => resolveInstance(named, loaded, builtins)));
  const problems = results.flatMap((result) => ("problems" in result ? result.problems : []));
  if (problems.length > 0) throw new ConfigError(problems);
  return results.flatMap((result) => ("problems" in result ? [] : [result]));
}

interface Named {
  readonly kind: Kind;
  readonly name: string;
  readonly instance: InstanceOptions;
}

async function resolveInstance(
  { kind, name, instance }: Named,
  { directory, source, config }: LoadedConfig,
  builtins: Builtins,
): Promise<ResolvedPlugin | { problems: readonly Problem[] }> {
  const { use = name, ...written } = instance;
  try {
    const { plugin, origin } = await findPlugin({ kind, name, use, directory }, builtins);
    const options = structuredClone(written);
    const checked = checkOptions({ kind, name, plugin, options }, { directory, source, config });
    return "problems" in checked ? checked : { kind, name, plugin, origin, options, ...checked };
  } catch (error) {
    const message = error instanceof TypeBoxError ? noSchema : reasonOf(error);
    const place = instance.use === undefined ? source.locate([kind, name], "key") : source.locate([kind, name, "use"]);
    const problem = source.problem([kind, name], message, "key");
    return {
      problems: [
        { ...problem, position: place, path: `${kind} "${name}"${instance.use === undefined ? "" : ` (${use})`}` },
      ],
    };
  }
}

/** As a schema in plain JSON has it: what its parts are is not said in it for whoever checks by it. */
const noSchema =
  "its config has a part that nothing can be checked by: build it with t of llm-proxy/plugin, without t.Unsafe";

interface Options {
  readonly kind: Kind;
  readonly name: string;
  readonly plugin: Plugin;
  /** Defaulted in place. */
  readonly options: Record<string, unknown>;
}

function checkOptions(
  { kind, name, plugin, options }: Options,
  { directory, source, config }: Pick<LoadedConfig, "directory" | "source" | "config">,
): { readonly problems: readonly Problem[] } | Pick<ResolvedPlugin, "unchecked"> {
  const schema = closed(plugin.config);
  resolvePaths(schema, options, directory);
  Value.Default(schema, options);
  convertFilled(schema, options, (at) => source.wasFilled(pointer([kind, name]) + at));
  const faults = faultsOf(schema, options).map(({ at, unknownKey, message }) => {
    const path = [kind, name, ...steps(at)];
    return unknownKey ? source.problem(path, message, "key") : source.problem(path, message);
  });
  if (faults.length > 0) return { problems: faults };
  try {
    // Whatever a plugin without types returns.
    const file = { providers: Object.keys(config.provider), earlier: earlierThan(name, config[kind]) };
    const unchecked: unknown = atOnce("check", plugin.check?.(options, file));
    return { unchecked: Array.isArray(unchecked) ? unchecked.filter((place) => typeof place === "string") : [] };
  } catch (error) {
    const reason = maskOptions(reasonOf(error), { plugin, options });
    const problem = optionProblem(reason, { kind, name, options }, source);
    return { problems: [problem ?? source.problem([kind, name], reason, "key")] };
  }
}

/** Those of the same `use`. */
function earlierThan(name: string, section: Readonly<Record<string, InstanceOptions>>): FileFacts["earlier"] {
  const all = Object.entries(section).map(([each, { use = each, ...options }]) => ({ name: each, use, options }));
  const at = all.findIndex((one) => one.name === name);
  return all.slice(0, at).filter(({ use }) => use === all[at]?.use);
}

/** What a plugin says of one of its options, `charges[0].fee: …`, at its place; `null`: it names none. */
export function optionProblem(
  reason: string,
  { kind, name, options }: Pick<ResolvedPlugin, "kind" | "name" | "options">,
  source: LoadedConfig["source"],
): Problem | null {
  const [, place = "", rest = ""] = /^([\w.[\]-]+): (.+)/.exec(reason) ?? [];
  const path = place.split(/[.[\]]+/).filter((step) => step !== "");
  return Object.hasOwn(options, path[0] ?? "") ? source.problem([kind, name, ...path], rest) : null;
}

/** Covers options that are secrets by schema or name: those that stand in the file itself are known by nothing else. */
export function maskOptions(text: string, { plugin, options }: Pick<ResolvedPlugin, "plugin" | "options">): string {
  const secrets = [...leavesOf(options, placeOf(plugin.config))].flatMap(({ value, isSecret }) =>
    isSecret && typeof value === "string" && value.length >= 6 ? [value] : [],
  );
  // Longest first, so that a secret that contains another is covered whole.
  const covered = secrets.toSorted((left, right) => right.length - left.length);
  return covered.reduce((masked, secret) => masked.replaceAll(secret, "***"), text);
}

/** `billing "ledger" (ledger)`: how errors and logs name an instance. */
export const describeInstance = ({ kind, name, plugin }: Pick<ResolvedPlugin, "kind" | "name" | "plugin">): string =>
  `${kind} "${name}" (${plugin.name})`;

/** Options a plugin does not know are mistakes, also where its author forgot to say so. */
const closed = (schema: TSchema): TSchema =>
  "additionalProperties" in schema ? schema : { ...schema, additionalProperties: false };

/** Options with `filePath: true` in their schema are paths: relative to the config file when it sets them. */
function resolvePaths(schema: TSchema, options: Record<string, unknown>, directory: string): void {
  const properties: Readonly<Record<string, TSchema>> = schema.properties ?? {};
  for (const [name, property] of Object.entries(properties)) {
    const path = options[name];
    if (property.filePath === true && typeof path === "string" && path !== "") options[name] = resolve(directory, path);
  }
}
