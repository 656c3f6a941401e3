import { GatewayError } from "../chat/error.ts";
import { isJsonObject, type JsonObject } from "../chat/json.ts";

/** How deep arrays and objects of a request may be nested. */
export const maxJsonDepth = 128;

/**
 * The body of a request. A name given twice, at the top or in an object right below it, is refused: `JSON.parse` takes the
 * last while a provider may take the first, so a call could be admitted as one thing and run as another. So is one that
 * decides about the call in another case, for providers that read names in any. Throws `invalid-request`, never with
 * content of the body in its message.
 */
export const parseJsonBody = (text: string): JsonObject => readJsonBody(text).body;

/** The same, and where its members stand. */
export function readJsonBody(text: string): { readonly body: JsonObject; readonly members: readonly Member[] } {
  const { depth, members } = scan(text, 0, maxJsonDepth);
  if (depth > maxJsonDepth)
    throw new GatewayError("invalid-request", `The body is nested deeper than ${maxJsonDepth} levels.`);
  const body = parsed(text);
  if (!isJsonObject(body)) throw new GatewayError("invalid-request", "The body must be a JSON object.");
  refuseRepeated(members);
  refuseOtherCase(members);
  for (const { key, valueStart } of members) {
    if (text.charCodeAt(valueStart) !== openBrace) continue;
    const inner = objectMembers(text, valueStart);
    refuseRepeated(inner);
    if (key === "stream_options") refuseOtherCase(inner);
  }
  return { body, members };
}

function refuseRepeated(members: readonly Member[]): void {
  const seen = members.length > fewMembers ? new Set<string>() : null;
  for (let at = 0; at < members.length; at++) {
    const key = members[at]?.key ?? "";
    if (seen === null ? isAmongFirst(members, at, key) : seen.has(key)) {
      throw new GatewayError("invalid-request", `The body has '${key.slice(0, 64)}' more than once.`, { param: key });
    }
    seen?.add(key);
  }
}

/** Up to so many are looked through faster than they are put into a set; beyond it that would take quadratic time. */
const fewMembers = 16;

function isAmongFirst(members: readonly Member[], count: number, key: string): boolean {
  for (let at = 0; at < count; at++) if (members[at]?.key === key) return true;
  return false;
}

function refuseOtherCase(members: readonly Member[]): void {
  for (const { key } of members) {
    if (key.length > longestDecisive) continue;
    const name = otherCaseOf(key);
    if (name !== null && decisive.has(name))
      throw new GatewayError("invalid-request", `The body has '${name}' in another case.`, { param: key });
  }
}

/**
 * The name in lower case that a provider may take this one for; `null`: it is in lower case. Go takes a name in any case, and
 * of several the last (https://pkg.go.dev/encoding/json#Unmarshal).
 */
export function otherCaseOf(key: string): string | null {
  if (plainName.test(key)) return null;
  // Both ways, as Go folds names: the Kelvin sign is a k, and the long s an s.
  const name = key.toUpperCase().toLowerCase();
  return name === key ? null : name;
}

/** They say what runs, how much it may use, and what it takes in that the body does not show: all that envelopes are read from. */
const decisive: ReadonlySet<string> = new Set([
  "model",
  "models",
  "fallbacks",
  "messages",
  "input",
  "system",
  "prompt",
  "prediction",
  "previous_response_id",
  "conversation",
  "container",
  "thread",
  "context_management",
  "tools",
  "functions",
  "plugins",
  "mcp_servers",
  "web_search_options",
  "search_parameters",
  "data_sources",
  "enable_search",
  "thinking",
  "reasoning",
  "max_tokens",
  "max_completion_tokens",
  "max_output_tokens",
  "n",
  "best_of",
  "stream",
  "stream_options",
  "include_usage",
  "background",
  "speed",
  "inference_geo",
]);
const longestDecisive = 21;

/** Nearly every name is one: then nothing is made to find it out. */
const plainName = /^[a-z0-9_]*$/;

/** Where one member of an object stands in its text, in UTF-16 offsets; `end`s are exclusive. */
export interface Member {
  /** Decoded: `"mod\u0065l"` is `model`. */
  readonly key: string;
  readonly keyStart: number;
  readonly valueStart: number;
  readonly valueEnd: number;
}

/** The members of the object that starts at `at` (white space before it allowed), in order. `text` must be valid JSON. */
export const objectMembers = (text: string, at = 0): readonly Member[] => scan(text, at, Infinity).members;

/** Where the items of the array that starts at `at` start, in order. `text` must be valid JSON. */
export function arrayItems(text: string, at: number): readonly number[] {
  const starts: number[] = [];
  let depth = 0;
  let isNext = false;
  for (let i = at; i < text.length; i++) {
    const c = text.charCodeAt(i);
    if (c === space || c === newline || c === tab || c === carriageReturn) continue;
    if (depth === 1 && c === comma) {
      isNext = true;
      continue;
    }
    if (depth === 1 && isNext && c !== closeBracket) starts.push(i);
    isNext = false;
    if (c === quote) i = endOfString(text, i + 1);
    else if (c === openBrace || c === openBracket) isNext = ++depth === 1;
    else if ((c === closeBrace || c === closeBracket) && --depth === 0) break;
  }
  return starts;
}

export interface Edit {
  readonly start: number;
  readonly end: number;
  readonly text: string;
}

/** `edits` must not overlap; their order does not matter. */
export function splice(source: string, edits: readonly Edit[]): string {
  let result = "";
  let from = 0;
  for (const edit of areInOrder(edits) ? edits : edits.toSorted(byStart)) {
    result += source.slice(from, edit.start) + edit.text;
    from = edit.end;
  }
  return result + source.slice(from);
}

/** Most are: a copy need not be made for each call. */
function areInOrder(edits: readonly Edit[]): boolean {
  for (let at = 1; at < edits.length; at++)
    if (byStart(edits[at - 1] ?? atStart, edits[at] ?? atStart) > 0) return false;
  return true;
}
const atStart: Edit = { start: 0, end: 0, text: "" };

const byStart = (left: Edit, right: Edit): number => left.start - right.start;

/**
 * One pass over the value at `at`, up to its end or to a depth above `maxDepth`. It checks nothing: on text that is not
 * JSON it ends all the same, and what it returns means nothing.
 */
function scan(text: string, at: number, maxDepth: number): { depth: number; members: Member[] } {
  const members: Member[] = [];
  let depth = 0;
  let key = "";
  /** -1: no key has come. */
  let keyStart = -1;
  let valueStart = -1;
  let afterColon = false;

  for (let i = at; i < text.length; i++) {
    const c = text.charCodeAt(i);
    if (c === space || c === newline || c === tab || c === carriageReturn) continue;
    if (depth === 1 && c === colon) {
      afterColon = true;
      continue;
    }
    if (depth === 1 && (c === comma || c === closeBrace || c === closeBracket)) {
      if (keyStart >= 0 && valueStart >= 0) members.push({ key, keyStart, valueStart, valueEnd: endOfToken(text, i) });
      keyStart = -1;
      valueStart = -1;
      afterColon = false;
    } else if (depth === 1 && afterColon && valueStart < 0) valueStart = i;
    if (c === quote) {
      const end = endOfString(text, i + 1);
      if (depth === 1 && !afterColon) {
        key = decodedKey(text, i, end);
        keyStart = i;
      }
      i = end;
    } else if (c === openBrace || c === openBracket) {
      depth++;
      if (depth > maxDepth) return { depth, members };
    } else if (c === closeBrace || c === closeBracket) {
      depth--;
      if (depth <= 0) break;
    }
  }
  return { depth, members };
}

const space = 0x20;
const newline = 0x0a;
const tab = 0x09;
const carriageReturn = 0x0d;
const quote = 0x22;
const backslash = 0x5c;
const colon = 0x3a;
const comma = 0x2c;
const openBrace = 0x7b;
const closeBrace = 0x7d;
const openBracket = 0x5b;
const closeBracket = 0x5d;

/** The index of the quote that closes the string whose content starts at `from`; the text's length when none does. */
export function endOfString(text: string, from: number): number {
  for (let end = text.indexOf('"', from); end >= 0; end = text.indexOf('"', end + 1)) {
    let slashes = 0;
    while (end - 1 - slashes >= from && text.charCodeAt(end - 1 - slashes) === backslash) slashes++;
    if (slashes % 2 === 0) return end;
  }
  return text.length;
}

/** Steps back over the white space before a delimiter. */
function endOfToken(text: string, delimiter: number): number {
  let end = delimiter;
  while (end > 0 && text.charCodeAt(end - 1) <= space) end--;
  return end;
}

/** Of the string that stands from the quote at `start` to the one at `end`. */
function decodedKey(text: string, start: number, end: number): string {
  const raw = text.slice(start + 1, end);
  if (!raw.includes("\\")) return raw;
  try {
    return String(JSON.parse(text.slice(start, end + 1)));
  } catch {
    return raw; // Not JSON; the parse of the whole body refuses it.
  }
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // The engine's message quotes the body, so it is not passed on.
    throw new GatewayError("invalid-request", "The body is not valid JSON.");
  }
}
