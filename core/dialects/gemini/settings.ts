import type { Json, JsonObject } from "../../chat/json.ts";
import type { ChatRequest } from "../../chat/request.ts";
import { encodeFormat } from "./format.ts";
import { kept } from "./kept.ts";
import { generationOf } from "./model.ts";
import { encodeThinking, encodeThinkingAsSent } from "./thinking.ts";
import { encodeToolChoice } from "./tools.ts";
import type { Warn } from "./warn.ts";

/*
 * Settings without a canonical name are kept under their whole path, `generationConfig.speechConfig`, so that a warning
 * names them.
 */
export const configPath = "generationConfig.";
export const formatPath = "generationConfig.responseFormat.";
export const thinkingPath = "generationConfig.thinkingConfig.";
export const toolPath = "toolConfig.";
export const callingPath = "toolConfig.functionCallingConfig.";

/** `generationConfig`, or nothing. */
export function encodeConfig(request: ChatRequest, model: string, note: JsonObject | null, warn: Warn): JsonObject {
  const own = kept(request);
  const { reasoning, logprobs } = request;
  const thinking = {
    ...(reasoning === null
      ? {}
      : note === null
        ? encodeThinking(reasoning, model, warn)
        : encodeThinkingAsSent(reasoning)),
    ...fromPath(thinkingPath, own),
  };
  const moreConfig = Object.entries(fromPath(configPath, own)).filter(
    ([key]) => !/^(thinkingConfig|responseFormat)\./.test(key),
  );
  return {
    ...(request.candidates === 1 ? {} : { candidateCount: request.candidates }),
    ...given("maxOutputTokens", request.maxOutputTokens),
    ...given("temperature", request.temperature),
    ...given("topP", request.topP),
    ...given("topK", request.topK),
    ...given("frequencyPenalty", request.frequencyPenalty),
    ...given("presencePenalty", request.presencePenalty),
    ...encodeSeed(request.seed, warn),
    ...encodeStop(request.stop, note, warn),
    ...encodeFormat(request.format, note),
    ...(logprobs === null ? {} : { responseLogprobs: true, ...(logprobs > 0 ? { logprobs } : {}) }),
    ...(Object.keys(thinking).length === 0 ? {} : { thinkingConfig: thinking }),
    ...(note?.["responseModalities"] === undefined ? {} : { responseModalities: note["responseModalities"] }),
    ...Object.fromEntries(moreConfig),
  };
}

/** `toolConfig`, or nothing. */
export function encodeToolConfig(
  request: ChatRequest,
  model: string,
  note: JsonObject | null,
  hasTools: boolean,
  warn: Warn,
): JsonObject {
  const own = kept(request);
  const { toolChoice } = request;
  const isStrict = note === null && request.tools.some((tool) => tool.type === "function" && tool.strict === true);
  // Calls that were demanded are held to their schemas anyway.
  const isChosen = toolChoice !== null && toolChoice.type !== "auto";
  const canValidate = (generationOf(model) ?? 0) >= 2.5;
  if (isStrict && !isChosen && !canValidate) warn("strict tools");
  const validated = note === null ? isStrict && canValidate : note["validated"] === true;
  // Without functions Google refuses any word about them.
  const chosen = note === null && !hasTools ? {} : encodeToolChoice(toolChoice, validated && !isChosen);
  const calling = { ...chosen, ...fromPath(callingPath, own) };
  const more = Object.entries(fromPath(toolPath, own)).filter(([key]) => !key.startsWith("functionCallingConfig."));
  const config = {
    ...(Object.keys(calling).length === 0 ? {} : { functionCallingConfig: calling }),
    ...Object.fromEntries(more),
  };
  return Object.keys(config).length === 0 ? {} : { toolConfig: config };
}

function encodeSeed(seed: number | null, warn: Warn): JsonObject {
  if (seed === null || (seed === Math.trunc(seed) && Math.abs(seed) < 2 ** 31)) return given("seed", seed);
  warn("a seed of more than 32 bits");
  return {};
}

/** "Up to 5": more are refused. */
const maxStop = 5;

function encodeStop(stop: readonly string[], note: JsonObject | null, warn: Warn): JsonObject {
  if (stop.length === 0) return {};
  if (note === null && stop.length > maxStop) warn(`more than ${maxStop} stop sequences`);
  return { stopSequences: note === null ? stop.slice(0, maxStop) : stop };
}

/** The canonical words are OpenAI's. */
export function encodeTier(tier: string | null, warn: Warn): JsonObject {
  if (tier === null || tier === "auto") return {};
  if (tier === "default") return { serviceTier: "standard" };
  if (tier === "flex" || tier === "priority") return { serviceTier: tier };
  warn(`the service tier '${tier}'`);
  return {};
}

const given = (field: string, value: Json): JsonObject => (value === null ? {} : { [field]: value });

const fromPath = (path: string, fields: JsonObject): JsonObject =>
  Object.fromEntries(
    Object.entries(fields).flatMap(([key, value]) => (key.startsWith(path) ? [[key.slice(path.length), value]] : [])),
  );
