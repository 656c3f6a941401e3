import { isJsonObject, type Json, type JsonObject } from "../../chat/json.ts";
import type { MediaPart, OtherPart, TextPart, ToolResultPart } from "../../chat/request.ts";
import { parseExact } from "../exact-json.ts";
import { without } from "../extensions.ts";
import { readString } from "../fields.ts";
import type { CallIds } from "./call-ids.ts";
import { maxParts } from "./envelope.ts";
import { keep, kept } from "./kept.ts";
import { decodeMedia, encodeMedia } from "./media.ts";
import { listOf } from "./spelling.ts";
import type { Warn } from "./warn.ts";

/**
 * A `functionResponse`. Its `response` is an object: by the rules `output` holds what the function returned, `error` what
 * went wrong, and without either the whole is the output; `result` is as usual. One of them that holds a string and stands
 * alone is that text, anything else its JSON.
 */
export function decodeResult(result: JsonObject, part: JsonObject, path: string, ids: CallIds): ToolResultPart {
  const { id, name, response, parts } = result;
  const called = readString(name, `${path}.functionResponse.name`) ?? "";
  const given = typeof id === "string" && id !== "" ? id : null;
  const { text, wrapper } = textOf(response);
  const media = listOf(parts, `${path}.functionResponse.parts`, maxParts).map((item, i): MediaPart | OtherPart => {
    const decoded = decodeMedia(item, `${path}.functionResponse.parts[${i}]`);
    return decoded ?? { type: "other", extensions: keep({ part: item }).extensions ?? {} };
  });
  const more = without(result, resultKeys);
  const answered = ids.result(called, given);
  return {
    type: "tool-result",
    id: answered,
    parts: [{ type: "text", text }, ...media],
    isError: isJsonObject(response) && Object.keys(response).length === 1 && response["error"] !== undefined,
    ...keep({
      ...without(part, partKeys),
      name: called,
      ...(given === answered ? {} : { id: given }),
      ...(wrapper === null ? {} : { wrapper }),
      ...(Object.keys(more).length > 0 ? { functionResponse: more } : {}),
    }),
  };
}

export interface EncodeResultOptions {
  /** Of the function, by the call it answers; `null`: no such call. */
  readonly name: string | null;
  /** Images may stand within the result, as generation 3 has it; else they follow it as parts of their own. */
  readonly withMedia: boolean;
  readonly warn: Warn;
}

/** The result, and the media that had to be put behind it. */
export function encodeResult(
  result: ToolResultPart,
  { name, withMedia, warn }: EncodeResultOptions,
): { readonly part: JsonObject; readonly behind: readonly JsonObject[] } {
  const { id, name: ownName, wrapper, functionResponse: more, ...own } = kept(result);
  const isMarked = result.parts.some((part) => part.type === "text" && part.cache !== undefined);
  if (isMarked || result.cache !== undefined) warn("cache marks");
  if (name === null && ownName === undefined) warn("a result of a call that is not there", "called unknown");
  const texts = result.parts.filter((part) => part.type === "text");
  const inside: JsonObject[] = [];
  const behind: JsonObject[] = [];
  for (const part of result.parts) {
    if (part.type === "text") continue;
    const encoded = part.type === "media" ? encodeMedia(part, warn) : ownOther(part, warn);
    if (encoded !== null) (withMedia && encoded["fileData"] === undefined ? inside : behind).push(encoded);
  }
  const isOwn = ownName !== undefined;
  const attached = isOwn ? [...inside, ...behind] : inside;
  return {
    part: {
      functionResponse: {
        ...(id === null ? {} : { id: id ?? result.id }),
        name: typeof ownName === "string" ? ownName : (name ?? "unknown"),
        response: responseOf(texts, result.isError, wrapper),
        ...(attached.length > 0 ? { parts: attached } : {}),
        ...(isJsonObject(more) ? more : {}),
      },
      ...own,
    },
    behind: isOwn ? [] : behind,
  };
}

function textOf(response: Json | undefined): { readonly text: string; readonly wrapper: string | null } {
  const [entry, ...others] = Object.entries(isJsonObject(response) ? response : {});
  if (entry !== undefined && others.length === 0) {
    const [wrapper, value] = entry;
    if (wrappers.has(wrapper) && typeof value === "string") return { text: value, wrapper };
  }
  return { text: JSON.stringify(response ?? {}), wrapper: null };
}

/** A JSON object is the response as it is; other text is put into one. */
function responseOf(texts: readonly TextPart[], isError: boolean, wrapper: Json | undefined): JsonObject {
  const text = texts.map((part) => part.text).join("\n");
  if (typeof wrapper === "string") return { [wrapper]: text };
  const object = objectIn(text);
  if (isError) return object?.["error"] === undefined ? { error: text } : object;
  return object ?? { output: text };
}

function objectIn(text: string): JsonObject | null {
  if (!/^\s*\{/.test(text)) return null;
  try {
    const value = parseExact(text);
    return isJsonObject(value) ? value : null;
  } catch {
    return null; // Text that only looks like JSON.
  }
}

function ownOther(part: OtherPart, warn: Warn): JsonObject | null {
  const { part: own } = kept(part);
  if (isJsonObject(own)) return own;
  warn("a content part of another protocol");
  return null;
}

const wrappers = new Set(["output", "result", "error"]);
const resultKeys = new Set(["id", "name", "response", "parts"]);
const partKeys = new Set(["functionResponse"]);
