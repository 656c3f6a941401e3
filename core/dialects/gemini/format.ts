import { isJsonObject, type JsonObject } from "../../chat/json.ts";
import type { OutputFormat } from "../../chat/request.ts";
import { sameJson } from "../extensions.ts";
import { readString } from "../fields.ts";
import { mayBeStrict } from "../json-format.ts";
import { toJsonSchema } from "./schema.ts";

export interface DecodedFormat {
  readonly format: OutputFormat;
  /** Google's own form of the schema, to be written again. */
  readonly schema: JsonObject | null;
  /** The setting it came in. */
  readonly consumed: readonly string[];
}

/** `config`: the settings in camel case. */
export function decodeFormat(config: JsonObject): DecodedFormat {
  const type = readString(config["responseMimeType"], `generationConfig.responseMimeType`);
  if (type !== "application/json") return { format: { type: "text" }, schema: null, consumed: [] };
  // The name with the underscore is what Google calls it inside, and what older SDKs send.
  const name = jsonSchemaFields.find((field) => isJsonObject(config[field]));
  const plain = name === undefined ? null : config[name];
  const { responseSchema: own } = config;
  const schema = isJsonObject(plain) ? plain : isJsonObject(own) ? toJsonSchema(own) : null;
  if (schema === null) return { format: { type: "json" }, schema: null, consumed: [] };
  const title = schema["title"];
  return {
    format: {
      type: "json-schema",
      name: typeof title === "string" && /^[a-zA-Z0-9_-]{1,64}$/.test(title) ? title : "response",
      description: null,
      schema,
      // Google holds answers to every schema; others enforce fewer.
      strict: mayBeStrict(schema) || null,
    },
    schema: isJsonObject(plain) ? { [name ?? ""]: plain } : { responseSchema: own },
    consumed: [name ?? "responseSchema"],
  };
}

const jsonSchemaFields = ["responseJsonSchema", "_responseJsonSchema"];

/** Plain JSON Schema for other dialects' requests (https://ai.google.dev/gemini-api/docs/structured-output). */
export function encodeFormat(format: OutputFormat, note: JsonObject | null): JsonObject {
  if (format.type === "text") return {};
  const responseMimeType = "application/json";
  if (format.type === "json") return { responseMimeType };
  const sent = note?.["responseSchema"];
  if (isJsonObject(sent)) {
    const { responseSchema: own, ...plain } = sent;
    const said = isJsonObject(own) ? toJsonSchema(own) : Object.values(plain)[0];
    if (sameJson(said, format.schema)) return { responseMimeType, ...sent };
  }
  const { description, schema } = format;
  const told = description === null || schema["description"] !== undefined ? {} : { description };
  return { responseMimeType, responseJsonSchema: { ...schema, ...told } };
}
