import { isJsonObject, type Json, type JsonObject } from "../chat/json.ts";
import type { Kind, Plugin } from "../plugin/plugin.ts";
import { ConfigSchema, pluginSections } from "./schema.ts";
import { writtenForm } from "./written-form.ts";

/** The plugins that a section can name without a path or package. */
export type Catalogue = Readonly<Record<Kind, readonly Plugin[]>>;

/** JSON Schema of the whole file, options of the built-ins included, for completion in editors. */
export function jsonSchemaOf(catalogue: Catalogue): JsonObject {
  const { properties } = writtenForm(ConfigSchema);
  const sections: Record<string, Json> = {};
  const definitions: Record<string, Json> = {
    filled: { type: "string", pattern: "\\$\\{.+\\}", description: "`${NAME}`, `${NAME:-default}` or `${file:PATH}`." },
  };
  for (const kind of pluginSections) {
    const plugins = catalogue[kind];
    for (const plugin of plugins) definitions[`${kind}.${plugin.name}`] = optionsOf(plugin);
    definitions[kind] = { anyOf: [...plugins.map(({ name }) => using(kind, name)), foreign(plugins)] };
    sections[kind] = {
      type: "object",
      description: String(ConfigSchema.properties[kind].description),
      properties: Object.fromEntries(plugins.map(({ name }) => [name, ownOr(kind, name)])),
      additionalProperties: { $ref: `#/$defs/${kind}` },
    };
  }
  return {
    $schema: "https://json-schema.org/draft/2020-12/schema",
    title: "llm-proxy.yaml",
    type: "object",
    properties: { ...(isJsonObject(properties) ? properties : {}), ...sections },
    additionalProperties: false,
    $defs: definitions,
  };
}

function optionsOf({ name, config, description }: Plugin): Json {
  const { properties, ...schema } = writtenForm(config);
  const use = { const: name, description: "The plugin. Default: the instance's name." };
  return {
    additionalProperties: false,
    ...schema,
    ...(description === undefined ? {} : { description }),
    properties: { use, ...(isJsonObject(properties) ? properties : {}) },
  };
}

const using = (kind: Kind, name: string): Json => ({ $ref: `#/$defs/${kind}.${name}`, required: ["use"] });

/** A plugin of the operator's own: its options are checked when it is loaded. */
const foreign = (builtins: readonly Plugin[]): Json => ({
  type: "object",
  required: ["use"],
  properties: {
    use: {
      type: "string",
      not: { enum: builtins.map(({ name }) => name) },
      description: "`./path.ts` beside this file, or an npm package.",
    },
  },
});

/** An instance named like a plugin is that plugin unless it says otherwise. */
const ownOr = (kind: Kind, name: string): Json => ({
  anyOf: [{ $ref: `#/$defs/${kind}.${name}` }, { $ref: `#/$defs/${kind}` }, { type: "null" }],
});
