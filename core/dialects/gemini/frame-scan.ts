import { Buffer } from "node:buffer";
import { isJsonArray, isJsonObject, type JsonObject } from "../../chat/json.ts";
import type { RawText } from "../dialect.ts";
import { endOfString } from "../json-text.ts";
import { contentBytes } from "../text-bytes.ts";

/** What of a chunk that fits was not the same as in the one before. */
export interface Fitting {
  /** Of its text, in UTF-8. */
  contentBytes: number;
  isThought: boolean;
  /** The inside of its `usageMetadata`, as JSON text. */
  usage: string;
}

/**
 * Most chunks of a stream are a piece of text and the totals so far: byte for byte alike up to the text, from there to the
 * totals, and behind those. One that fits the chunk before holds nothing else, and needs no parse. Compares the frame as
 * received, in whichever framing: its bytes need no decoding.
 */
export class FrameScan {
  /** Up to the text; empty: nothing is learnt. */
  #head = "";
  /** From the text's closing quote to the totals' brace. */
  #middle = "";
  /** From the totals' closing brace to the end. */
  #tail = "";
  readonly #found: Fitting = { contentBytes: 0, isThought: false, usage: "" };

  /** `chunk` is what `raw` says; in camel case already, or it is not learnt. */
  learn(raw: RawText, chunk: JsonObject): void {
    this.#head = "";
    const part = onlyText(chunk);
    if (part === null) return;
    const frame = raw.text.slice(raw.start, raw.end);
    const text = valueOf(frame, "text", '"');
    const usage = valueOf(frame, "usageMetadata", "{");
    if (text < 0 || usage < text) return;
    const textEnd = endOfString(frame, text);
    const usageEnd = endOfObject(frame, usage, frame.length);
    // Another field of the same name stands before the part's own.
    if (usageEnd < 0 || contentBytes(frame, text, textEnd) !== Buffer.byteLength(part.text)) return;
    this.#head = frame.slice(0, text);
    this.#middle = frame.slice(textEnd, usage);
    this.#tail = frame.slice(usageEnd);
    this.#found.isThought = part.isThought;
  }

  /** `null`: the frame does not fit. The answer holds until the next call. */
  fit({ text, start, end }: RawText): Fitting | null {
    if (this.#head === "" || !text.startsWith(this.#head, start)) return null;
    const from = start + this.#head.length;
    const to = endOfString(text, from);
    const usage = to + this.#middle.length;
    const usageEnd = end - this.#tail.length;
    if (usage > usageEnd || !text.startsWith(this.#middle, to) || !text.startsWith(this.#tail, usageEnd)) return null;
    if (endOfObject(text, usage, usageEnd + 1) !== usageEnd) return null;
    this.#found.contentBytes = contentBytes(text, from, to);
    this.#found.usage = text.slice(usage, usageEnd);
    return this.#found;
  }
}

/** A chunk of one candidate with one part, a text that is not the last; `null`: another one. */
function onlyText({ candidates, error }: JsonObject): { readonly text: string; readonly isThought: boolean } | null {
  const [candidate, ...others] = isJsonArray(candidates) ? candidates : [];
  if (error !== undefined || others.length > 0 || !isJsonObject(candidate)) return null;
  if (candidate["finishReason"] !== undefined || candidate["finish_reason"] !== undefined) return null;
  const parts = isJsonObject(candidate["content"]) ? candidate["content"]["parts"] : undefined;
  const [part, ...more] = isJsonArray(parts) ? parts : [];
  if (more.length > 0 || !isJsonObject(part)) return null;
  const { text, thought, ...rest } = part;
  if (typeof text !== "string" || text === "" || Object.keys(rest).length > 0) return null;
  return { text, isThought: thought === true };
}

/** Where the value of the first such field starts, behind its `opening`; -1: there is none, or several. */
function valueOf(frame: string, field: string, opening: string): number {
  const key = `"${field}"`;
  const at = frame.indexOf(key);
  if (at < 0 || frame.includes(key, at + 1)) return -1;
  const [before] = new RegExp(`^\\s*:\\s*${opening}`).exec(frame.slice(at + key.length, at + key.length + 8)) ?? [];
  return before === undefined ? -1 : at + key.length + before.length;
}

/** Where the brace stands that closes the object whose inside starts at `from`; -1: not before `end`. Its strings have none. */
function endOfObject(text: string, from: number, end: number): number {
  let depth = 1;
  for (let at = from; at < end; at++) {
    const c = text.charCodeAt(at);
    if (c === openBrace) depth++;
    else if (c === closeBrace && --depth === 0) return at;
  }
  return -1;
}

const openBrace = 0x7b;
const closeBrace = 0x7d;
