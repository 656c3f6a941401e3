import { type DialectName, definePlugin, type ParameterName, type ReasoningField, t } from "llm-proxy/plugin";
import { type HttpOptions, httpProvider, optionsOf } from "./http.ts";

interface Preset {
  /** What the vendor's documentation tells users of its SDK to set, or of OpenAI's where it has none of its own. */
  readonly baseUrl: string;
  /** `openai-chat` where absent. */
  readonly dialects?: readonly DialectName[];
  /** Id in the price data where it has the vendor; else our own, for the rows of `prices:`. */
  readonly vendor: string;
  /** A server of one's own, that may ask for no key. */
  readonly keyOptional?: true;
  /** The vendor refuses `stream_options`, and reports the usage of a stream unasked. */
  readonly streamOptions?: false;
  /** `max_tokens` where absent: the older name, which every compatible server understands. */
  readonly maxOutputTokensField?: "max_completion_tokens";
  /** What of another protocol's requests it answers with 400 or 422; all that compatible servers have where absent. */
  readonly refuses?: readonly ParameterName[];
  /** It knows the role `developer`. */
  readonly developerRole?: true;
  /** `reasoning_content` where absent. */
  readonly reasoningField?: ReasoningField;
  /** Stop sequences that it takes; without a bound where absent. */
  readonly maxStop?: number;
  readonly versions?: HttpOptions["versions"];
}

/** Vendors that differ from each other by these fields only. What needs behaviour is a plugin of its own. */
export const presets = {
  // Newer models refuse max_tokens; up to 4 stop sequences: https://platform.openai.com/docs/api-reference/chat/create
  openai: {
    baseUrl: "https://api.openai.com/v1",
    vendor: "openai",
    dialects: ["openai-chat", "openai-responses"],
    maxOutputTokensField: "max_completion_tokens",
    refuses: ["topK"],
    developerRole: true,
    reasoningField: "none",
    maxStop: 4,
  },
  // Its layer for OpenAI's SDK: https://platform.claude.com/docs/en/api/openai-sdk
  anthropic: {
    baseUrl: "https://api.anthropic.com",
    vendor: "anthropic",
    dialects: ["anthropic-messages"],
    versions: { "openai-chat": "v1" },
  },
  // Its layer for OpenAI's SDK: https://ai.google.dev/gemini-api/docs/openai
  google: {
    baseUrl: "https://generativelanguage.googleapis.com",
    vendor: "google",
    dialects: ["gemini"],
    versions: { "openai-chat": "v1beta/openai" },
  },
  // max_tokens is deprecated: https://console.groq.com/docs/api-reference. What it does not list there is refused, as
  // "property 'reasoning_content' is unsupported"; it takes `reasoning`, but from some of its models only:
  // https://github.com/vercel/ai/pull/8057
  groq: {
    baseUrl: "https://api.groq.com/openai/v1",
    vendor: "groq",
    maxOutputTokensField: "max_completion_tokens",
    refuses: ["topK", "logprobs", "verbosity", "cacheKey"],
    reasoningField: "none",
    maxStop: 4,
  },
  // 422 "Extra inputs are not permitted" for stream_options: https://github.com/openai/openai-agents-python/issues/442
  // and for all else that is not in https://docs.mistral.ai/api/endpoint/chat
  mistral: {
    baseUrl: "https://api.mistral.ai/v1",
    vendor: "mistral",
    streamOptions: false,
    refuses: ["topK", "seed", "logprobs", "verbosity", "serviceTier", "user"],
    reasoningField: "none",
  },
  // https://api-docs.deepseek.com/api/create-chat-completion
  deepseek: { baseUrl: "https://api.deepseek.com", vendor: "deepseek", refuses: ["topK"] },
  // max_tokens is deprecated: https://docs.x.ai/docs/api-reference. "does not support parameter presencePenalty":
  // https://github.com/open-webui/open-webui/issues/21266
  xai: {
    baseUrl: "https://api.x.ai/v1",
    vendor: "x-ai",
    maxOutputTokensField: "max_completion_tokens",
    refuses: ["topK", "frequencyPenalty", "presencePenalty"],
  },
  together: { baseUrl: "https://api.together.xyz/v1", vendor: "together" },
  fireworks: { baseUrl: "https://api.fireworks.ai/inference/v1", vendor: "fireworks" },
  openrouter: { baseUrl: "https://openrouter.ai/api/v1", vendor: "openrouter", developerRole: true },
  // https://inference-docs.cerebras.ai/api-reference/chat-completions, and what it refuses in
  // https://inference-docs.cerebras.ai/resources/openai; `reasoning` for `reasoning_content`:
  // https://github.com/vercel/ai/issues/15042
  cerebras: {
    baseUrl: "https://api.cerebras.ai/v1",
    vendor: "cerebras",
    maxOutputTokensField: "max_completion_tokens",
    refuses: ["topK", "frequencyPenalty", "presencePenalty"],
    reasoningField: "reasoning",
  },
  // No version in the path: https://docs.perplexity.ai/docs/sonar/openai-compatibility
  perplexity: { baseUrl: "https://api.perplexity.ai", vendor: "perplexity" },
  nvidia: { baseUrl: "https://integrate.api.nvidia.com/v1", vendor: "nvidia" },
  // The price data has its partners apart (huggingface_together, …); the router picks one for each call.
  huggingface: { baseUrl: "https://router.huggingface.co/v1", vendor: "huggingface" },
  moonshot: { baseUrl: "https://api.moonshot.ai/v1", vendor: "moonshotai" },
  // The international region; in China https://dashscope.aliyuncs.com/compatible-mode/v1
  alibaba: { baseUrl: "https://dashscope-intl.aliyuncs.com/compatible-mode/v1", vendor: "alibaba" },
  deepinfra: { baseUrl: "https://api.deepinfra.com/v1/openai", vendor: "deepinfra" },
  sambanova: { baseUrl: "https://api.sambanova.ai/v1", vendor: "sambanova" },
  hyperbolic: { baseUrl: "https://api.hyperbolic.xyz/v1", vendor: "hyperbolic" },
  novita: { baseUrl: "https://api.novita.ai/v3/openai", vendor: "novita" },
  minimax: { baseUrl: "https://api.minimax.io/v1", vendor: "minimax" },
  // The international platform; in China it is zhipuai.
  zai: { baseUrl: "https://api.z.ai/api/paas/v4", vendor: "zai" },
  zhipuai: { baseUrl: "https://open.bigmodel.cn/api/paas/v4", vendor: "zhipuai" },
  // Rejects stream_options: https://strandsagents.com/docs/user-guide/concepts/model-providers/cohere/
  cohere: { baseUrl: "https://api.cohere.ai/compatibility/v1", vendor: "cohere", streamOptions: false },
  "github-models": {
    baseUrl: "https://models.github.ai/inference",
    vendor: "github-models",
    refuses: ["topK"],
    developerRole: true,
    reasoningField: "none",
    maxStop: 4,
  },
  "vercel-ai-gateway": {
    baseUrl: "https://ai-gateway.vercel.sh/v1",
    vendor: "vercel-ai-gateway",
    developerRole: true,
  },
  baseten: { baseUrl: "https://inference.baseten.co/v1", vendor: "baseten" },
  ovhcloud: { baseUrl: "https://oai.endpoints.kepler.ai.cloud.ovh.net/v1", vendor: "ovhcloud" },
  scaleway: { baseUrl: "https://api.scaleway.ai/v1", vendor: "scaleway" },
  siliconflow: { baseUrl: "https://api.siliconflow.com/v1", vendor: "siliconflow" },
  // Servers of one's own, at the address they listen on by default.
  ollama: { baseUrl: "http://127.0.0.1:11434/v1", vendor: "ollama", keyOptional: true },
  "lm-studio": { baseUrl: "http://127.0.0.1:1234/v1", vendor: "lm-studio", keyOptional: true },
  vllm: { baseUrl: "http://127.0.0.1:8000/v1", vendor: "vllm", keyOptional: true },
  "llama-cpp": { baseUrl: "http://127.0.0.1:8080/v1", vendor: "llama-cpp", keyOptional: true },
} as const satisfies Record<string, Preset>;

const apis: Readonly<Record<DialectName, string>> = {
  "openai-chat": "OpenAI-compatible API",
  "openai-responses": "Responses API",
  "anthropic-messages": "Messages API",
  gemini: "Gemini API",
};

export default Object.entries<Preset>(presets).map(([name, preset]) => {
  const dialects = preset.dialects ?? ["openai-chat"];
  return definePlugin({
    kind: "provider",
    name,
    api: 1,
    description: `The ${dialects.map((dialect) => apis[dialect]).join(" and ")} at ${preset.baseUrl}.`,
    config: t.Object(
      {
        apiKey: preset.keyOptional ? t.Optional(apiKey({})) : apiKey({ minLength: 1 }),
        baseUrl: t.String({
          pattern: "^https?://",
          default: preset.baseUrl,
          description: "For a proxy, a mirror or another region.",
        }),
        ...optionsOf(dialects),
      },
      { additionalProperties: false },
    ),
    check: (options) => void providerOf(preset, options),
    setup: (options) => providerOf(preset, options),
  });
});

type OfPreset =
  "vendor" | "streamOptions" | "maxOutputTokensField" | "refuses" | "developerRole" | "reasoningField" | "maxStop";

const providerOf = (preset: Preset, options: Omit<HttpOptions, OfPreset>) =>
  httpProvider({
    ...options,
    vendor: preset.vendor,
    streamOptions: preset.streamOptions ?? true,
    maxOutputTokensField: preset.maxOutputTokensField ?? "max_tokens",
    refuses: preset.refuses ?? [],
    developerRole: preset.developerRole ?? false,
    reasoningField: preset.reasoningField ?? "reasoning_content",
    ...(preset.maxStop !== undefined && { maxStop: preset.maxStop }),
    ...(preset.versions && { versions: preset.versions }),
  });

function apiKey(options: { readonly minLength?: number }) {
  return t.String({ ...options, writeOnly: true, description: "Sent in the header that the protocol has for it." });
}
