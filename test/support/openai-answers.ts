import type { Exchange, Script } from "./upstream.ts";
import { sse, whole } from "./scripts.ts";

/** Answers in the shapes of the OpenAI Chat protocol, with ids that never repeat. */

let lastId = 0;
export const newUpstreamId = (): string => `chatcmpl-up-${++lastId}`;

export interface Answer {
  readonly text?: string;
  readonly promptTokens?: number;
  readonly completionTokens?: number;
  /** Replaces the usage object; `null` leaves it out. */
  readonly usage?: unknown;
  readonly finish?: string;
  readonly id?: string;
}

/** Behaves as OpenAI does: unary or a stream as asked, the usage chunk only when asked. */
export const answers =
  (answer: Answer = {}): Script =>
  (exchange) => {
    const id = answer.id ?? newUpstreamId();
    exchange.upstreamId = id;
    if (exchange.json.stream === true) return sse(streamText(id, answer, wantsUsage(exchange)))(exchange);
    return whole(exchange, 200, JSON.stringify(completion(id, answer)), { "content-type": "application/json" });
  };

export function completion(
  id: string,
  { text = "Hello there.", finish = "stop", ...answer }: Answer = {},
): Record<string, unknown> {
  const message = { role: "assistant", content: text, refusal: null };
  const usage = usageOf(answer);
  return {
    id,
    object: "chat.completion",
    created: 1_700_000_000,
    model: "up-model-2026-01-01",
    choices: [{ index: 0, message, logprobs: null, finish_reason: finish }],
    ...(usage === null ? {} : { usage }),
  };
}

/** The frames of a stream, each with its blank line; the last is `[DONE]`. */
export function frames(
  id: string,
  { text = "Hello there.", finish = "stop", ...answer }: Answer = {},
  includeUsage = false,
): string[] {
  const words = text.match(/\S+\s*/g) ?? [];
  const deltas = [{ role: "assistant", content: "" }, ...words.map((content) => ({ content }))];
  const usage = usageOf(answer);
  return [
    ...deltas.map((delta) => frame(chunk(id, [{ index: 0, delta, finish_reason: null }]))),
    frame(chunk(id, [{ index: 0, delta: {}, finish_reason: finish }])),
    ...(includeUsage && usage !== null ? [frame({ ...chunk(id, []), usage })] : []),
    "data: [DONE]\n\n",
  ];
}

const streamText = (id: string, answer: Answer = {}, includeUsage = false): string =>
  frames(id, answer, includeUsage).join("");

export const chunk = (id: string, choices: readonly unknown[]): Record<string, unknown> => ({
  id,
  object: "chat.completion.chunk",
  created: 1_700_000_000,
  model: "up-model-2026-01-01",
  choices,
});

export const frame = (value: unknown): string => `data: ${JSON.stringify(value)}\n\n`;

export function wantsUsage(exchange: Exchange): boolean {
  const options = exchange.json.stream_options;
  return (
    typeof options === "object" && options !== null && "include_usage" in options && options.include_usage === true
  );
}

function usageOf({ promptTokens = 11, completionTokens = 3, usage }: Answer): unknown {
  return usage === undefined
    ? {
        prompt_tokens: promptTokens,
        completion_tokens: completionTokens,
        total_tokens: promptTokens + completionTokens,
      }
    : usage;
}
