import { isJsonObject, type JsonObject } from "../../chat/json.ts";
import type { OutputFormat } from "../../chat/request.ts";
import { without } from "../extensions.ts";
import { instructionFor, mayBeStrict } from "../json-format.ts";
import type { ModelTraits } from "./models.ts";
import { constrained } from "./schema.ts";

/** `output_config.format`; `rest` is the `output_config` without what has a canonical name here. */
export function decodeFormat(config: JsonObject): { readonly format: OutputFormat; readonly rest: JsonObject } {
  const { format } = config;
  if (!isJsonObject(format) || format["type"] !== "json_schema" || !isJsonObject(format["schema"])) return text(config);
  const known = Object.keys(format).length === 2;
  if (!known) return text(config);
  const { schema } = format;
  return {
    // Other dialects want a name, and enforce fewer schemas.
    format: { type: "json-schema", name: "answer", description: null, schema, strict: mayBeStrict(schema) || null },
    rest: without(config, formatKeys),
  };
}

/** For a client that spoke this dialect. */
export const encodeOwnFormat = (format: OutputFormat): { readonly format?: JsonObject } =>
  format.type === "json-schema" ? { format: { type: "json_schema", schema: format.schema } } : {};

/**
 * What makes the model answer in the format: a field of `output_config`, or a sentence for the system prompt where the
 * protocol has no word for JSON of any shape, the model none for schemas, or the schema is more than it takes.
 */
export function encodeFormat(
  format: OutputFormat,
  model: ModelTraits,
  warn: (sentence: string) => void,
): { readonly config: JsonObject; readonly instruction: string | null } {
  if (format.type === "text") return { config: {}, instruction: null };
  if (format.type === "json") {
    warn("anthropic-messages has no JSON mode; asked for in the system prompt");
    return { config: {}, instruction: instructionFor(format) };
  }
  const taken = model.structured ? constrained(format.schema) : null;
  if (taken === null) {
    warn("this JSON schema cannot be enforced by anthropic-messages with this model; asked for in the system prompt");
    return { config: {}, instruction: instructionFor(format) };
  }
  if (taken.lost) warn("anthropic-messages cannot enforce every rule of the JSON schema; told to the model instead");
  return { config: { format: { type: "json_schema", schema: taken.schema } }, instruction: null };
}

const text = (rest: JsonObject) => ({ format: { type: "text" } as const, rest });
const formatKeys = new Set(["format"]);
