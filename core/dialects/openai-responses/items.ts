import { isJsonArray, isJsonObject, type Json, type JsonObject } from "../../chat/json.ts";
import type { Message, Part, ToolResultPart } from "../../chat/request.ts";
import { without } from "../extensions.ts";
import { invalid, readObjects, readString } from "../fields.ts";
import { maxMessages } from "../request-caps.ts";
import { keep, kept } from "./kept.ts";
import { decodeOutputItem, encodeOutput } from "./output.ts";
import { decodeContent, encodePart } from "./parts.ts";
import { type Carried, decodeCarried, encodeReplayed } from "./reasoning.ts";

/** `input`: a string or a list of items. What the model said in a row is one message, as other protocols have it. */
export function decodeInput(input: Json | undefined): readonly Message[] {
  if (input === undefined || input === null) return [];
  if (typeof input === "string") return [{ role: "user", parts: [{ type: "text", text: input }] }];
  const messages: Message[] = [];
  // Of the message that is open; added to and never copied, for there may be thousands of items in a row.
  let said: Part[] | null = null;
  for (const [i, item] of (readObjects(input, "input", maxMessages) ?? []).entries()) {
    const message = decodeItem(item, `input[${i}]`);
    if (message !== null) {
      messages.push(message);
      said = null;
      continue;
    }
    if (said === null) messages.push({ role: "assistant", parts: (said = []) });
    const carried = item["type"] === "reasoning" ? decodeCarried(item) : null;
    if (carried === null) for (const part of decodeOutputItem(item, `input[${i}]`)) said.push(part);
    else attach(said, carried);
  }
  return messages;
}

/** `warn` is told what cannot be said. */
export function encodeInput(messages: readonly Message[], warn: (what: string) => void): readonly JsonObject[] {
  const custom = new Set(
    messages.flatMap(({ parts }) => parts.flatMap((part) => (part.type === "tool-call" && part.custom ? part.id : []))),
  );
  return messages.flatMap((message) => encodeMessage(message, custom, warn));
}

function encodeMessage(
  message: Message,
  customCalls: ReadonlySet<string>,
  warn: (what: string) => void,
): readonly JsonObject[] {
  if (message.name !== undefined && message.role !== "tool") warn("the name of a speaker");
  const results = message.parts.filter((part) => part.type === "tool-result");
  const others = message.parts.filter((part) => part.type !== "tool-result");
  const told = results.map((result) => encodeResult(result, customCalls.has(result.id), warn));
  if (others.length === 0 && results.length > 0) return told;
  if (message.role === "assistant") return [...told, ...encodeSaid(others, warn)];
  const role = message.role === "tool" ? "user" : message.role;
  return [...told, { type: "message", role, content: encodeContent(others, warn), ...kept(message) }];
}

/** `null`: an item of what the model said. */
function decodeItem(item: JsonObject, path: string): Message | null {
  const { type, role } = item;
  if (type === undefined || type === null || type === "message") {
    if (role === "assistant") return null;
    if (role !== "system" && role !== "developer" && role !== "user") {
      throw invalid(`${path}.role`, "must be system, developer, user or assistant");
    }
    const parts = decodeContent(item["content"], `${path}.content`, "input_text");
    return { role, parts, ...keep(without(item, messageKeys)) };
  }
  if (type === "function_call_output" || type === "custom_tool_call_output") {
    return { role: "tool", parts: [decodeResult(item, path)] };
  }
  if (typeof type !== "string") throw invalid(`${path}.type`, "must be a string");
  return null;
}

/** Puts a signature back on the part that it came with. */
function attach(parts: Part[], carried: Carried): void {
  const at = parts.findLastIndex((part) =>
    carried.of === "call" ? part.type === "tool-call" && part.id === carried.id : part.type === "text",
  );
  const part = parts[at];
  if (part?.type === "tool-call" || part?.type === "text") parts[at] = { ...part, signature: carried.signature };
}

function decodeResult(item: JsonObject, path: string): ToolResultPart {
  const { call_id: id, output } = item;
  const isText = typeof output === "string" || isJsonArray(output) || output === undefined || output === null;
  const content = decodeContent(isText ? output : JSON.stringify(output), `${path}.output`, "input_text");
  const isCustom = item["type"] === "custom_tool_call_output";
  return {
    type: "tool-result",
    id: readString(id, `${path}.call_id`) ?? "",
    parts: content.map((part) => (part.type === "refusal" ? { type: "text", text: part.text } : part)),
    isError: false,
    ...keep(without(item, isCustom ? customResultKeys : resultKeys)),
  };
}

function encodeResult(result: ToolResultPart, isCustom: boolean, warn: (what: string) => void): JsonObject {
  if (result.isError) warn("the mark of a failed tool");
  if (result.cache !== undefined) warn("cache marks");
  return {
    type: isCustom ? "custom_tool_call_output" : "function_call_output",
    call_id: result.id,
    output: encodeContent(result.parts, warn),
    ...kept(result),
  };
}

/** A string for plain text, else a list. */
function encodeContent(parts: readonly Part[], warn: (what: string) => void): Json {
  const encoded = parts.flatMap((part): readonly JsonObject[] => {
    if (part.type === "reasoning" || part.type === "tool-call" || part.type === "tool-result") {
      warn(`a ${part.type} in this place`);
      return [];
    }
    const json = encodePart(part, "input_text", warn);
    return json === null ? [] : [json];
  });
  const [first] = encoded;
  if (first === undefined) return "";
  const isPlain = encoded.length === 1 && first["type"] === "input_text" && Object.keys(first).length === 2;
  return isPlain ? (first["text"] ?? "") : encoded;
}

/** What the model said, as items of a request. */
function encodeSaid(parts: readonly Part[], warn: (what: string) => void): readonly JsonObject[] {
  if (parts.some((part) => (part.type === "tool-call" || part.type === "text") && part.signature !== undefined)) {
    warn("thought signatures");
  }
  const saysMore = parts.some((part) => part.type !== "reasoning" && !isNothing(part));
  return encodeOutput(saysMore ? parts.filter((part) => !isNothing(part)) : parts, warn, (part) => {
    const item = encodeReplayed(part);
    if (item === null) warn("reasoning without its encrypted content");
    return item;
  }).map(plainMessage);
}

/**
 * What others leave of a text beside calls, or of one that had only its signature: as a message of its own it would stand
 * between a call and its result.
 */
const isNothing = (part: Part): boolean => part.type === "text" && part.text === "" && kept(part)["item"] === undefined;

/** Text alone is said in a string, which every server takes. An item that came with its id is as it was. */
function plainMessage(item: JsonObject): JsonObject {
  const { type, id, content } = item;
  if (type !== "message" || id !== undefined || !isJsonArray(content) || content.length !== 1) return item;
  const [part] = content;
  if (!isJsonObject(part) || part["type"] !== "output_text") return item;
  const { annotations, type: _type, text, ...more } = part;
  const isPlain = Object.keys(more).length === 0 && isJsonArray(annotations) && annotations.length === 0;
  return isPlain ? { ...item, content: text } : item;
}

const messageKeys = new Set(["type", "role", "content"]);
const resultKeys = new Set(["type", "call_id", "output"]);
const customResultKeys = new Set(["call_id", "output"]);
