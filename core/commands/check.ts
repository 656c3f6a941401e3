import type { Config, FileLimit } from "../config/config.ts";
import { defaultAccount } from "../config/normalise.ts";
import { readConfig } from "../config/read.ts";
import { resolvePlugins } from "../plugin/load.ts";
import { type Command, pathOfConfig } from "./command.ts";
import { wantedConfig } from "./wanted.ts";

/** Whether the config would start, without starting anything: no database, no network, no file written. */
export const check: Command = async (input) => {
  const path = pathOfConfig(input);
  const { loaded, resolved } = await wantedConfig(input);
  if (input.flags.json) {
    input.print(JSON.stringify({ ok: true, file: loaded.file, instances: resolved.length }));
    return 0;
  }
  input.print(`${path ?? "The default config"} is valid: ${resolved.length} plugin instances.`);
  for (const unknown of knownToTheDatabase(loaded.config))
    input.print(`Not checked, as the database knows it: ${unknown}.`);
  return 0;
};

function knownToTheDatabase({ keys, limits }: Config): readonly string[] {
  const elsewhere = keys.filter(({ account }) => account !== defaultAccount).map(({ name }) => name);
  const isUnknown = ({ kind, id }: FileLimit["scope"]) =>
    id !== null &&
    (kind === "key" ? keys.every(({ name }) => name !== id) : kind === "account" && id !== defaultAccount);
  const limited = limits.flatMap(({ scope }, at) => (isUnknown(scope) ? [`limits[${at}]`] : []));
  return [
    ...(elsewhere.length > 0 ? [`the accounts of the keys ${elsewhere.join(", ")}`] : []),
    ...(limited.length > 0 ? [`the account or key of ${limited.join(", ")}`] : []),
  ];
}

/** What is loaded, from where: a line an instance. */
export const plugins: Command = async (input) => {
  const loaded = await readConfig({ path: pathOfConfig(input), env: input.env });
  const resolved = await resolvePlugins(loaded, input.builtins);
  const rows = resolved.map(({ kind, name, plugin, origin }) => ({
    kind,
    name,
    plugin: plugin.name,
    origin,
    description: plugin.description ?? "",
  }));
  if (input.flags.json) input.print(JSON.stringify(rows));
  else
    for (const { kind, name, plugin, origin, description } of rows)
      input.print(`${kind.padEnd(10)} ${name.padEnd(20)} ${plugin.padEnd(20)} ${origin.padEnd(9)} ${description}`);
  return 0;
};
