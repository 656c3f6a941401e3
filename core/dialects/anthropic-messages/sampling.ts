import type { JsonObject } from "../../chat/json.ts";
import type { ChatRequest } from "../../chat/request.ts";
import type { ModelTraits } from "./models.ts";
import type { Warn } from "./parts.ts";

/** The least `top_p` that is taken while thinking. */
const leastThinkingTopP = 0.95;

/**
 * `temperature`, `top_p` and `top_k` as the model takes them: here 1 is the hottest, and a value that is refused (by new
 * models always, by others while thinking) must not cost the client its answer.
 */
export function encodeSampling(request: ChatRequest, model: ModelTraits, isThinking: boolean, warn: Warn): JsonObject {
  const { topP, topK } = request;
  const fields: Record<string, number> = {};
  const isTaken = model.sampling && !isThinking;
  const where = isThinking ? "while thinking" : "with this model";
  if (request.temperature !== null) {
    const temperature = Math.min(Math.max(request.temperature, 0), 1);
    const asked = isTaken ? `asked for ${temperature}` : "left out";
    if (temperature !== request.temperature) warn(`a temperature of ${request.temperature}`, asked);
    // Where it is not taken, the default of 1 holds.
    if (isTaken) fields["temperature"] = temperature;
    else if (temperature !== 1) warn(`a temperature ${where}`);
  }
  if (topK !== null) {
    if (isTaken) fields["top_k"] = topK;
    else warn(`top_k ${where}`);
  }
  if (topP !== null) {
    const isAlone = model.temperatureWithTopP || fields["temperature"] === undefined;
    if (model.sampling && isAlone && (!isThinking || topP >= leastThinkingTopP)) fields["top_p"] = topP;
    else if (topP !== 1) warn(isAlone ? `top_p ${where}` : "top_p beside a temperature");
  }
  return fields;
}
