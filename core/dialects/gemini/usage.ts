import { isJsonArray, isJsonObject, type Json, type JsonObject } from "../../chat/json.ts";
import type { ReportedUsage, Usage } from "../../chat/usage.ts";
import { Counts } from "../counts.ts";
import { sameJson } from "../extensions.ts";
import { generationOf } from "./model.ts";
import { camelObject, enumWord } from "./spelling.ts";

/**
 * What a `usageMetadata` says; `null` when it is no object or names no count. Each report of a stream has the totals so far.
 *
 * - `promptTokenCount` includes what came from the cache, and not what the provider's tools read: that is added.
 * - `candidatesTokenCount` excludes the thoughts, which are added.
 * - A number that cannot be true is brought into range and marked, as `Counts` says; a part is never above its total.
 */
export function decodeUsage(metadata: Json | undefined): ReportedUsage | null {
  if (!isJsonObject(metadata)) return null;
  const usage = camelObject(metadata);
  if (!hasCounts(usage)) return null;
  const read = new Counts();
  const count = (field: string) => (usage[field] === undefined ? 0 : read.count(usage[field]));

  const prompt = count("promptTokenCount");
  const toolPrompt = count("toolUsePromptTokenCount");
  const thoughts = count("thoughtsTokenCount");
  const total = usage["totalTokenCount"] === undefined ? null : read.count(usage["totalTokenCount"]);
  // One that is left out follows from the total.
  const rest = total === null ? 0 : Math.max(total - prompt - toolPrompt - thoughts, 0);
  const candidates = usage["candidatesTokenCount"] === undefined ? rest : count("candidatesTokenCount");
  if (total !== null && total !== prompt + toolPrompt + thoughts + candidates) read.anomalous = true;

  const inputTokens = read.clamp(prompt + toolPrompt, Number.MAX_SAFE_INTEGER);
  const outputTokens = read.clamp(candidates + thoughts, Number.MAX_SAFE_INTEGER);
  const cacheReadTokens = read.clamp(count("cachedContentTokenCount"), inputTokens);
  const audio = (field: string) => tokensOf("AUDIO", usage[field], read);
  const image = (field: string) => tokensOf("IMAGE", usage[field], read);
  const inputAudioTokens = read.clamp(audio("promptTokensDetails") + audio("toolUsePromptTokensDetails"), inputTokens);
  const inputImages = read.clamp(
    image("promptTokensDetails") + image("toolUsePromptTokensDetails"),
    inputTokens - inputAudioTokens,
  );
  const outputAudioTokens = read.clamp(audio("candidatesTokensDetails"), outputTokens);
  const outputImages = read.clamp(image("candidatesTokensDetails"), outputTokens - outputAudioTokens);
  const counted: Usage = {
    inputTokens,
    outputTokens,
    cacheReadTokens,
    cacheWriteTokens: 0,
    cacheWrite1hTokens: 0,
    reasoningTokens: thoughts,
    inputAudioTokens,
    cacheReadAudioTokens: read.clamp(audio("cacheTokensDetails"), Math.min(cacheReadTokens, inputAudioTokens)),
    outputAudioTokens,
    ...(inputImages > 0 && { inputImageTokens: inputImages }),
    ...(outputImages > 0 && { outputImageTokens: outputImages }),
  };
  const serviceTier = tierOf(usage);
  return { usage: counted, anomalous: read.anomalous, ...(serviceTier === null ? {} : { serviceTier }) };
}

/** Whether it tells more than how the traffic is paid for. `metadata` is in camel case. */
export const hasCounts = (metadata: JsonObject): boolean => countFields.some((field) => metadata[field] !== undefined);

/** `usageMetadata` as the vendor wrote it, with what we do not know, as long as it says the same. */
export function usageFields(usage: ReportedUsage | null, raw: Json | undefined): JsonObject {
  // One without any count still says how the traffic is paid for.
  if (usage === null) return isJsonObject(raw) && decodeUsage(raw) === null ? { usageMetadata: raw } : {};
  const { webSearches: _elsewhere, ...counted } = usage.usage;
  const isSame = isJsonObject(raw) && sameJson({ ...decodeUsage(raw)?.usage }, { ...counted });
  return { usageMetadata: isSame ? raw : encodeUsage(usage) };
}

function encodeUsage({ usage, serviceTier }: ReportedUsage): JsonObject {
  const { inputTokens, outputTokens, reasoningTokens, cacheReadTokens } = usage;
  const { inputImageTokens = 0, outputImageTokens = 0 } = usage;
  return {
    promptTokenCount: inputTokens,
    candidatesTokenCount: outputTokens - reasoningTokens,
    totalTokenCount: inputTokens + outputTokens,
    ...(cacheReadTokens > 0
      ? {
          cachedContentTokenCount: cacheReadTokens,
          cacheTokensDetails: modalities(cacheReadTokens, usage.cacheReadAudioTokens, 0),
        }
      : {}),
    promptTokensDetails: modalities(inputTokens, usage.inputAudioTokens, inputImageTokens),
    ...(usage.outputAudioTokens + outputImageTokens > 0
      ? {
          candidatesTokensDetails: modalities(
            outputTokens - reasoningTokens,
            usage.outputAudioTokens,
            outputImageTokens,
          ),
        }
      : {}),
    ...(reasoningTokens > 0 ? { thoughtsTokenCount: reasoningTokens } : {}),
    ...encodeTier(serviceTier),
  };
}

const modalities = (total: number, audio: number, images: number): readonly JsonObject[] => [
  { modality: "TEXT", tokenCount: Math.max(total - audio - images, 0) },
  ...(images > 0 ? [{ modality: "IMAGE", tokenCount: images }] : []),
  ...(audio > 0 ? [{ modality: "AUDIO", tokenCount: audio }] : []),
];

function tokensOf(wanted: string, details: Json | undefined, read: Counts): number {
  if (!isJsonArray(details)) return 0;
  return details.reduce<number>((sum, detail: Json) => {
    const { modality, tokenCount } = camelObject(detail);
    return enumWord(modality, modalityNumbers) === wanted && tokenCount !== undefined
      ? sum + read.count(tokenCount)
      : sum;
  }, 0);
}

/**
 * The searches that Google bills beside the tokens: each query from generation 3 on, before that any number of them once
 * (https://ai.google.dev/gemini-api/docs/google-search#pricing). `candidate` is in camel case.
 */
export function searchesIn(candidate: JsonObject, modelVersion: Json | undefined): number {
  if (candidate["groundingMetadata"] === undefined) return 0;
  const { webSearchQueries } = camelObject(candidate["groundingMetadata"]);
  const queries = isJsonArray(webSearchQueries) ? webSearchQueries.filter((query) => query !== "").length : 0;
  const generation = typeof modelVersion === "string" ? generationOf(modelVersion) : null;
  return generation !== null && generation < 3 ? Math.min(queries, 1) : queries;
}

export const withSearches = (reported: ReportedUsage | null, webSearches: number): ReportedUsage | null =>
  reported === null || webSearches === 0 ? reported : { ...reported, usage: { ...reported.usage, webSearches } };

/** The Gemini API names the tier; Vertex names how the traffic is paid for. */
function tierOf({ serviceTier, trafficType }: JsonObject): string | null {
  if (typeof serviceTier === "string" && serviceTier !== "") return serviceTier.toLowerCase();
  return typeof trafficType === "string" ? (tiers.get(trafficType) ?? null) : null;
}

function encodeTier(tier: string | undefined): JsonObject {
  if (tier === "default" || tier === "standard") return { serviceTier: "standard" };
  return tier === "flex" || tier === "priority" ? { serviceTier: tier } : {};
}

const tiers: ReadonlyMap<string, string> = new Map([
  ["ON_DEMAND", "standard"],
  ["ON_DEMAND_FLEX", "flex"],
  ["ON_DEMAND_PRIORITY", "priority"],
]);

const modalityNumbers = ["MODALITY_UNSPECIFIED", "TEXT", "IMAGE", "VIDEO", "AUDIO", "DOCUMENT"];
const countFields = ["promptTokenCount", "candidatesTokenCount", "totalTokenCount", "thoughtsTokenCount"];
