import { isJsonArray, isJsonObject, type Json, type JsonObject } from "../chat/json.ts";
import type { VendorError } from "./dialect.ts";

/**
 * Reads `{error: {message, type, code, param}}` (OpenAI and most), `{error: "…"}` (Ollama), `{code, error: "…"}` (xAI),
 * `{message}` (Cohere, Mistral), `{detail}` (FastAPI servers; a string, an object or a list), and arrays of any of these
 * (Google). What is none of them has a general message.
 */
export function decodeError(body: Json): VendorError {
  if (typeof body === "string") return vendorError({ message: body });
  if (isJsonArray(body)) return body.length > 0 ? decodeError(body[0] ?? null) : vendorError({});
  if (!isJsonObject(body)) return vendorError({});
  const { error, detail } = body;
  if (isJsonObject(error)) return vendorError(error);
  if (typeof error === "string") return vendorError({ ...body, message: error });
  if (isJsonArray(error) && error.length > 0) return decodeError(error[0] ?? null);
  if (body["message"] !== undefined) return vendorError(body);
  if (typeof detail === "string") return vendorError({ ...body, message: detail });
  if (isJsonObject(detail) || isJsonArray(detail)) return decodeError(detail);
  if (typeof body["msg"] === "string") return vendorError({ ...body, message: body["msg"] });
  return vendorError(body);
}

function vendorError(fields: JsonObject): VendorError {
  return {
    message: word(fields["message"]) ?? word(fields["msg"]) ?? "The provider reported an error without a message.",
    type: word(fields["type"]) ?? word(fields["status"]),
    code: word(fields["code"]),
    param: word(fields["param"]),
  };
}

/** Codes are numbers with some vendors (OpenRouter: 401). */
function word(value: Json | undefined): string | null {
  if (typeof value === "number") return String(value);
  return typeof value === "string" && value !== "" ? value : null;
}
