import { isJsonObject, type Json, type JsonObject } from "../../chat/json.ts";
import type { Message, Part, ReasoningPart, ToolResultPart } from "../../chat/request.ts";
import { without } from "../extensions.ts";
import { invalid, readBoolean, readString } from "../fields.ts";
import { decodeCache, encodeCache } from "./cache.ts";
import { dialectName, inlineKey, keep, kept } from "./kept.ts";
import { decodePart, encodePart, readBlocks, readInput, type Warn } from "./parts.ts";
import { decodeToolCall, encodeToolCall } from "./tools.ts";

/** A message of tool results alone has the role `tool`; one with other parts besides stays the user's. */
export function decodeMessage(message: JsonObject, path: string): Message {
  const { role } = message;
  if (role !== "user" && role !== "assistant" && role !== "system") {
    throw invalid(`${path}.role`, "must be user, assistant or system");
  }
  const parts = decodeBlocks(readBlocks(message["content"], `${path}.content`), `${path}.content`);
  const rest = keep(without(message, messageKeys));
  if (role === "system") return { role, parts, extensions: { ...rest.extensions, [inlineKey]: true } };
  const isResults = role === "user" && parts.length > 0 && parts.every(({ type }) => type === "tool-result");
  return { role: isResults ? "tool" : role, parts, ...rest };
}

/** The blocks of a message, in a request or an answer. */
export function decodeBlocks(blocks: readonly JsonObject[], path: string): readonly Part[] {
  const parts: Part[] = [];
  for (const [i, block] of blocks.entries()) {
    const decoded = decodeBlock(block, `${path}[${i}]`);
    const [part] = decoded;
    const before = parts.at(-1);
    // What we wrote as two blocks for want of one that has both.
    if (block["type"] === "redacted_thinking" && before?.type === "reasoning" && isUnsigned(before)) {
      parts[parts.length - 1] = { ...before, encrypted: part?.type === "reasoning" ? (part.encrypted ?? "") : "" };
    } else parts.push(...decoded);
  }
  return parts;
}

/** `null`: no block can say it, and `warn` was told. Reasoning may take two. */
export function encodeBlocks(parts: readonly Part[], warn: Warn): readonly JsonObject[] {
  return parts.flatMap((part): readonly JsonObject[] => {
    switch (part.type) {
      case "reasoning":
        return encodeReasoning(part, warn);
      case "tool-call":
        return [encodeToolCall(part, warn)];
      case "tool-result":
        return [encodeResult(part, warn)];
      case "refusal":
        return part.text === "" ? [] : [{ type: "text", text: part.text }];
      case "text":
      case "media":
      case "other": {
        const block = encodePart(part, warn);
        return block === null ? [] : [block];
      }
    }
  });
}

/** A thinking block, a redacted one, or both; nothing for reasoning that Anthropic did not sign. */
function encodeReasoning(part: ReasoningPart, warn: Warn): readonly JsonObject[] {
  const own = kept(part);
  const { text, signature, encrypted } = part;
  const redacted = encrypted === undefined ? [] : [{ type: "redacted_thinking", data: encrypted, ...own }];
  if (signature === undefined && own["signature"] === undefined) {
    if (encrypted === undefined) warn("reasoning without a signature of its own");
    return redacted;
  }
  const signed = signature === undefined ? {} : { signature };
  return [
    { type: "thinking", thinking: text, ...signed, ...own },
    ...(encrypted === undefined ? [] : [{ type: "redacted_thinking", data: encrypted }]),
  ];
}

/** Content as the protocol likes it: plain text is a string. */
export function plainContent(blocks: readonly JsonObject[]): Json {
  const [only, second] = blocks;
  const isPlain = second === undefined && only?.["type"] === "text" && Object.keys(only).length === 2;
  return isPlain ? (only["text"] ?? "") : blocks;
}

function decodeBlock(block: JsonObject, path: string): readonly Part[] {
  switch (block["type"]) {
    case "thinking":
      return [decodeThinking(block)];
    case "redacted_thinking": {
      const { data } = block;
      const encrypted = typeof data === "string" ? data : "";
      return [{ type: "reasoning", text: "", encrypted, ...keep(without(block, redactedKeys)) }];
    }
    case "tool_use":
      return [decodeToolCall(block, readInput(block["input"], `${path}.input`))];
    case "tool_result":
      return [decodeResult(block, path)];
    default:
      return decodePart(block, path);
  }
}

/** A signature that is empty is none, but is written back to this dialect. */
function decodeThinking(block: JsonObject): ReasoningPart {
  const { thinking, signature } = block;
  return {
    type: "reasoning",
    text: typeof thinking === "string" ? thinking : "",
    ...(typeof signature === "string" && signature !== "" ? { signature } : {}),
    ...keep({ ...without(block, thinkingKeys), ...(signature === "" ? { signature } : {}) }),
  };
}

function decodeResult(block: JsonObject, path: string): ToolResultPart {
  const { mark, rest } = decodeCache(block);
  return {
    type: "tool-result",
    id: readString(block["tool_use_id"], `${path}.tool_use_id`) ?? "",
    parts: readBlocks(block["content"], `${path}.content`).flatMap((inner, i) =>
      decodePart(inner, `${path}.content[${i}]`),
    ),
    isError: readBoolean(block["is_error"], `${path}.is_error`) ?? false,
    ...mark,
    ...keep({ ...without(block, resultKeys), ...rest }),
  };
}

function encodeResult(result: ToolResultPart, warn: Warn): JsonObject {
  const blocks = encodeBlocks(result.parts, warn).filter((block) => block["text"] !== "");
  return {
    type: "tool_result",
    tool_use_id: result.id,
    ...(blocks.length === 0 ? {} : { content: plainContent(blocks) }),
    ...(result.isError ? { is_error: true } : {}),
    ...encodeCache(result),
    ...kept(result),
  };
}

const isUnsigned = (part: ReasoningPart): boolean =>
  part.signature === undefined && part.encrypted === undefined && isJsonObject(part.extensions?.[dialectName]);

const messageKeys = new Set(["role", "content"]);
const thinkingKeys = new Set(["type", "thinking", "signature"]);
const redactedKeys = new Set(["type", "data"]);
const resultKeys = new Set(["type", "tool_use_id", "content", "is_error", "cache_control"]);
