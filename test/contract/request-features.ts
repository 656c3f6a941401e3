import type { Json, JsonObject } from "../../core/chat/json.ts";
import type { ChatRequest, MediaPart, Message, Part, Tool, ToolResultPart } from "../../core/chat/request.ts";
import type { DialectName } from "../../core/dialects/dialect.ts";
import { aChatRequest, aMessage } from "./samples.ts";

/** One thing that a request can say. `probe` is what must be the same on the other side. */
export interface RequestFeature {
  readonly name: string;
  readonly request: Partial<ChatRequest>;
  probe(request: ChatRequest): Json | undefined;
  /** Dialects that say it by saying nothing, or in a way that the probe does not see. */
  readonly unseen?: readonly DialectName[];
}

/** One thing that only a target of the client's own dialect can do, in the words of each dialect that has it. */
export interface NativeFeature {
  readonly name: string;
  readonly said: Partial<Readonly<Record<DialectName, JsonObject>>>;
}

export const pixel = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";
const pdf = "JVBERi0xLjQKJUVPRg==";
const wav = "UklGRiQAAABXQVZFZm10IBAAAAABAAEA";

const says = (part: Part): Message => ({ role: "user", parts: [{ type: "text", text: "Look:" }, part] });
const image = (source: MediaPart["source"]): MediaPart => ({
  type: "media",
  kind: "image",
  mediaType: source.by === "data" ? "image/png" : null,
  source,
});
const weather: Tool = {
  type: "function",
  name: "get_weather",
  description: "Weather of a city",
  parameters: { type: "object", properties: { city: { type: "string" } }, required: ["city"] },
  strict: null,
};
const clock: Tool = {
  type: "function",
  name: "get_time",
  description: null,
  parameters: { type: "object", properties: {} },
  strict: null,
};
const call = (id: string, name: string, input: string): Part => ({ type: "tool-call", id, name, input });
const result = (id: string, ...said: ToolResultPart["parts"]): ToolResultPart => ({
  type: "tool-result",
  id,
  parts: said,
  isError: false,
});
const text = (value: string) => ({ type: "text", text: value }) as const;
const toolTurn = (...results: readonly ToolResultPart[]): Message => ({ role: "tool", parts: results });
const asked = aMessage("user", "What is the weather?");
const schema = { type: "object", properties: { a: { type: "string" } }, required: ["a"], additionalProperties: false };

// ── what probes look at ───────────────────────────────────────────────────────────────────────────────────────────────

const parts = (request: ChatRequest): readonly Part[] => request.messages.flatMap((message) => message.parts);
const ofType = <T extends Part["type"]>(request: ChatRequest, type: T) =>
  parts(request).filter((part): part is Part & { type: T } => part.type === type);
const media = (request: ChatRequest): Json =>
  ofType(request, "media").map(({ kind, mediaType, source }) => ({ kind, mediaType, ...source }));
const toolNamed = (request: ChatRequest): Json =>
  request.tools.flatMap((tool) => (tool.type === "server" ? [] : [tool.name]));
const functions = (request: ChatRequest) => request.tools.filter((tool) => tool.type === "function");
// The samples' own inputs, which are JSON.
const calls = (request: ChatRequest): Json =>
  ofType(request, "tool-call").map(({ id, name, input }) => ({ id, name, input: JSON.parse(input) as Json }));
const results = (request: ChatRequest): Json =>
  ofType(request, "tool-result").map((part) => ({
    id: part.id,
    parts: part.parts.map((inner) =>
      inner.type === "media"
        ? { kind: inner.kind, ...inner.source }
        : { text: inner.type === "text" ? inner.text : "?" },
    ),
  }));
/** Where results hold texts only, the image follows in a message of the user. */
const shownResults = (request: ChatRequest): Json => {
  const inner = ofType(request, "tool-result").flatMap((part) => part.parts);
  const images = [...inner, ...parts(request)].flatMap((part) => (part.type === "media" ? [part.source] : []));
  const hasText = inner.some((part) => part.type === "text" && part.text === "a map");
  return [hasText, images.map((source) => ({ ...source }))];
};
const spoken = (request: ChatRequest): Json =>
  request.messages.map(({ role, parts: said }) => ({
    role: role === "developer" ? "system" : role,
    text: said.flatMap((part) => (part.type === "text" ? [part.text] : [])).join(""),
  }));

export const requestFeatures: readonly RequestFeature[] = [
  {
    name: "text, several turns",
    request: { messages: [asked, aMessage("assistant", "Sunny."), aMessage("user", "And tomorrow?")] },
    probe: spoken,
  },
  { name: "system message", request: { messages: [aMessage("system", "Be brief."), asked] }, probe: spoken },
  { name: "developer message", request: { messages: [aMessage("developer", "Be brief."), asked] }, probe: spoken },
  {
    name: "system message in the middle",
    request: {
      messages: [
        asked,
        aMessage("assistant", "Sunny."),
        aMessage("system", "Now in French."),
        aMessage("user", "And tomorrow?"),
      ],
    },
    probe: spoken,
  },
  {
    name: "image, inline",
    request: {
      messages: [says(image({ by: "data", base64: pixel }))],
    },
    probe: media,
  },
  {
    name: "image, by URL",
    request: {
      messages: [says(image({ by: "url", url: "https://images.example/a.png" }))],
    },
    probe: (request) => ofType(request, "media").map(({ kind, source }) => ({ kind, ...source })),
  },
  {
    name: "PDF, inline",
    request: {
      messages: [
        says({
          type: "media",
          kind: "file",
          mediaType: "application/pdf",
          name: "a.pdf",
          source: { by: "data", base64: pdf },
        }),
      ],
    },
    probe: media,
  },
  {
    name: "PDF, by URL",
    request: {
      messages: [
        says({
          type: "media",
          kind: "file",
          mediaType: "application/pdf",
          source: { by: "url", url: "https://files.example/a.pdf" },
        }),
      ],
    },
    probe: (request) => ofType(request, "media").map(({ kind, source }) => ({ kind, ...source })),
  },
  {
    name: "audio, inline",
    request: {
      messages: [says({ type: "media", kind: "audio", mediaType: "audio/wav", source: { by: "data", base64: wav } })],
    },
    probe: media,
  },
  {
    name: "functions",
    request: { tools: [weather, clock] },
    probe: (request) =>
      functions(request).map(({ name, description, parameters }) => ({ name, description, parameters })),
  },
  {
    name: "strict functions",
    request: { tools: [{ ...weather, strict: true, parameters: { ...schema } }] },
    // Gemini holds all calls to their schemas, in the mode VALIDATED.
    unseen: ["gemini"],
    probe: (request) => functions(request).some(({ strict }) => strict === true),
  },
  {
    name: "parallel calls and their results",
    request: {
      tools: [weather, clock],
      messages: [
        asked,
        {
          role: "assistant",
          parts: [
            text("Let me see."),
            call("call_a", "get_weather", '{"city":"Rome"}'),
            call("call_b", "get_time", "{}"),
          ],
        },
        toolTurn(result("call_a", text("22 degrees")), result("call_b", text("noon"))),
      ],
    },
    probe: (request) => [calls(request), results(request)],
  },
  {
    name: "tool result with an image",
    request: {
      tools: [weather],
      messages: [
        asked,
        { role: "assistant", parts: [call("call_a", "get_weather", "{}")] },
        toolTurn(result("call_a", text("a map"), image({ by: "data", base64: pixel }))),
      ],
    },
    probe: shownResults,
  },
  {
    name: "failed tool",
    request: {
      tools: [weather],
      messages: [
        asked,
        { role: "assistant", parts: [call("call_a", "get_weather", "{}")] },
        toolTurn({ ...result("call_a", text("no such city")), isError: true }),
      ],
    },
    probe: (request) => ofType(request, "tool-result").map(({ isError }) => isError),
  },
  {
    name: "custom (freeform) tool",
    request: { tools: [{ type: "custom", name: "run", description: "Runs a command", format: null }] },
    probe: toolNamed,
  },
  {
    name: "tool choice: none",
    request: { tools: [weather], toolChoice: { type: "none" } },
    probe: (request) => request.toolChoice?.type,
  },
  {
    name: "tool choice: required",
    request: { tools: [weather], toolChoice: { type: "required" } },
    probe: (request) => request.toolChoice?.type,
  },
  {
    name: "tool choice: one tool",
    request: { tools: [weather, clock], toolChoice: { type: "tool", name: "get_time" } },
    probe: ({ toolChoice }) =>
      (toolChoice?.type === "tool" ? toolChoice.name : (toolChoice?.allowed ?? null)) && "get_time",
  },
  {
    name: "tool choice: some tools",
    request: { tools: [weather, clock], toolChoice: { type: "required", allowed: ["get_weather"] } },
    probe: ({ toolChoice }) => (toolChoice?.type === "tool" ? [toolChoice.name] : [...(toolChoice?.allowed ?? [])]),
  },
  {
    name: "no parallel calls",
    request: { tools: [weather], parallelToolCalls: false },
    probe: (request) => request.parallelToolCalls,
  },
  {
    name: "JSON schema",
    request: { format: { type: "json-schema", name: "answer", description: null, schema, strict: true } },
    probe: ({ format }) => (format.type === "json-schema" ? format.schema : null),
  },
  { name: "JSON mode", request: { format: { type: "json" } }, probe: ({ format }) => format.type },
  {
    name: "reasoning effort",
    request: { maxOutputTokens: 40_000, reasoning: { effort: "high", budgetTokens: null, show: null } },
    probe: ({ reasoning }) =>
      reasoning !== null && (reasoning.effort === "high" || (reasoning.budgetTokens ?? 0) > 16_384),
  },
  {
    name: "reasoning budget",
    request: { maxOutputTokens: 9_000, reasoning: { effort: null, budgetTokens: 2_000, show: null } },
    probe: ({ reasoning }) => reasoning !== null && (reasoning.budgetTokens === 2_000 || reasoning.effort === "low"),
  },
  {
    name: "no reasoning",
    request: { reasoning: { effort: "none", budgetTokens: null, show: null } },
    unseen: ["anthropic-messages"],
    probe: ({ reasoning }) => reasoning !== null && (reasoning.effort === "none" || reasoning.budgetTokens === 0),
  },
  {
    name: "cache marks",
    request: { messages: [{ role: "user", parts: [{ type: "text", text: "Long.", cache: { ttl: "1h" } }] }] },
    probe: (request) => ofType(request, "text").map(({ cache }) => cache?.ttl ?? null),
  },
  { name: "output cap", request: { maxOutputTokens: 321 }, probe: (request) => request.maxOutputTokens },
  {
    name: "temperature, top_p",
    request: { temperature: 0.25, topP: 0.5 },
    probe: ({ temperature, topP }) => [temperature, topP],
  },
  { name: "top_k", request: { topK: 7 }, probe: (request) => request.topK },
  {
    name: "penalties",
    request: { frequencyPenalty: 0.5, presencePenalty: 0.25 },
    probe: ({ frequencyPenalty, presencePenalty }) => [frequencyPenalty, presencePenalty],
  },
  { name: "seed", request: { seed: 42 }, probe: (request) => request.seed },
  { name: "stop sequences", request: { stop: ["END", "STOP"] }, probe: (request) => [...request.stop] },
  { name: "several candidates", request: { candidates: 2 }, probe: (request) => request.candidates },
  { name: "log probabilities", request: { logprobs: 3 }, probe: (request) => request.logprobs },
  { name: "end user's id", request: { user: "user-1" }, probe: (request) => request.user },
  { name: "metadata", request: { metadata: { run: "7" } }, probe: (request) => ({ ...request.metadata }) },
  { name: "service tier", request: { serviceTier: "priority" }, probe: (request) => request.serviceTier },
];

const question = [{ role: "user", content: "Hi" }];
export const nativeFeatures: readonly NativeFeature[] = [
  {
    name: "tools that the provider runs",
    said: {
      "openai-chat": { model: "m", messages: question, web_search_options: {} },
      "openai-responses": { model: "m", input: "Hi", tools: [{ type: "web_search" }] },
      "anthropic-messages": {
        model: "m",
        max_tokens: 99,
        messages: question,
        tools: [{ type: "web_search_20250305", name: "web_search" }],
      },
      gemini: { contents: [{ role: "user", parts: [{ text: "Hi" }] }], tools: [{ googleSearch: {} }] },
    },
  },
  {
    name: "state stored at the provider",
    said: {
      "openai-responses": { model: "m", input: "Hi", previous_response_id: "resp_1" },
      "anthropic-messages": { model: "m", max_tokens: 99, messages: question, container: "container_1" },
      gemini: { contents: [{ role: "user", parts: [{ text: "Hi" }] }], cachedContent: "cachedContents/1" },
    },
  },
];

export const requestWith = (changed: Partial<ChatRequest>): ChatRequest =>
  aChatRequest({ messages: [asked], stream: false, maxOutputTokens: 1_024, ...changed });
