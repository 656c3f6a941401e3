/** A JSON value as `JSON.parse` returns it. */
export type Json = string | number | boolean | null | readonly Json[] | JsonObject;
export interface JsonObject {
  readonly [key: string]: Json | undefined;
}

export const isJsonObject = (value: unknown): value is JsonObject =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/** `Array.isArray` would make its items `any`. */
export const isJsonArray = (value: unknown): value is readonly Json[] => Array.isArray(value);
