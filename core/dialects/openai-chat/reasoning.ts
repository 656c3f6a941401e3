import { isJsonArray, isJsonObject, type Json, type JsonObject } from "../../chat/json.ts";
import type { ReasoningPart } from "../../chat/request.ts";
import { without } from "../extensions.ts";
import { keep, kept } from "./kept.ts";

/*
 * Reasoning has no field in OpenAI's own protocol. Vendors put its text into `reasoning_content`, `reasoning` or (Mistral)
 * parts of `content`, and OpenRouter adds `reasoning_details`, a list with signatures and encrypted blocks. A part keeps
 * under `in` which text fields it stood in, unless that was `reasoning_content` alone, which is what is written by default.
 */

export const reasoningKeys: ReadonlySet<string> = new Set(["reasoning_content", "reasoning", "reasoning_details"]);
const textFields = ["reasoning_content", "reasoning"];

/** The reasoning beside `content` in a message. */
export function decodeReasoning(message: JsonObject): readonly ReasoningPart[] {
  const fields = textFields.filter((field) => isText(message[field]));
  const flat = fields.map((field) => message[field]).find(isText) ?? "";
  const details = message["reasoning_details"];
  const parts = (isJsonArray(details) ? details.filter(isJsonObject) : []).map(decodeDetail);
  if (parts.length === 0) return flat === "" ? [] : [{ type: "reasoning", text: flat, ...keepPlace(fields, {}) }];

  const readable = parts.findIndex((part) => part.encrypted === undefined);
  // Streams carry the text in the flat field, and the signature alone in the details.
  const isTold = flat === "" || parts.some((part) => part.text !== "");
  const all = isTold ? parts : readable < 0 ? [{ type: "reasoning" as const, text: flat }, ...parts] : parts;
  return all.map((part, i) => ({
    ...part,
    text: !isTold && i === readable ? flat : part.text,
    ...keepPlace(fields, kept(part)),
  }));
}

/** Mistral's `{type: "thinking", thinking: [{type: "text", text}]}`. */
export function decodeThinking(part: JsonObject): ReasoningPart {
  const { thinking } = part;
  return {
    type: "reasoning",
    text: isJsonArray(thinking) ? thinking.map(textOf).join("") : isText(thinking) ? thinking : "",
    ...keepPlace(["content"], without(part, thinkingKeys)),
  };
}

/** The fields of a message that say `parts`, parts of `content` not among them. */
export function encodeReasoning(parts: readonly ReasoningPart[]): JsonObject {
  const beside = parts.filter((part) => !isInContent(part));
  const text = beside.map((part) => part.text).join("");
  const fields = new Set(beside.flatMap(placeOf));
  const details = beside.flatMap((part, i) => encodeDetail(part, i));
  return {
    ...(text === "" ? {} : Object.fromEntries([...fields].map((field) => [field, text]))),
    ...(details.length === 0 ? {} : { reasoning_details: details }),
  };
}

export const isInContent = (part: ReasoningPart): boolean => placeOf(part).includes("content");

/** The text alone, under the one name that a vendor takes. */
export const inField = ({ text }: ReasoningPart, field: string): ReasoningPart => ({
  type: "reasoning",
  text,
  ...keepPlace([field], {}),
});

/** Answers hold it beside `content`, where clients look for it. */
export function inDefaultPlace(part: ReasoningPart): ReasoningPart {
  if (!isInContent(part)) return part;
  const { extensions: _extensions, ...plain } = part;
  return plain;
}

export function encodeThinking(part: ReasoningPart): JsonObject {
  const more = without(kept(part), placeKeys);
  return { type: "thinking", thinking: [{ type: "text", text: part.text }], ...more };
}

/** One entry of `reasoning_details`; several, of which the first is the text, are pieces of one block. */
export function decodeDetail(detail: JsonObject): ReasoningPart {
  const text = isText(detail["text"]) ? detail["text"] : isText(detail["summary"]) ? detail["summary"] : "";
  const { signature, data } = detail;
  return {
    type: "reasoning",
    text,
    ...(isText(signature) ? { signature } : {}),
    ...(isText(data) ? { encrypted: data } : {}),
    ...keep({ detail: without(detail, detailKeys) }),
  };
}

export function encodeDetail(part: ReasoningPart, index: number): readonly JsonObject[] {
  const { detail } = kept(part);
  const isDetailed = isJsonObject(detail);
  if (!isDetailed && part.signature === undefined && part.encrypted === undefined) return [];
  const more = isDetailed
    ? detail
    : { type: part.encrypted === undefined ? "reasoning.text" : "reasoning.encrypted", index };
  const textField = more["type"] === "reasoning.summary" ? "summary" : "text";
  return [
    {
      ...(part.text === "" ? {} : { [textField]: part.text }),
      ...(part.signature === undefined ? {} : { signature: part.signature }),
      ...(part.encrypted === undefined ? {} : { data: part.encrypted }),
      ...more,
    },
  ];
}

const isText = (value: Json | undefined): value is string => typeof value === "string" && value !== "";
const textOf = (value: Json) => (isJsonObject(value) && isText(value["text"]) ? value["text"] : "");

const thinkingKeys = new Set(["type", "thinking"]);
const detailKeys = new Set(["text", "summary", "signature", "data"]);
const placeKeys = new Set(["in", "detail"]);

function keepPlace(fields: readonly string[], more: JsonObject) {
  const isDefault = fields.length === 1 && fields[0] === "reasoning_content";
  return keep(isDefault ? more : { ...more, in: fields });
}

function placeOf(part: ReasoningPart): readonly string[] {
  const place = kept(part)["in"];
  return isJsonArray(place) ? place.filter(isText) : ["reasoning_content"];
}
