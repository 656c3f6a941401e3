import { isJsonObject, type Json, type JsonObject } from "../../chat/json.ts";
import type { Part, ReasoningPart, TextPart, ToolCallPart } from "../../chat/request.ts";
import { parseExact } from "../exact-json.ts";
import { without } from "../extensions.ts";
import { invalid, readString } from "../fields.ts";
import type { CallIds } from "./call-ids.ts";
import { keep, kept } from "./kept.ts";
import { decodeMedia } from "./media.ts";
import { decodeResult } from "./results.ts";
import { inCamel } from "./spelling.ts";
import type { Warn } from "./warn.ts";

/** One part of a content, in a request or an answer. `part` is in camel case. */
export function decodePart(part: JsonObject, path: string, ids: CallIds): Part {
  const { functionCall: call, functionResponse: result, text } = part;
  if (isJsonObject(call)) return decodeCall(inCamel(call), part, path, ids);
  if (isJsonObject(result)) return decodeResult(inCamel(result), part, path, ids);
  const media = decodeMedia(part, path);
  if (media !== null) return media;
  if (text === undefined || text === null) return { type: "other", extensions: keep({ part }).extensions ?? {} };
  if (typeof text !== "string") throw invalid(`${path}.text`, "must be a string");
  // Most pieces of a stream are just this.
  if (part["thought"] === undefined && Object.keys(part).length === 1) return { type: "text", text };
  const signature = signatureOf(part);
  const rest = without(part, textKeys);
  if (part["thought"] !== true) return { type: "text", text, ...signature, ...keep(rest) };
  return { type: "reasoning", text, ...asEncrypted(signature), ...keep(rest) };
}

/** The part that only this dialect has a word for. */
export const otherPart = (owner: { readonly extensions?: JsonObject }): JsonObject | null => {
  const { part } = kept(owner);
  return isJsonObject(part) ? part : null;
};

export const encodeText = (part: TextPart): JsonObject => ({
  text: part.text,
  ...signed(part.signature),
  ...kept(part),
});

/** What is encrypted takes the place of the signature, marked: Gemini has no other, and its clients send it back. */
export function encodeThought(part: ReasoningPart): readonly JsonObject[] {
  const own = kept(part);
  const encrypted = part.encrypted === undefined ? undefined : `${encryptedMark}${part.encrypted}`;
  if (encrypted === undefined || part.signature === undefined) {
    return [{ text: part.text, thought: true, ...signed(part.signature ?? encrypted), ...own }];
  }
  return [
    { text: part.text, thought: true, ...signed(part.signature), ...own },
    { text: "", thought: true, ...signed(encrypted) },
  ];
}

/** A call, whole. An id that was made here, or is none, is left out; `warn` is told when its input is no object. */
export function encodeCall(part: ToolCallPart, warn: Warn): JsonObject {
  const { id, functionCall: more, ...own } = kept(part);
  return {
    functionCall: {
      ...(id === null || part.id === "" ? {} : { id: part.id }),
      name: part.name,
      args: argsOf(part.input, warn),
      ...(isJsonObject(more) ? more : {}),
    },
    ...signed(part.signature),
    ...own,
  };
}

/** Clients decode it from base64 and encode it again, so the mark is four characters, thrice. */
const encryptedMark = "encrypted000";

function asEncrypted({ signature }: { readonly signature?: string }): Pick<ReasoningPart, "signature" | "encrypted"> {
  if (signature === undefined) return {};
  return signature.startsWith(encryptedMark) ? { encrypted: signature.slice(encryptedMark.length) } : { signature };
}

const signed = (signature: string | undefined): JsonObject =>
  signature === undefined ? {} : { thoughtSignature: signature };

function signatureOf(part: JsonObject): { readonly signature?: string } {
  const { thoughtSignature: signature } = part;
  return typeof signature === "string" && signature !== "" ? { signature } : {};
}

function decodeCall(call: JsonObject, part: JsonObject, path: string, ids: CallIds): ToolCallPart {
  const { id, name, args } = call;
  const called = readString(name, `${path}.functionCall.name`) ?? "";
  const given = typeof id === "string" && id !== "" ? id : null;
  const more = without(call, callKeys);
  return {
    type: "tool-call",
    id: ids.call(called, given, () => JSON.stringify(part)),
    name: called,
    input: args === undefined || args === null ? "" : JSON.stringify(args),
    ...signatureOf(part),
    ...keep({
      ...without(part, partCallKeys),
      ...(given === null ? { id: null } : {}),
      ...(Object.keys(more).length > 0 ? { functionCall: more } : {}),
    }),
  };
}

/** Arguments are an object here; anything else is put into one. */
function argsOf(input: string, warn: Warn): JsonObject {
  if (input === "") return {};
  const args = parsed(input);
  if (isJsonObject(args)) return args;
  warn("the input of a call that is no JSON object", "put into one");
  return { input: args ?? input };
}

function parsed(text: string): Json | undefined {
  try {
    // What is parsed are JSON values.
    return parseExact(text) as Json;
  } catch {
    return undefined; // The model's own fault, and its answer to give.
  }
}

const textKeys = new Set(["text", "thought", "thoughtSignature"]);
const callKeys = new Set(["id", "name", "args"]);
const partCallKeys = new Set(["functionCall", "thoughtSignature"]);
