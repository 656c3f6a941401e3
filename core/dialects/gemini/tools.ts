import { isJsonArray, isJsonObject, type Json, type JsonObject } from "../../chat/json.ts";
import type { NativeOnly, Tool, ToolChoice } from "../../chat/request.ts";
import { sameJson, without } from "../extensions.ts";
import { invalid, readString } from "../fields.ts";
import { readFunctions, readTools } from "./envelope.ts";
import { dialectName, keep, kept } from "./kept.ts";
import { toJsonSchema } from "./schema.ts";
import { camelObject, enumWord } from "./spelling.ts";
import type { Warn } from "./warn.ts";

/** Functions of all tool objects, and what else they name: those run at Google. */
export function decodeTools(value: Json | undefined): readonly Tool[] {
  return readTools(value).flatMap((tool, i) => [
    ...readFunctions(tool, `tools[${i}]`).map((declared, j) =>
      decodeFunction(declared, `tools[${i}].functionDeclarations[${j}]`),
    ),
    ...serverTools(tool).map(([name, options]) => ({
      type: "server" as const,
      dialect: dialectName,
      definition: { [name]: options },
    })),
  ]);
}

export const serverToolsIn = (value: Json | undefined): readonly NativeOnly[] =>
  readTools(value).flatMap((tool, i) =>
    serverTools(tool).map(([name]) => ({ param: `tools[${i}].${name}`, what: `the tool ${name.slice(0, 64)}` })),
  );

const serverTools = (tool: JsonObject): readonly (readonly [string, Json])[] =>
  Object.entries(tool).flatMap(([name, options]) =>
    name === "functionDeclarations" || options === undefined || options === null ? [] : [[name, options] as const],
  );

/** One object for all functions, one for each tool of Google's. Tools of others are left out. */
export function encodeTools(tools: readonly Tool[], warn: Warn): JsonObject {
  const functions = tools.flatMap((tool) => (tool.type === "function" ? [encodeFunction(tool, warn)] : []));
  const servers = tools.flatMap((tool) => {
    if (tool.type === "server" && tool.dialect === dialectName) return [tool.definition];
    if (tool.type === "server") warn("a tool that another provider runs");
    if (tool.type === "custom") warn("a tool of the kind 'custom'");
    return [];
  });
  const all = [...(functions.length > 0 ? [{ functionDeclarations: functions }] : []), ...servers];
  return all.length > 0 ? { tools: all } : {};
}

/** `validated`: calls are held to their schemas although none is demanded; the canonical choice has no word for it. */
export interface DecodedChoice {
  readonly choice: ToolChoice | null;
  readonly validated: boolean;
}

/** `config`: `functionCallingConfig` in camel case. `null`: there is no such mode, or none. */
export function decodeToolChoice(config: JsonObject): DecodedChoice | null {
  const mode = enumWord(config["mode"], modes)?.toUpperCase();
  const names = config["allowedFunctionNames"];
  const allowed = isJsonArray(names) ? names.filter((name) => typeof name === "string") : [];
  const some = allowed.length > 0 ? { allowed } : {};
  switch (mode) {
    case "AUTO":
      return { choice: { type: "auto", ...some }, validated: false };
    case "VALIDATED":
      return { choice: { type: "auto", ...some }, validated: true };
    case "NONE":
      return { choice: { type: "none", ...some }, validated: false };
    case "ANY": {
      const [name, ...others] = allowed;
      const isOne = name !== undefined && others.length === 0;
      return { choice: isOne ? { type: "tool", name } : { type: "required", ...some }, validated: false };
    }
    default:
      return null;
  }
}

/** A restriction to some functions holds in the modes ANY and VALIDATED only. */
export function encodeToolChoice(choice: ToolChoice | null, validated: boolean): JsonObject {
  if (choice === null) return validated ? { mode: "VALIDATED" } : {};
  if (choice.type === "tool") return { mode: "ANY", allowedFunctionNames: [choice.name] };
  const allowed = choice.allowed === undefined ? {} : { allowedFunctionNames: choice.allowed };
  if (choice.type === "none") return { mode: "NONE", ...allowed };
  if (choice.type === "required") return { mode: "ANY", ...allowed };
  return { mode: validated || choice.allowed !== undefined ? "VALIDATED" : "AUTO", ...allowed };
}

const modes = ["MODE_UNSPECIFIED", "AUTO", "ANY", "NONE"];

function decodeFunction(declared: JsonObject, path: string): Tool {
  const name = readString(declared["name"], `${path}.name`);
  if (name === null || name === "") throw invalid(`${path}.name`, "is required");
  const { parameters, parametersJsonSchema: schema, response, responseJsonSchema } = declared;
  const consumed = new Set(functionKeys);
  // Google's own form is kept, and written again as long as it says the same.
  if (isJsonObject(schema)) consumed.add("parametersJsonSchema");
  const returns = isJsonObject(responseJsonSchema)
    ? responseJsonSchema
    : isJsonObject(response)
      ? toJsonSchema(response)
      : null;
  if (returns === responseJsonSchema) consumed.add("responseJsonSchema");
  return {
    type: "function",
    name,
    description: readString(declared["description"], `${path}.description`),
    parameters: isJsonObject(schema) ? schema : isJsonObject(parameters) ? toJsonSchema(parameters) : null,
    strict: null,
    ...(returns === null ? {} : { returns }),
    ...keep(without(declared, consumed)),
  };
}

/** Every version of the API takes plain JSON Schema (https://ai.google.dev/api/caching#FunctionDeclaration). */
function encodeFunction(tool: Tool & { type: "function" }, warn: Warn): JsonObject {
  const { parameters: own, response, ...more } = kept(tool);
  if (tool.cache !== undefined) warn("cache marks");
  const description = tool.description === null ? {} : { description: tool.description };
  const isOwn = isJsonObject(own) && sameJson(toJsonSchema(own), tool.parameters ?? undefined);
  const parameters = isOwn
    ? { parameters: own }
    : tool.parameters === null
      ? {}
      : { parametersJsonSchema: asObject(tool.parameters) };
  return { name: tool.name, ...description, ...parameters, ...encodeReturns(tool.returns, response), ...more };
}

function encodeReturns(returns: JsonObject | undefined, own: Json | undefined): JsonObject {
  const isOwn = isJsonObject(own) && sameJson(toJsonSchema(own), returns);
  if (isOwn || returns === undefined) return own === undefined ? {} : { response: own };
  return { responseJsonSchema: returns };
}

/** "The schema must describe an object": others let its type go without saying. */
const asObject = (schema: JsonObject): JsonObject =>
  schema["type"] === undefined ? { ...schema, type: "object" } : schema;

const functionKeys = new Set(["name", "description"]);

/** The settings of the choice, in camel case. */
export const callingConfigOf = (toolConfig: JsonObject): JsonObject => camelObject(toolConfig["functionCallingConfig"]);
