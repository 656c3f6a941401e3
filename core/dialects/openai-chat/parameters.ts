import type { ParameterPlaces } from "../parameters.ts";

export const parameters: ParameterPlaces = {
  independent: true,
  paths: {
    temperature: [["temperature"]],
    topP: [["top_p"]],
    topK: [["top_k"]],
    frequencyPenalty: [["frequency_penalty"]],
    presencePenalty: [["presence_penalty"]],
    seed: [["seed"]],
    stop: [["stop"]],
    // The second is OpenRouter's.
    reasoning: [["reasoning_effort"], ["reasoning"]],
    parallelToolCalls: [["parallel_tool_calls"]],
    logprobs: [["logprobs"], ["top_logprobs"]],
    verbosity: [["verbosity"]],
    serviceTier: [["service_tier"]],
    user: [["user"], ["safety_identifier"]],
    metadata: [["metadata"]],
    cacheKey: [["prompt_cache_key"]],
  },
};
