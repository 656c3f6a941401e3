import { isJsonArray, isJsonObject, type Json, type JsonObject } from "../../chat/json.ts";
import type { OutputFormat } from "../../chat/request.ts";
import { sameJson } from "../extensions.ts";
import { readString } from "../fields.ts";
import { mayBeStrict } from "../json-format.ts";
import { toJsonSchema } from "./schema.ts";
import { camelObject, enumWord, inCamel } from "./spelling.ts";

export interface DecodedFormat {
  readonly format: OutputFormat;
  /** Google's own form of it, to be written again; `null`: it has none beside the type of the answer. */
  readonly asSent: JsonObject | null;
  /** The settings it came in. */
  readonly consumed: readonly string[];
  /** What the newer setting asks for beside text. */
  readonly otherFormats: JsonObject;
}

/** `config`: the settings in camel case. */
export function decodeFormat(config: JsonObject): DecodedFormat {
  const newer = decodeResponseFormat(config["responseFormat"]);
  if (newer !== null) return newer;
  const type = readString(config["responseMimeType"], `generationConfig.responseMimeType`);
  const consumed = type === "text/plain" || type === "application/json" ? ["responseMimeType"] : [];
  const otherFormats = {};
  if (type !== "application/json") return { format: { type: "text" }, asSent: null, consumed, otherFormats };
  // The name with the underscore is what Google calls it inside, and what older SDKs send.
  const name = jsonSchemaFields.find((field) => isJsonObject(config[field]));
  const plain = name === undefined ? null : config[name];
  const { responseSchema: own } = config;
  const schema = isJsonObject(plain) ? plain : isJsonObject(own) ? toJsonSchema(own) : null;
  if (schema === null) return { format: { type: "json" }, asSent: null, consumed, otherFormats };
  return {
    format: heldTo(schema),
    asSent: isJsonObject(plain) ? { [name ?? ""]: plain } : { responseSchema: own },
    consumed: [...consumed, name ?? "responseSchema"],
    otherFormats,
  };
}

/**
 * What takes the place of the type and the schemas, `{ text: { mimeType, schema } }`: the SDKs send a list of these, the API
 * has one (https://ai.google.dev/api/generate-content#ResponseFormatConfig). `null`: it says nothing of text.
 */
function decodeResponseFormat(value: Json | undefined): DecodedFormat | null {
  const formats: JsonObject = Object.assign({}, ...(isJsonArray(value) ? value : [value]).map(camelObject));
  const { text, ...otherFormats } = formats;
  if (!isJsonObject(text)) return null;
  const { mimeType, schema } = inCamel(text);
  const isJson = enumWord(mimeType, mimeTypes)?.toLowerCase().replace("_", "/") === "application/json";
  return {
    format: !isJson ? { type: "text" } : isJsonObject(schema) ? heldTo(schema) : { type: "json" },
    asSent: { responseFormat: value },
    consumed: ["responseFormat"],
    otherFormats,
  };
}

const mimeTypes = ["MIME_TYPE_UNSPECIFIED", "APPLICATION_JSON", "TEXT_PLAIN"];

function heldTo(schema: JsonObject): OutputFormat {
  const title = schema["title"];
  return {
    type: "json-schema",
    name: typeof title === "string" && /^[a-zA-Z0-9_-]{1,64}$/.test(title) ? title : "response",
    description: null,
    schema,
    // Google holds answers to every schema; others enforce fewer.
    strict: mayBeStrict(schema) || null,
  };
}

const jsonSchemaFields = ["responseJsonSchema", "_responseJsonSchema"];

/** Plain JSON Schema for other dialects' requests (https://ai.google.dev/gemini-api/docs/structured-output). */
export function encodeFormat(format: OutputFormat, note: JsonObject | null): JsonObject {
  const sent = note?.["format"];
  if (isJsonObject(sent) && sent["responseFormat"] !== undefined && sameJson(decodeFormat(sent).format, format))
    return sent;
  if (format.type === "text") return {};
  const responseMimeType = "application/json";
  if (format.type === "json") return { responseMimeType };
  if (isJsonObject(sent)) {
    const { responseSchema: own, ...plain } = sent;
    const said = isJsonObject(own) ? toJsonSchema(own) : Object.values(plain)[0];
    if (sameJson(said, format.schema)) return { responseMimeType, ...sent };
  }
  const { description, schema } = format;
  const told = description === null || schema["description"] !== undefined ? {} : { description };
  return { responseMimeType, responseJsonSchema: { ...schema, ...told } };
}
