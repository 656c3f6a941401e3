import type { DialectName } from "../../core/dialects/dialect.ts";

/** Recorded answers that no client of another dialect can be told, each with the reason. */
export interface AnswerException {
  readonly id: string;
  readonly source: DialectName;
  /** Absent: to any of them. */
  readonly clients?: readonly DialectName[];
  readonly reason: string;
}

export const answerExceptions: readonly AnswerException[] = [
  {
    id: "pydantic-ai--test-groq-test-tool-use-failed-error-streaming-with-text--0-c1ef95",
    source: "openai-chat",
    reason: "the provider's stream ends in an error event, which becomes one of the client's dialect",
  },
  {
    id: "ai--fixtures-anthropic-skill-create--0-b4714c",
    source: "anthropic-messages",
    reason: "the answer of another route, which made a skill",
  },
  {
    id: "ai--fixtures-anthropic-skill-version-create--0-9bdd0f",
    source: "anthropic-messages",
    reason: "the answer of another route, which made a skill",
  },
  {
    id: "ai--fixtures-spliced-message-start-chunks--0-ea6e67",
    source: "anthropic-messages",
    reason: "two streams that were spliced on purpose: a message starts within a message",
  },
  {
    id: "ai--fixtures-anthropic-programmatic-tool-calling-1--0-a3bf99",
    source: "anthropic-messages",
    clients: ["openai-responses", "gemini"],
    reason: "its calls were made by code that the provider ran, so the turn is over; neither tells such calls apart",
  },
  {
    id: "lingua--multimodalrequest-responses-followup-response-streaming--0-d78e1e",
    source: "openai-responses",
    clients: ["openai-chat", "anthropic-messages"],
    reason: "its events are of no protocol that OpenAI has described",
  },
  {
    id: "ai--fixtures-google-429-retry-info--0-c3b318",
    source: "gemini",
    reason: "the body of an error, filed under status 200",
  },
  {
    id: "firebase--vertexai-unary-failure-generate-images-all-filtered--0-c5862e",
    source: "gemini",
    reason: "the answer of another route, which makes images",
  },
  {
    id: "firebase--vertexai-streaming-failure-invalid-json--0-2ae6a8",
    source: "gemini",
    reason: "broken on purpose: its one event is none of the protocol",
  },
];

/** Recorded requests that lose something on the way to a target, or that its vendor's schema does not know. */
export interface RequestException {
  readonly id: string;
  readonly client: DialectName;
  readonly targets: readonly DialectName[];
  readonly reason: string;
}

export const requestExceptions: readonly RequestException[] = [
  {
    id: "pydantic-ai--test-reasoning-wire-contract-groq-qwen3-disable-merges-user-extra-body--0-965e57",
    client: "openai-chat",
    targets: ["openai-responses"],
    reason: "a service tier of Groq's own, which its vendor may have for Responses too",
  },
  {
    id: "mirascope--openai-responses-handles-empty-string-content--0-100cf7",
    client: "openai-responses",
    targets: ["anthropic-messages"],
    reason: "an empty text is the whole input, and neither empty texts nor no messages are taken there",
  },
  {
    id: "mirascope--test-call-with-empty-string-openai-gpt-4o-responses--0-007c50",
    client: "openai-responses",
    targets: ["anthropic-messages"],
    reason: "an empty text is the whole input, and neither empty texts nor no messages are taken there",
  },
];
