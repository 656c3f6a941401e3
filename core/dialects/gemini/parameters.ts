import type { ParameterPlaces } from "../parameters.ts";

const config = "generationConfig";

export const parameters: ParameterPlaces = {
  independent: true,
  eitherCase: true,
  paths: {
    temperature: [[config, "temperature"]],
    topP: [[config, "topP"]],
    topK: [[config, "topK"]],
    frequencyPenalty: [[config, "frequencyPenalty"]],
    presencePenalty: [[config, "presencePenalty"]],
    seed: [[config, "seed"]],
    stop: [[config, "stopSequences"]],
    reasoning: [[config, "thinkingConfig"]],
    logprobs: [
      [config, "responseLogprobs"],
      [config, "logprobs"],
    ],
    serviceTier: [["serviceTier"]],
  },
};
