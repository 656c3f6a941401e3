import { GatewayError } from "../chat/error.ts";
import { isJsonArray, isJsonObject, type Json, type JsonObject } from "../chat/json.ts";

/*
 * Readers of one field of a request. `null` and an absent field are the same. They throw `invalid-request` that names the
 * field (`path`) and never what it holds.
 */

export function readNumber(value: Json | undefined, path: string): number | null {
  if (value === undefined || value === null) return null;
  if (typeof value === "number" && Number.isFinite(value)) return value;
  throw invalid(path, "must be a number");
}

export function readInteger(value: Json | undefined, path: string, least: number, most: number): number | null {
  if (value === undefined || value === null) return null;
  if (typeof value === "number" && Number.isInteger(value) && value >= least && value <= most) return value;
  throw invalid(path, `must be an integer from ${least} to ${most}`);
}

export function readBoolean(value: Json | undefined, path: string): boolean | null {
  if (value === undefined || value === null) return null;
  if (typeof value === "boolean") return value;
  throw invalid(path, "must be a boolean");
}

export function readString(value: Json | undefined, path: string): string | null {
  if (value === undefined || value === null) return null;
  if (typeof value === "string") return value;
  throw invalid(path, "must be a string");
}

export function readObject(value: Json | undefined, path: string): JsonObject | null {
  if (value === undefined || value === null) return null;
  if (isJsonObject(value)) return value;
  throw invalid(path, "must be an object");
}

/** An array of objects with at most `most` entries. */
export function readObjects(value: Json | undefined, path: string, most: number): readonly JsonObject[] | null {
  if (value === undefined || value === null) return null;
  if (!isJsonArray(value)) throw invalid(path, "must be an array");
  if (value.length > most) throw invalid(path, `must have at most ${most} entries`);
  if (value.every(isJsonObject)) return value;
  // The place is put into words only for the one that is wrong: there may be thousands.
  const at = value.findIndex((item) => !isJsonObject(item));
  readObject(value[at], `${path}[${at}]`);
  return missing(`${path}[${at}]`);
}

/** Neither absent, `null` nor an empty list. */
export const isGiven = (value: Json | undefined): boolean =>
  value !== undefined && value !== null && !(isJsonArray(value) && value.length === 0);

export const invalid = (path: string, rule: string): GatewayError =>
  new GatewayError("invalid-request", `'${path}' ${rule}.`, { param: path });

export function missing(path: string): never {
  throw invalid(path, "is required");
}
