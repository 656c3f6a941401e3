/** A JSON value as `JSON.parse` returns it. */
export type Json = string | number | boolean | null | readonly Json[] | JsonObject;
export interface JsonObject {
  readonly [key: string]: Json | undefined;
}

export const isJsonObject = (value: unknown): value is JsonObject =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/** `Array.isArray` would make its items `any`. */
export const isJsonArray = (value: unknown): value is readonly Json[] => Array.isArray(value);

/** Those that are objects: the same array where all are. */
export function objectsIn(value: Json | undefined): readonly JsonObject[] {
  if (!isJsonArray(value)) return none;
  return value.every(isJsonObject) ? value : value.filter(isJsonObject);
}

const none: readonly JsonObject[] = [];
