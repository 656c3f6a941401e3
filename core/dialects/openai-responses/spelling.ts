import { isJsonArray, isJsonObject, type Json, type JsonObject } from "../../chat/json.ts";
import type { ChatRequest } from "../../chat/request.ts";
import { dialectName, keep, kept } from "./kept.ts";

/*
 * Beside the extensions a request of this dialect has two notes. One lists how it spelled what has two spellings:
 * `instructions` for a first system message, `safety_identifier` for `user`; that it is there tells the request from those
 * of other dialects. The other has the settings, as pairs, that every other protocol keeps without being asked: they go
 * back to a target of this one, and no other has to say that it cannot say them.
 */
const spellingKey = `${dialectName}/spelling`;
const impliedKey = `${dialectName}/implied`;

/** `fields`: what has no canonical name. */
export function noted(fields: JsonObject, spelling: readonly string[]): JsonObject {
  const entries = Object.entries(fields).filter(([, value]) => value !== null && value !== undefined);
  const implied = entries.filter(([key, value]) => isImplied(key, value ?? null));
  return {
    ...keep(Object.fromEntries(entries.filter((entry) => !implied.includes(entry)))).extensions,
    [spellingKey]: spelling,
    ...(implied.length === 0 ? {} : { [impliedKey]: implied.map(([key, value]) => [key, value ?? null]) }),
  };
}

/** `null`: a request of another dialect. */
export function spellingOf({ extensions }: ChatRequest): ReadonlySet<Json> | null {
  const spelling = extensions[spellingKey];
  return isJsonArray(spelling) ? new Set(spelling) : null;
}

/** What `noted` took. */
export function ownFields(request: ChatRequest): JsonObject {
  const implied = request.extensions[impliedKey];
  const pairs = isJsonArray(implied) ? implied.filter(isPair) : [];
  return { ...kept(request), ...Object.fromEntries(pairs) };
}

const isPair = (value: Json): value is readonly [string, Json] => isJsonArray(value) && typeof value[0] === "string";

export const encryptedName = "reasoning.encrypted_content";
export const logprobsName = "message.output_text.logprobs";

function isImplied(key: string, value: Json): boolean {
  switch (key) {
    case "store":
    case "background":
      return value === false;
    case "truncation":
      return value === "disabled";
    case "stream_options": // Padding against traffic analysis, which no other protocol has.
      return true;
    case "include":
      return isJsonArray(value) && value.every((name) => name === encryptedName);
    case "reasoning":
      return isJsonObject(value) && Object.keys(value).every((name) => name === "summary");
    default:
      return false;
  }
}
