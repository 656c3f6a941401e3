import { isJsonObject, type Json, type JsonObject } from "../../chat/json.ts";
import type { ChatRequest, Tool, ToolCallPart, ToolChoice } from "../../chat/request.ts";
import { parseExact } from "../exact-json.ts";
import { without } from "../extensions.ts";
import { invalid, readBoolean, readObject, readString } from "../fields.ts";
import { decodeCache, encodeCache } from "./cache.ts";
import { dialectName, keep, kept } from "./kept.ts";
import type { ModelTraits } from "./models.ts";
import type { Warn } from "./parts.ts";
import { mayBeStrict } from "../json-format.ts";
import { isConstrainable } from "./schema.ts";

/** One that the client runs by a schema of its own; all others only Anthropic's models know. */
export const isPlainTool = ({ type }: JsonObject): boolean => type === undefined || type === null || type === "custom";

export function decodeTool(tool: JsonObject, path: string): Tool {
  if (!isPlainTool(tool)) return { type: "server", dialect: dialectName, definition: tool };
  const name = readString(tool["name"], `${path}.name`);
  if (name === null || name === "") throw invalid(`${path}.name`, "is required");
  const { mark, rest } = decodeCache(tool);
  const parameters = readObject(tool["input_schema"], `${path}.input_schema`);
  const strict = readBoolean(tool["strict"], `${path}.strict`);
  // Strict tools may have optional properties here, say, and nowhere else.
  const isLoose = strict === true && !mayBeStrict(parameters ?? undefined);
  return {
    type: "function",
    name,
    description: readString(tool["description"], `${path}.description`),
    parameters,
    strict: isLoose ? null : strict,
    ...mark,
    ...keep({
      ...without(tool, toolKeys),
      ...(tool["type"] === "custom" ? { type: "custom" } : {}),
      ...(isLoose ? { strict } : {}),
      ...rest,
    }),
  };
}

/** `model`: what the target takes, for tools of a client that does not know; `null`: the client does. */
export function encodeTools(request: ChatRequest, model: ModelTraits | null, warn: Warn): JsonObject {
  const choice = request.toolChoice;
  const allowed = choice !== null && choice.type !== "tool" && choice.allowed ? new Set(choice.allowed) : null;
  const tools = request.tools
    // There is no word for "only some of the tools": those that may not be called are not told.
    .filter((tool) => allowed === null || tool.type === "server" || allowed.has(tool.name))
    .flatMap((tool) => encodeTool(tool, model, warn));
  if (tools.length === 0) return model === null && choice !== null ? { tool_choice: encodeChoice(request) } : {};
  const said = encodeChoice(request);
  return { tools, ...(said === null ? {} : { tool_choice: said }) };
}

/** What of `tool_choice` has a canonical name; `rest` has none and is kept. */
export function decodeToolChoice(value: Json | undefined): {
  readonly choice: ToolChoice | null;
  readonly parallel: boolean | null;
  readonly rest: JsonObject;
} {
  const said = readObject(value, "tool_choice");
  if (said === null) return { choice: null, parallel: null, rest: {} };
  const { type, name } = said;
  const disabled = readBoolean(said["disable_parallel_tool_use"], "tool_choice.disable_parallel_tool_use");
  const choice: ToolChoice | null =
    type === "auto" || type === "none"
      ? { type }
      : type === "any"
        ? { type: "required" }
        : type === "tool" && typeof name === "string"
          ? { type: "tool", name }
          : null;
  const rest = choice === null ? said : without(said, choiceKeys);
  return {
    choice,
    parallel: choice === null || disabled === null ? null : !disabled,
    rest: Object.keys(rest).length === 0 ? {} : { tool_choice: rest },
  };
}

/** A `tool_use` block, of a request or an answer. */
export function decodeToolCall(block: JsonObject, input: string): ToolCallPart {
  const { id, name } = block;
  const { mark, rest } = decodeCache(block);
  return {
    type: "tool-call",
    id: typeof id === "string" ? id : "",
    name: typeof name === "string" ? name : "",
    input,
    ...mark,
    ...keep({ ...without(block, callKeys), ...rest }),
  };
}

export function encodeToolCall(call: ToolCallPart, warn: Warn): JsonObject {
  if (call.signature !== undefined) warn("thought signatures");
  const { id, name } = call;
  return { type: "tool_use", id, name, input: inputObject(call, warn), ...encodeCache(call), ...kept(call) };
}

/** The input as the object that the protocol asks for; text that is none stands under a name of its own. */
export function inputObject({ input, custom }: Pick<ToolCallPart, "input" | "custom">, warn?: Warn): JsonObject {
  if (custom) return { input };
  if (input.trim() === "") return {};
  try {
    const value = parseExact(input);
    if (isJsonObject(value)) return value;
  } catch {
    // Told below: what the model wrote is no JSON.
  }
  warn?.("tool input that is no JSON object", "put into one");
  return { input };
}

function encodeTool(tool: Tool, model: ModelTraits | null, warn: Warn): readonly JsonObject[] {
  if (tool.type === "server") {
    if (tool.dialect === dialectName) return [tool.definition];
    warn("a tool that another provider runs");
    return [];
  }
  const described = tool.description === null ? {} : { description: tool.description };
  const rest = { ...encodeCache(tool), ...kept(tool) };
  if (tool.type === "custom") {
    warn("a tool that takes free text", "made a function");
    return [{ name: tool.name, ...described, input_schema: freeText, ...rest }];
  }
  if (model === null) {
    const strict = tool.strict === null ? {} : { strict: tool.strict };
    const schema = tool.parameters === null ? {} : { input_schema: tool.parameters };
    return [{ name: tool.name, ...described, ...schema, ...strict, ...rest }];
  }
  if (tool.returns !== undefined) warn("what a tool returns");
  const schema = objectSchema(tool.parameters);
  const isStrict = tool.strict === true && model.structured && isConstrainable(schema);
  if (tool.strict === true && !isStrict) warn("that a tool is strict");
  return [{ name: tool.name, ...described, input_schema: schema, ...(isStrict ? { strict: true } : {}), ...rest }];
}

/** `input_schema` must be that of an object. */
const objectSchema = (parameters: JsonObject | null): JsonObject =>
  parameters === null
    ? { type: "object", properties: {} }
    : parameters["type"] === "object"
      ? parameters
      : { ...parameters, type: "object" };

const freeText: JsonObject = {
  type: "object",
  properties: { input: { type: "string" } },
  required: ["input"],
  additionalProperties: false,
};

function encodeChoice({ toolChoice: choice, parallelToolCalls: parallel }: ChatRequest): JsonObject | null {
  if (choice === null) return parallel === false ? { type: "auto", disable_parallel_tool_use: true } : null;
  const said = sayChoice(choice);
  // Where there is no call, there is no word for several.
  return parallel === null || choice.type === "none" ? said : { ...said, disable_parallel_tool_use: !parallel };
}

function sayChoice(choice: ToolChoice): JsonObject {
  if (choice.type === "tool") return { type: "tool", name: choice.name };
  if (choice.type !== "required") return { type: choice.type };
  const [only, second] = choice.allowed ?? [];
  return only !== undefined && second === undefined ? { type: "tool", name: only } : { type: "any" };
}

const toolKeys = new Set(["type", "name", "description", "input_schema", "strict", "cache_control"]);
const choiceKeys = new Set(["type", "name", "disable_parallel_tool_use"]);
const callKeys = new Set(["type", "id", "name", "input", "cache_control"]);
