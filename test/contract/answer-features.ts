import type { Json } from "../../core/chat/json.ts";
import type { Part } from "../../core/chat/request.ts";
import type { Candidate, ChatResponse } from "../../core/chat/response.ts";
import { noUsage, type Usage } from "../../core/chat/usage.ts";
import { pixel } from "./request-features.ts";

/** One thing that an answer can say. */
export interface AnswerFeature {
  readonly name: string;
  readonly answer: Partial<ChatResponse>;
  probe(answer: ChatResponse): Json | undefined;
}

const text = (value: string): Part => ({ type: "text", text: value });
const call = (id: string, name: string, input: string): Part => ({ type: "tool-call", id, name, input });
const candidate = (answered: readonly Part[], more: Partial<Candidate> = {}): Candidate => ({
  parts: answered,
  finish: { reason: answered.some(({ type }) => type === "tool-call") ? "tool-calls" : "stop", raw: null },
  ...more,
});
const candidates = (...answered: readonly Candidate[]): Partial<ChatResponse> => ({ candidates: answered });
const first = (answer: ChatResponse): readonly Part[] => answer.candidates[0]?.parts ?? [];
const firstOf = <T extends Part["type"]>(answer: ChatResponse, type: T) =>
  first(answer).filter((part): part is Part & { type: T } => part.type === type);
const texts = (answer: ChatResponse): Json =>
  answer.candidates.map(({ parts: said }) =>
    said.flatMap((part) => (part.type === "text" ? [part.text] : [])).join(""),
  );
const called = (answer: ChatResponse): Json =>
  firstOf(answer, "tool-call").map(({ id, name, input }) => ({ id, name, input: JSON.parse(input || "{}") as Json }));
const used = (usage: Partial<Usage>): Partial<ChatResponse> => ({
  ...candidates(candidate([text("Hello")])),
  usage: { usage: { ...noUsage, inputTokens: 100, outputTokens: 20, ...usage }, anomalous: false },
});
const logprobs = { content: [{ token: "Hello", logprob: -0.5, bytes: null, top_logprobs: [] }], refusal: null };

export const answerFeatures: readonly AnswerFeature[] = [
  { name: "text", answer: candidates(candidate([text("Hello, Grüße, 你好")])), probe: texts },
  {
    name: "text and parallel calls",
    answer: candidates(
      candidate([
        text("Let me see."),
        call("call_a", "get_weather", '{"city":"Rome"}'),
        call("call_b", "get_time", '{"zone":[1,2]}'),
      ]),
    ),
    probe: (answer) => [texts(answer), called(answer), answer.candidates[0]?.finish.reason ?? null],
  },
  { name: "call without arguments", answer: candidates(candidate([call("call_a", "get_time", "")])), probe: called },
  {
    name: "reasoning text",
    answer: candidates(candidate([{ type: "reasoning", text: "Hm." }, text("Hello")])),
    probe: (answer) =>
      firstOf(answer, "reasoning")
        .map((part) => part.text)
        .join(""),
  },
  {
    name: "signed reasoning",
    answer: candidates(candidate([{ type: "reasoning", text: "Hm.", signature: "c2ln" }, text("Hello")])),
    probe: (answer) => first(answer).flatMap((part) => ("signature" in part ? [part.signature] : [])),
  },
  {
    name: "encrypted reasoning",
    answer: candidates(candidate([{ type: "reasoning", text: "", encrypted: "ZW5j" }, text("Hello")])),
    probe: (answer) => firstOf(answer, "reasoning").map(({ encrypted }) => encrypted ?? null),
  },
  {
    name: "signed call",
    answer: candidates(
      candidate([{ type: "tool-call", id: "call_a", name: "get_time", input: "{}", signature: "c2ln" }]),
    ),
    probe: (answer) => firstOf(answer, "tool-call").map(({ signature }) => signature ?? null),
  },
  {
    name: "citations of pages",
    answer: candidates(
      candidate([
        {
          type: "text",
          text: "It is so.",
          citations: [{ url: "https://a.example", title: "A", quote: null, start: 0, end: 9 }],
        },
      ]),
    ),
    probe: (answer) => firstOf(answer, "text").flatMap(({ citations }) => (citations ?? []).map(({ url }) => url)),
  },
  {
    name: "log probabilities",
    answer: candidates(candidate([text("Hello")], { logprobs })),
    probe: ({ candidates: [only] }) => JSON.stringify(only?.logprobs ?? null).includes('"token":"Hello"'),
  },
  {
    name: "refusal",
    answer: candidates(candidate([{ type: "refusal", text: "No." }])),
    probe: (answer) =>
      first(answer)
        .flatMap((part) => (part.type === "refusal" || part.type === "text" ? [part.text] : []))
        .join(""),
  },
  { name: "several candidates", answer: candidates(candidate([text("One")]), candidate([text("Two")])), probe: texts },
  {
    name: "image that the model made",
    answer: candidates(
      candidate([{ type: "media", kind: "image", mediaType: "image/png", source: { by: "data", base64: pixel } }]),
    ),
    probe: (answer) => firstOf(answer, "media").map(({ kind, source }) => ({ kind, ...source })),
  },
  {
    name: "end at the cap",
    answer: candidates(candidate([text("Hel")], { finish: { reason: "length", raw: null } })),
    probe: (answer) => answer.candidates[0]?.finish.reason,
  },
  {
    name: "end by a filter",
    answer: candidates(candidate([text("Hel")], { finish: { reason: "content-filter", raw: null } })),
    probe: (answer) => answer.candidates[0]?.finish.reason,
  },
  {
    name: "stop sequence that was met",
    answer: candidates(candidate([text("Hel")], { finish: { reason: "stop", raw: null, stopSequence: "END" } })),
    probe: (answer) => answer.candidates[0]?.finish.stopSequence,
  },
  {
    name: "usage: input, output",
    answer: used({}),
    probe: ({ usage }) => [usage?.usage.inputTokens, usage?.usage.outputTokens].map((count) => count ?? null),
  },
  {
    name: "usage: cache reads",
    answer: used({ cacheReadTokens: 40 }),
    probe: ({ usage }) => [usage?.usage.inputTokens ?? null, usage?.usage.cacheReadTokens ?? null],
  },
  {
    name: "usage: cache writes",
    answer: used({ cacheWriteTokens: 30, cacheWrite1hTokens: 10 }),
    probe: ({ usage }) => [usage?.usage.inputTokens ?? null, usage?.usage.cacheWriteTokens ?? null],
  },
  {
    name: "usage: reasoning",
    answer: used({ reasoningTokens: 5 }),
    probe: ({ usage }) => [usage?.usage.outputTokens ?? null, usage?.usage.reasoningTokens ?? null],
  },
];

export const answerWith = (changed: Partial<ChatResponse>): ChatResponse => ({
  id: "answer-1",
  model: "m",
  createdMs: 1_700_000_000_000,
  candidates: [],
  usage: { usage: { ...noUsage, inputTokens: 10, outputTokens: 5 }, anomalous: false },
  extensions: {},
  ...changed,
});
