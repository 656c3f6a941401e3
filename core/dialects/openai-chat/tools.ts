import { isJsonArray, isJsonObject, type Json, type JsonObject } from "../../chat/json.ts";
import type { Tool, ToolCallPart, ToolChoice } from "../../chat/request.ts";
import { isEmpty, without } from "../extensions.ts";
import { invalid, readBoolean, readObject, readString } from "../fields.ts";
import { decodeCache } from "./cache.ts";
import { dialectName, keep, kept } from "./kept.ts";

/** Tools of type `function` (the type may be left out, as Mistral allows) and `custom`; any other runs at the provider. */
export function decodeTool(tool: JsonObject, path: string): Tool {
  const { type } = tool;
  if (type === "custom") {
    const custom = readObject(tool["custom"], `${path}.custom`) ?? {};
    const format = readObject(custom["format"], `${path}.custom.format`);
    const told = { ...named(custom, `${path}.custom`), format, ...cacheOf(tool, custom) };
    return { type: "custom", ...told, ...keepRest(tool, "custom", customKeys) };
  }
  if (type !== "function" && !(type === undefined && isJsonObject(tool["function"]))) {
    return { type: "server", dialect: dialectName, definition: tool };
  }
  const definition = readObject(tool["function"], `${path}.function`) ?? {};
  return {
    type: "function",
    ...named(definition, `${path}.function`),
    parameters: readObject(definition["parameters"], `${path}.function.parameters`),
    strict: readBoolean(definition["strict"], `${path}.function.strict`),
    ...cacheOf(tool, definition),
    ...keepRest(tool, "function", functionKeys),
  };
}

/** `null`: a tool that another protocol's provider runs. */
export function encodeTool(tool: Tool): JsonObject | null {
  if (tool.type === "server") return tool.dialect === dialectName ? tool.definition : null;
  const { [tool.type]: inner, ...outer } = kept(tool);
  const more = isJsonObject(inner) ? inner : {};
  const description = tool.description === null ? {} : { description: tool.description };
  if (tool.type === "custom") {
    const format = tool.format === null ? {} : { format: tool.format };
    return { type: "custom", custom: { name: tool.name, ...description, ...format, ...more }, ...outer };
  }
  const parameters = tool.parameters === null ? {} : { parameters: tool.parameters };
  const strict = tool.strict === null ? {} : { strict: tool.strict };
  return {
    type: "function",
    function: { name: tool.name, ...description, ...parameters, ...strict, ...more },
    ...outer,
  };
}

/** `null`: not said, or said in words that only this dialect has; those the caller keeps. */
export function decodeToolChoice(choice: Json | undefined): ToolChoice | null {
  if (choice === "auto" || choice === "none" || choice === "required") return { type: choice };
  if (choice === "any") return { type: "required" }; // Mistral
  if (!isJsonObject(choice)) return null;
  if (choice["type"] === "allowed_tools") return decodeAllowed(choice["allowed_tools"]);
  const { name } = isJsonObject(choice["function"]) ? choice["function"] : choice;
  if (typeof name === "string" && (choice["type"] ?? "function") === "function") return { type: "tool", name };
  const custom = choice["custom"];
  if (choice["type"] !== "custom" || !isJsonObject(custom) || typeof custom["name"] !== "string") return null;
  return { type: "tool", name: custom["name"], custom: true };
}

/** `{mode: "auto" | "required", tools: [{type: "function", function: {name}}]}`. */
function decodeAllowed(allowed: Json | undefined): ToolChoice | null {
  if (!isJsonObject(allowed) || !isJsonArray(allowed["tools"])) return null;
  const { mode } = allowed;
  const names = allowed["tools"].map((tool) =>
    isJsonObject(tool) ? nameOf(tool["function"] ?? tool["custom"]) : null,
  );
  if ((mode !== "auto" && mode !== "required") || !names.every((name) => name !== null)) return null;
  return { type: mode, allowed: names };
}

const nameOf = (tool: Json | undefined): string | null =>
  isJsonObject(tool) && typeof tool["name"] === "string" ? tool["name"] : null;

/** `custom`: the names of tools that take free text. */
export function encodeToolChoice(choice: ToolChoice, custom: ReadonlySet<string>): Json {
  if (choice.type !== "tool" && choice.allowed) {
    const tools = choice.allowed.map((name) =>
      custom.has(name) ? { type: "custom", custom: { name } } : { type: "function", function: { name } },
    );
    return { type: "allowed_tools", allowed_tools: { mode: choice.type, tools } };
  }
  if (choice.type !== "tool") return choice.type;
  if (choice.custom) return { type: "custom", custom: { name: choice.name } };
  return { type: "function", function: { name: choice.name } };
}

/** A call of `message.tool_calls`. Some vendors send the arguments as an object, or `null` for none. */
export function decodeToolCall(call: JsonObject): ToolCallPart {
  // Snowflake sends both, one of them empty.
  const isCustom = call["type"] === "custom" || (isJsonObject(call["custom"]) && !isJsonObject(call["function"]));
  const body = isCustom ? call["custom"] : call["function"];
  const { name, arguments: input, input: text } = isJsonObject(body) ? body : {};
  return {
    type: "tool-call",
    id: typeof call["id"] === "string" ? call["id"] : "",
    name: typeof name === "string" ? name : "",
    input: inputText(isCustom ? text : input),
    ...(isCustom ? { custom: true } : {}),
    ...signatureOf(call),
    ...decodeCache(call),
    ...keep(without(call, callKeys)),
  };
}

/** The message's fields for its calls. A call without an id is a `function_call`, which came before tools had ids. */
export function encodeToolCalls(calls: readonly ToolCallPart[]): JsonObject {
  const [first] = calls;
  if (first === undefined) return {};
  if (calls.length === 1 && first.id === "") {
    return { function_call: { name: first.name, arguments: first.input } };
  }
  return { tool_calls: calls.map(encodeToolCall) };
}

/** Google's place for a thought signature, as its own OpenAI-compatible endpoint has it. */
export const signatureFields = (signature: string | undefined): JsonObject =>
  signature === undefined ? {} : { extra_content: { google: { thought_signature: signature } } };

export function signatureOf(call: JsonObject): { readonly signature?: string } {
  const extra = call["extra_content"];
  const google = isJsonObject(extra) ? extra["google"] : null;
  const signature = isJsonObject(google) ? google["thought_signature"] : null;
  return typeof signature === "string" ? { signature } : {};
}

export function inputText(input: Json | undefined): string {
  if (typeof input === "string") return input;
  return input === undefined || input === null ? "" : JSON.stringify(input);
}

/** A function without arguments is called with `{}`: clients parse the text. */
function encodeToolCall(call: ToolCallPart): JsonObject {
  const own = { ...signatureFields(call.signature), ...kept(call) };
  if (call.custom) return { id: call.id, type: "custom", custom: { name: call.name, input: call.input }, ...own };
  return { id: call.id, type: "function", function: { name: call.name, arguments: call.input || "{}" }, ...own };
}

/** Clients mark a tool beside its definition or in it. */
const cacheOf = (tool: JsonObject, definition: JsonObject) => ({ ...decodeCache(definition), ...decodeCache(tool) });

function named(definition: JsonObject, path: string) {
  const name = readString(definition["name"], `${path}.name`);
  if (name === null || name === "") throw invalid(`${path}.name`, "is required");
  return { name, description: readString(definition["description"], `${path}.description`) };
}

function keepRest(tool: JsonObject, inner: "function" | "custom", known: ReadonlySet<string>) {
  const definition = tool[inner];
  const more = isJsonObject(definition) ? without(definition, known) : {};
  return keep({ ...without(tool, new Set(["type", inner])), ...(isEmpty(more) ? {} : { [inner]: more }) });
}

const functionKeys = new Set(["name", "description", "parameters", "strict"]);
const customKeys = new Set(["name", "description", "format"]);
const callKeys = new Set(["id", "type", "function", "custom"]);
