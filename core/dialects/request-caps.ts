import type { Json } from "../chat/json.ts";
import { invalid, missing, readString } from "./fields.ts";

/*
 * Caps on what a request may count, far above what real clients send; the body's size is capped elsewhere. Each check
 * throws `invalid-request` that names the field.
 */

/** Messages of a conversation, or whatever a dialect has in their place. */
export const maxMessages = 20_000;
export const maxTools = 2_000;
/** Of a list or an object that is none of these. */
export const maxEntries = 10_000;
export const maxToolNameLength = 1_024;
export const maxCandidates = 128;
export const maxOutputTokens = 2 ** 31;
const maxModelLength = 256;

export const readModel = (value: Json | undefined): string =>
  checkModel(readString(value, "model") ?? missing("model"));

export function checkModel(model: string): string {
  // eslint-disable-next-line no-control-regex -- control characters are what is looked for.
  if (model === "" || model.length > maxModelLength || /[\u0000-\u001f\u007f]/.test(model)) {
    throw invalid("model", `must have 1 to ${maxModelLength} characters, none of them a control character`);
  }
  return model;
}

/** The name of the tool at place `i` of the list `path`. */
export function checkToolName(name: Json | undefined, path: string, i: number): void {
  if (typeof name === "string" && name.length > maxToolNameLength) {
    throw invalid(`${path}[${i}]`, `must have a name of at most ${maxToolNameLength} characters`);
  }
}

export function checkEntries(value: Json | undefined, path: string): void {
  if (typeof value !== "object" || value === null) return;
  if (Object.keys(value).length > maxEntries) throw invalid(path, `must have at most ${maxEntries} entries`);
}
