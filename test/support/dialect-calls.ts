import type { DialectName } from "../../core/dialects/dialect.ts";
import { type CallOptions, call, type Reply } from "./clients.ts";
import type { Gateway } from "./process.ts";

/** Raw calls as a client of each dialect makes them, and what such a client reads of an answer; without any SDK. */

export interface Ask {
  readonly model: string;
  readonly stream?: boolean;
  /** More fields of the body, in the dialect's own words. */
  readonly more?: Readonly<Record<string, unknown>>;
}

export function ask(
  gateway: Gateway,
  key: string,
  dialect: DialectName,
  { model, stream = false, more = {} }: Ask,
  options: CallOptions = {},
): Promise<Reply> {
  const { path, body } = requestOf(dialect, { model, stream, more });
  return call(gateway, key, body, { path, ...options });
}

/** What such a client sends. */
export function requestOf(dialect: DialectName, { model, stream = false, more = {} }: Ask) {
  const { path, body } = requests[dialect](model, stream);
  return { path, body: { ...body, ...more } };
}

const requests: Readonly<
  Record<DialectName, (model: string, stream: boolean) => { readonly path: string; readonly body: object }>
> = {
  "openai-chat": (model, stream) => ({
    path: "/v1/chat/completions",
    body: { model, ...(stream && { stream }), messages: [{ role: "user", content: "Say hello." }] },
  }),
  "openai-responses": (model, stream) => ({
    path: "/v1/responses",
    body: { model, ...(stream && { stream }), input: "Say hello." },
  }),
  "anthropic-messages": (model, stream) => ({
    path: "/v1/messages",
    body: { model, ...(stream && { stream }), max_tokens: 1_000, messages: [{ role: "user", content: "Say hello." }] },
  }),
  gemini: (model, stream) => ({
    path: `/v1beta/models/${model}:${stream ? "streamGenerateContent?alt=sse" : "generateContent"}`,
    body: { contents: [{ role: "user", parts: [{ text: "Say hello." }] }] },
  }),
};

/** One event of a stream. */
export interface SseEvent {
  readonly event: string | null;
  readonly data: string;
}
export const eventsOf = (text: string): readonly SseEvent[] =>
  text
    .split(/\r?\n\r?\n/)
    .filter((frame) => /^data:/m.test(frame))
    .map((frame) => ({
      event: /^event: ?(.*)$/m.exec(frame)?.[1] ?? null,
      data: (/^data: ?(.*)$/m.exec(frame)?.[1] ?? "").trim(),
    }));

/** The message of an error answer, by the envelope that the dialect's vendor documents; throws for another shape. */
export function messageOf(dialect: DialectName, body: string): string {
  const { error, type } = object(JSON.parse(body));
  if (dialect === "anthropic-messages" && type !== "error") throw new Error(`not an error of Anthropic's: ${body}`);
  const { message, code, status } = object(error);
  if (typeof message !== "string") throw new Error(`no message: ${body}`);
  if (dialect === "gemini" && (typeof code !== "number" || typeof status !== "string"))
    throw new Error(`not an error of Gemini's: ${body}`);
  return message;
}

/** How a stream ended, as a client of the dialect sees it. `null`: it did not. */
export function endOf(dialect: DialectName, text: string): "whole" | "error" | null {
  const events = eventsOf(text);
  const last = events.at(-1);
  if (last === undefined) return null;
  if (last.data === "[DONE]") return dialect === "openai-chat" ? "whole" : null;
  const data = readable(last.data);
  switch (dialect) {
    case "openai-chat":
      return data["error"] === undefined ? null : "error";
    case "openai-responses":
      if (data["type"] === "response.completed") return "whole";
      return data["type"] === "error" || data["type"] === "response.failed" ? "error" : null;
    case "anthropic-messages":
      if (data["type"] === "message_stop") return "whole";
      return data["type"] === "error" && last.event === "error" ? "error" : null;
    case "gemini":
      if (data["error"] !== undefined) return "error";
      return JSON.stringify(data).includes('"finishReason"') ? "whole" : null;
  }
}

/** An event that a provider broke is none that ends a stream. */
function readable(text: string): Readonly<Record<string, unknown>> {
  try {
    return object(JSON.parse(text));
  } catch {
    return {};
  }
}

/** How many of a stream's events end it: there must be one, of a good stream and of a broken one alike. */
export function endsIn(dialect: DialectName, text: string): number {
  const ends = eventsOf(text).map(({ event, data }) =>
    endOf(dialect, `${event === null ? "" : `event: ${event}\n`}data: ${data}\n\n`),
  );
  // OpenAI tells the error by itself first, and then the failed response.
  if (dialect === "openai-responses" && ends.at(-1) === "error" && ends.at(-2) === "error") ends.pop();
  return ends.filter((end) => end !== null).length;
}

function object(value: unknown): Readonly<Record<string, unknown>> {
  if (typeof value !== "object" || value === null) throw new Error(`not an object: ${JSON.stringify(value)}`);
  // Checked above; its fields stay unknown.
  return value as Readonly<Record<string, unknown>>;
}
