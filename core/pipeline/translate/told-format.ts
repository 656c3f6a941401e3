import type { ChatRequest, Message, OutputFormat } from "../../chat/request.ts";
import type { Dialect } from "../../dialects/dialect.ts";
import { instructionFor } from "../../dialects/json-format.ts";

/**
 * The request with a format that the target takes, where it only takes that of an object: the model is told of any other.
 * It is also told of JSON mode where no message has the word, without which OpenAI refuses the mode: "'messages' must
 * contain the word 'json' in some form, to use 'response_format' of type 'json_object'".
 */
export function withTakenFormat(
  request: ChatRequest,
  { name, traits }: Dialect,
): { readonly request: ChatRequest; readonly warnings: readonly string[] } {
  const { format, messages } = request;
  if (traits.objectFormats !== true || format.type === "text") return { request, warnings: [] };
  if (format.type === "json") {
    const isTold = messages.some(({ parts }) => parts.some((part) => part.type === "text" && /json/i.test(part.text)));
    return { request: isTold ? request : { ...request, messages: instructed(messages, format) }, warnings: [] };
  }
  if (format.schema["type"] === "object") return { request, warnings: [] };
  return {
    request: { ...request, format: { type: "text" }, messages: instructed(messages, format) },
    warnings: [`${name} cannot say a JSON schema of anything but an object; asked for in the system prompt`],
  };
}

/** Behind the client's own instructions. */
function instructed(messages: readonly Message[], format: Exclude<OutputFormat, { type: "text" }>): readonly Message[] {
  const said = messages.findIndex(({ role }) => role !== "system" && role !== "developer");
  const at = said < 0 ? messages.length : said;
  return messages.toSpliced(at, 0, { role: "system", parts: [{ type: "text", text: instructionFor(format) }] });
}
