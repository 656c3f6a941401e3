import type { Dialect, StreamEncoder } from "./dialect.ts";
import { JsonArraySplitter, JsonArrayWriter } from "./json-array.ts";
import { SseSplitter } from "./sse.ts";

/** How the events of a stream follow each other: server-sent events, or the elements of one JSON array (Gemini). */
export type Framing = "sse" | "json-array";

export const splitterOf = (framing: Framing): SseSplitter | JsonArraySplitter =>
  framing === "sse" ? new SseSplitter() : new JsonArraySplitter();

/** As the encoder of the dialect, in another framing. Whatever its last event is, an array is closed behind it. */
export function framed(encoder: StreamEncoder, dialect: Dialect, framing: Framing): StreamEncoder {
  if (framing === "sse") return encoder;
  const writer = new JsonArrayWriter();
  return {
    step(event) {
      const text = writer.write(encoder.step(event));
      return event.type === "response-end" ? text + writer.end() : text;
    },
    error: (error) => writer.write(encoder.error?.(error) ?? dialect.encodeStreamError(error)) + writer.end(),
  };
}
