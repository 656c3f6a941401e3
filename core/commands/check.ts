import { readConfig } from "../config/read.ts";
import { resolvePlugins } from "../plugin/load.ts";
import { rightOutcome } from "./check-outcome.ts";
import { type Command, pathOfConfig } from "./command.ts";
import { wantedConfig } from "./wanted.ts";

/** Whether the config would start, without starting anything: no database, no network, no file written. */
export const check: Command = async (input) => {
  const path = pathOfConfig(input);
  const outcome = rightOutcome(await wantedConfig(input));
  if (input.flags.json) {
    input.print(JSON.stringify(outcome));
    return 0;
  }
  input.print(`${path ?? "The default config"} is valid: ${outcome.instances} plugin instances.`);
  for (const unknown of outcome.unchecked) input.print(`Not checked, as the database knows it: ${unknown}.`);
  return 0;
};

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
