import type { TSchema } from "@sinclair/typebox";
import type { Plugin } from "../plugin/plugin.ts";
import type { Catalogue } from "./json-schema.ts";
import { DeclaredKeySchema } from "./key-fields.ts";
import { LoginIssuerSchema } from "./login-schema.ts";
import { ConfigSchema, LimitSchema, pluginSections, PriceSchema, ServerSchema } from "./schema.ts";

/** The config reference of the README, as Markdown, from the schemas alone. */
export function referenceOf(catalogue: Catalogue): string {
  return [
    "### `server`",
    table(rowsOf(ServerSchema)),
    "### `server.login.oidc.NAME`",
    table(rowsOf(LoginIssuerSchema)),
    ...pluginSections.map((kind) =>
      [`### \`${kind}\``, ConfigSchema.properties[kind].description, ...pluginsOf(catalogue[kind])].join("\n\n"),
    ),
    "### `models`",
    String(ConfigSchema.properties.models.description),
    "### `prices`",
    String(ConfigSchema.properties.prices.description),
    table(rowsOf(PriceSchema)),
    "### `limits`",
    String(ConfigSchema.properties.limits.description),
    table(rowsOf(LimitSchema)),
    "### `keys`",
    String(ConfigSchema.properties.keys.description),
    table(rowsOf(DeclaredKeySchema)),
    "### Environment",
    [
      "| variable | meaning |",
      "|---|---|",
      ...environment.map(([name, meaning]) => `| \`${name}\` | ${meaning} |`),
    ].join("\n"),
  ].join("\n\n");
}

const environment: readonly (readonly [string, string])[] = [
  ["LLM_PROXY_CONFIG", "Path of the config file. Default: `llm-proxy.yaml` in the working folder, if there is one."],
  ["LLM_PROXY_DATA", "Folder for the database and the master secret. Default: `./data`."],
  [
    "LLM_PROXY_ADMIN_TOKEN",
    "Bearer token of the admin API. Default: a random one, made and printed at the first start; only its hash is kept.",
  ],
  [
    "LLM_PROXY_SECRET",
    "Master secret that keys are hashed with, at least 16 characters. Default: made at the first start, in the data folder, mode 0600.",
  ],
  ["LLM_PROXY_SECRET_PREVIOUS", "The one before it, for the first start after a change."],
  ["HOST", "Overrides `server.host`."],
  ["PORT", "Overrides `server.port`."],
  ["LOG_LEVEL", "Overrides `server.logLevel`."],
  ["LLM_PROXY_TRANSPORT", "Overrides `server.transport`."],
];

const required = "required";

interface Row {
  readonly key: string;
  readonly type: string;
  readonly fallback: string;
  readonly description: string;
}

/** Plugins with the same options, such as presets, share one table. */
function pluginsOf(plugins: readonly Plugin[]): string[] {
  const groups = Map.groupBy(plugins, ({ config }) =>
    JSON.stringify(rowsOf(config).map(({ key, type, fallback }) => [key, type, fallback === required])),
  );
  return [...groups.values()].map((group) => {
    const names = group.map(({ name, description }) => `- \`${name}\`: ${description ?? ""}`).join("\n");
    const rows = sharedRows(group.map(({ config }) => rowsOf(config)));
    return rows.length === 0 ? `${names}\n\nNo options.` : `${names}\n\n${table(rows)}`;
  });
}

function sharedRows([first = [], ...others]: readonly (readonly Row[])[]): Row[] {
  return first.map((row, index) =>
    others.every((rows) => rows[index]?.fallback === row.fallback) ? row : { ...row, fallback: "its own" },
  );
}

/** `optional`: the whole may be left out, so nothing in it is required. */
function rowsOf(schema: TSchema, prefix = "", optional = false): Row[] {
  const properties: Readonly<Record<string, TSchema>> = schema.properties ?? {};
  return Object.entries(properties).flatMap(([name, property]) => {
    const isNamed = Array.isArray(schema.required) && schema.required.includes(name);
    if (property.properties !== undefined)
      return rowsOf(property, `${prefix}${name}.`, optional || (!isNamed && property.default === undefined));
    const isRequired = !optional && isNamed && property.default === undefined;
    const fallback =
      property.default === undefined ? (isRequired ? required : "") : `\`${JSON.stringify(property.default)}\``;
    return [{ key: prefix + name, type: typeOf(property), fallback, description: property.description ?? "" }];
  });
}

function typeOf(schema: TSchema): string {
  if (Array.isArray(schema.anyOf)) return schema.anyOf.map(typeOf).join(" or ");
  if (schema.const !== undefined) return `\`${String(schema.const)}\``;
  if (schema.type === "array") {
    const items: TSchema = schema.items;
    return `list of ${typeOf(items)}`;
  }
  return schema.type === "object" ? "map" : String(schema.type);
}

function table(rows: readonly Row[]): string {
  const cells = rows.map(
    ({ key, type, fallback, description }) => `| \`${key}\` | ${type} | ${fallback} | ${description} |`,
  );
  return ["| key | type | default | |", "|---|---|---|---|", ...cells.map((line) => line.replaceAll("\n", " "))].join(
    "\n",
  );
}
