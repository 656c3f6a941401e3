import { encryptedName, logprobsName } from "./spelling.ts";
import type { ParameterPlaces } from "../parameters.ts";

export const parameters: ParameterPlaces = {
  independent: true,
  listed: {
    field: "include",
    names: { reasoning: encryptedName, logprobs: logprobsName },
  },
  paths: {
    temperature: [["temperature"]],
    topP: [["top_p"]],
    reasoning: [["reasoning"]],
    parallelToolCalls: [["parallel_tool_calls"]],
    logprobs: [["top_logprobs"]],
    verbosity: [["text", "verbosity"]],
    serviceTier: [["service_tier"]],
    user: [["user"], ["safety_identifier"]],
    metadata: [["metadata"]],
    cacheKey: [["prompt_cache_key"]],
  },
};
