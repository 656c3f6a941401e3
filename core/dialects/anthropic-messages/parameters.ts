import type { ParameterPlaces } from "../parameters.ts";

export const parameters: ParameterPlaces = {
  paths: {
    temperature: [["temperature"]],
    topP: [["top_p"]],
    topK: [["top_k"]],
    stop: [["stop_sequences"]],
    reasoning: [["thinking"], ["output_config", "effort"]],
    parallelToolCalls: [["tool_choice", "disable_parallel_tool_use"]],
    serviceTier: [["service_tier"]],
    user: [["metadata", "user_id"]],
  },
};
