import { GatewayError } from "../../chat/error.ts";
import { isJsonArray, isJsonObject, type JsonObject } from "../../chat/json.ts";
import type { Part } from "../../chat/request.ts";
import type { ChatResponse } from "../../chat/response.ts";
import { without } from "../extensions.ts";
import { encodeCitations } from "./citations.ts";
import { decodeFinish, encodeFinish } from "./finish.ts";
import { keep, kept } from "./kept.ts";
import { decodeBlocks } from "./messages.ts";
import { inputObject } from "./tools.ts";
import { decodeUsage, encodeUsage } from "./usage.ts";

export function decodeResponse(body: JsonObject): ChatResponse {
  const { content, id, model } = body;
  if (!isJsonArray(content) || !content.every(isJsonObject)) throw notAnAnswer();
  const parts = decodeContent(content);
  return {
    id: typeof id === "string" ? id : "",
    model: typeof model === "string" ? model : "",
    createdMs: 0,
    candidates: [
      { parts, finish: decodeFinish(body["stop_reason"], body["stop_sequence"], parts.at(-1)?.type === "tool-call") },
    ],
    usage: decodeUsage(body["usage"]),
    extensions: keep(without(body, responseKeys)).extensions ?? {},
  };
}

/** A message, of the first candidate: the protocol has no place for others. */
export function encodeResponse(response: ChatResponse): JsonObject {
  const { usage: rawUsage, ...own } = kept(response);
  const [candidate] = response.candidates;
  const finish = candidate?.finish ?? { reason: "other", raw: null };
  return {
    id: response.id,
    type: "message",
    role: "assistant",
    model: response.model,
    content: (candidate?.parts ?? []).flatMap((part, i) => encodeAnswerPart(part, `${response.id}_${i}`)),
    stop_reason: encodeFinish(finish),
    stop_sequence: finish.stopSequence ?? null,
    stop_details: null,
    usage: encodeUsage(response.usage, rawUsage),
    ...own,
    ...kept(candidate),
  };
}

/**
 * The blocks that say a part of an answer; `place` makes the id of a call that has none. An answer has no block for media,
 * and none for what other dialects keep to themselves.
 */
export function encodeAnswerPart(part: Part, place: string): readonly JsonObject[] {
  const own = part.type === "refusal" ? {} : kept(part);
  switch (part.type) {
    case "text": {
      const citations = encodeCitations(part.citations ?? []);
      return [{ type: "text", text: part.text, citations: citations.length === 0 ? null : citations, ...own }];
    }
    case "refusal":
      return [{ type: "text", text: part.text, citations: null }];
    case "reasoning": {
      const { text, signature, encrypted } = part;
      const redacted = encrypted === undefined ? [] : [{ type: "redacted_thinking", data: encrypted }];
      if (encrypted !== undefined && text === "" && signature === undefined) return redacted;
      return [{ type: "thinking", thinking: text, signature: signature ?? "", ...own }, ...redacted];
    }
    case "tool-call":
      return [{ type: "tool_use", id: callId(part.id, place), name: part.name, input: inputObject(part), ...own }];
    case "other":
      return own["type"] === undefined ? [] : [own];
    case "media":
    case "tool-result":
      return [];
  }
}

/** Results are matched by id, so a call must have one. */
export const callId = (id: string, place: string): string =>
  id === "" ? `toolu_${place.replaceAll(/[^a-zA-Z0-9_-]/g, "_")}` : id;

const notAnAnswer = (cause?: unknown) =>
  new GatewayError("upstream-invalid", "The provider's answer is not a message.", { code: "invalid_answer", cause });

/** What a provider sends is not the client's fault. */
function decodeContent(content: readonly JsonObject[]): readonly Part[] {
  try {
    return decodeBlocks(content, "content");
  } catch (cause) {
    throw notAnAnswer(cause);
  }
}

export const responseKeys: ReadonlySet<string> = new Set([
  "id",
  "type",
  "role",
  "model",
  "content",
  "stop_reason",
  "stop_sequence",
]);
