import { isJsonArray, isJsonObject, type Json, type JsonObject } from "../../chat/json.ts";
import type { NativeOnly, Tool, ToolCallPart, ToolChoice } from "../../chat/request.ts";
import { sameJson, without } from "../extensions.ts";
import { invalid, readBoolean, readObject, readString } from "../fields.ts";
import { isPlainTool } from "./envelope.ts";
import { dialectName, keep, kept } from "./kept.ts";

/*
 * A `namespace` is a list of tools that the client runs under a common name, which its calls repeat beside their own. Other
 * protocols have one name, so it becomes `namespace__name`; each tool keeps the namespace, by which they are gathered again.
 */

/** The tools of one entry of `tools`: functions, custom tools, those of a namespace; any other runs at the provider. */
export function decodeTool(tool: JsonObject, path: string): readonly Tool[] {
  if (isClientNamespace(tool)) {
    const { tools, ...namespace } = tool;
    const name = readString(tool["name"], `${path}.name`) ?? "";
    return (isJsonArray(tools) ? tools.filter(isJsonObject) : []).map((inner, i) => {
      const decoded = decodePlainTool(inner, `${path}.tools[${i}]`);
      return { ...decoded, name: joinName(name, decoded.name), ...keep({ ...kept(decoded), namespace }) };
    });
  }
  if (isPlainTool(tool)) return [decodePlainTool(tool, path)];
  return [{ type: "server", dialect: dialectName, definition: tool }];
}

/** The entries of `tools`. `isForeign`: what another protocol left out means what it means there. */
export function encodeTools(
  tools: readonly Tool[],
  isForeign: boolean,
  warn: (what: string) => void,
): readonly JsonObject[] {
  const entries: JsonObject[] = [];
  for (const tool of tools) {
    if (tool.type === "server") {
      if (tool.dialect === dialectName) entries.push(tool.definition);
      else warn("a tool that another provider runs");
      continue;
    }
    if (tool.cache !== undefined) warn("cache marks");
    const { namespace, ...own } = kept(tool);
    if (!isJsonObject(namespace)) {
      entries.push(encodePlainTool(tool, tool.name, own, isForeign));
      continue;
    }
    const name = splitName(namespace["name"], tool.name);
    const inner = encodePlainTool(tool, name, own, isForeign);
    const last = entries.at(-1);
    const gathered = last?.["tools"];
    if (last !== undefined && isJsonArray(gathered) && sameJson(without(last, toolsKey), namespace)) {
      entries[entries.length - 1] = { ...last, tools: [...gathered, inner] };
    } else entries.push({ ...namespace, tools: [inner] });
  }
  return entries;
}

/** Tools that the provider runs. */
export const nativeTools = (tools: Json | undefined): readonly NativeOnly[] =>
  (isJsonArray(tools) ? tools : []).flatMap((tool, i): readonly NativeOnly[] => {
    if (!isJsonObject(tool) || isPlainTool(tool) || isClientNamespace(tool) || isOffer(tool)) return [];
    const name = typeof tool["type"] === "string" ? tool["type"].slice(0, 64) : "that the provider runs";
    return [{ param: `tools[${i}]`, what: `the tool ${name}` }];
  });

/** `null`: not said, or said in words that only this dialect has; those the caller keeps. */
export function decodeToolChoice(choice: Json | undefined): ToolChoice | null {
  if (choice === "auto" || choice === "none" || choice === "required") return { type: choice };
  if (!isJsonObject(choice)) return null;
  const { type, name } = choice;
  if (type === "allowed_tools") return decodeAllowed(choice);
  if (typeof name !== "string" || !isPlainTool(choice)) return null;
  return { type: "tool", name, ...(type === "custom" ? { custom: true } : {}) };
}

/** `custom`: the names of tools that take free text. */
export function encodeToolChoice(choice: ToolChoice, custom: ReadonlySet<string>): Json {
  if (choice.type === "tool") return { type: choice.custom ? "custom" : "function", name: choice.name };
  if (!choice.allowed) return choice.type;
  const tools = choice.allowed.map((name) => ({ type: custom.has(name) ? "custom" : "function", name }));
  return { type: "allowed_tools", mode: choice.type, tools };
}

/** A `function_call` or `custom_tool_call`. */
export function decodeToolCall(item: JsonObject): ToolCallPart {
  const isCustom = item["type"] === "custom_tool_call";
  const { call_id: id, name, namespace } = item;
  const input = item[isCustom ? "input" : "arguments"];
  return {
    type: "tool-call",
    id: typeof id === "string" ? id : "",
    name: joinName(namespace, typeof name === "string" ? name : ""),
    input: typeof input === "string" ? input : input === undefined || input === null ? "" : JSON.stringify(input),
    ...(isCustom ? { custom: true } : {}),
    ...keep(without(item, isCustom ? customCallKeys : callKeys)),
  };
}

/** A function without arguments is called with `{}`: clients parse the text. */
export function encodeToolCall(call: ToolCallPart): JsonObject {
  const own = kept(call);
  const name = splitName(own["namespace"], call.name);
  if (call.custom) return { ...own, type: "custom_tool_call", call_id: call.id, name, input: call.input };
  return { ...own, type: "function_call", call_id: call.id, name, arguments: call.input || "{}" };
}

/** `namespace` of a call to one of `tools`, as the request that offered it had it. */
export function namespaceOf(name: string, tools: readonly Tool[]): JsonObject {
  const tool = tools.find((offered) => offered.type !== "server" && offered.name === name);
  const { namespace } = tool === undefined || tool.type === "server" ? {} : kept(tool);
  return isJsonObject(namespace) && typeof namespace["name"] === "string" ? { namespace: namespace["name"] } : {};
}

/** Without its namespace, where it has one. */
export function splitName(namespace: Json | undefined, name: string): string {
  const prefix = typeof namespace === "string" ? `${namespace}__` : "";
  return prefix !== "" && name.startsWith(prefix) ? name.slice(prefix.length) : name;
}

const joinName = (namespace: Json | undefined, name: string): string =>
  typeof namespace === "string" && namespace !== "" ? `${namespace}__${name}` : name;

function isClientNamespace({ type, name, tools }: JsonObject): boolean {
  if (type !== "namespace" || typeof name !== "string" || !isJsonArray(tools) || tools.length === 0) return false;
  return tools.every((tool) => isJsonObject(tool) && isPlainTool(tool));
}

/** Codex offers every model an index of the web that it does without where there is none. */
const isOffer = ({ type, external_web_access: access }: JsonObject): boolean =>
  type === "web_search" && access === false;

type PlainTool = Exclude<Tool, { readonly type: "server" }>;

function decodePlainTool(tool: JsonObject, path: string): PlainTool {
  const name = readString(tool["name"], `${path}.name`);
  if (name === null || name === "") throw invalid(`${path}.name`, "is required");
  const description = readString(tool["description"], `${path}.description`);
  if (tool["type"] === "custom") {
    const format = readObject(tool["format"], `${path}.format`);
    return {
      type: "custom",
      name,
      description,
      format: format === null ? null : decodeToolFormat(format),
      ...keep(without(tool, customKeys)),
    };
  }
  const { output_schema: returns } = tool;
  return {
    type: "function",
    name,
    description,
    parameters: readObject(tool["parameters"], `${path}.parameters`),
    strict: readBoolean(tool["strict"], `${path}.strict`),
    ...(isJsonObject(returns) ? { returns } : {}),
    ...keep(without(tool, isJsonObject(returns) ? functionKeys : plainKeys)),
  };
}

function encodePlainTool(tool: PlainTool, name: string, own: JsonObject, isForeign: boolean): JsonObject {
  const description = tool.description === null ? {} : { description: tool.description };
  if (tool.type === "custom") {
    const format = tool.format === null ? {} : { format: encodeToolFormat(tool.format) };
    return { type: "custom", name, ...description, ...format, ...own };
  }
  // Here functions are strict unless they say otherwise; elsewhere it is the other way round.
  const strict = tool.strict ?? (isForeign ? false : null);
  const parameters = tool.parameters ?? (isForeign ? { type: "object", properties: {} } : null);
  return {
    type: "function",
    name,
    ...description,
    ...(parameters === null ? {} : { parameters }),
    ...(strict === null ? {} : { strict }),
    ...(tool.returns === undefined ? {} : { output_schema: tool.returns }),
    ...own,
  };
}

/** `{type: "grammar", syntax, definition}` here; the canonical form, as openai-chat's, has a `grammar` of its own. */
function decodeToolFormat(format: JsonObject): JsonObject {
  if (format["type"] !== "grammar") return format;
  const { type, ...grammar } = format;
  return { type, grammar };
}

function encodeToolFormat(format: JsonObject): JsonObject {
  const { type, grammar } = format;
  return type === "grammar" && isJsonObject(grammar) ? { type, ...grammar } : format;
}

/** `{type: "allowed_tools", mode: "auto" | "required", tools: [{type: "function", name}]}`. */
function decodeAllowed({ mode, tools }: JsonObject): ToolChoice | null {
  if (!isJsonArray(tools) || (mode !== "auto" && mode !== "required")) return null;
  const names = tools.map((tool) => (isJsonObject(tool) && isPlainTool(tool) ? tool["name"] : null));
  return names.every((name) => typeof name === "string") ? { type: mode, allowed: names } : null;
}

const toolsKey = new Set(["tools"]);
const plainKeys = new Set(["type", "name", "description", "parameters", "strict"]);
const functionKeys = new Set([...plainKeys, "output_schema"]);
const customKeys = new Set(["type", "name", "description", "format"]);
const callKeys = new Set(["type", "call_id", "name", "arguments"]);
const customCallKeys = new Set(["type", "call_id", "name", "input"]);
