import { Buffer } from "node:buffer";
import { isJsonArray, isJsonObject, type Json, type JsonObject } from "../../chat/json.ts";
import { camelObject } from "./spelling.ts";

/** `logprobsResult` as canonical logprobs: one entry a step, with its alternatives. */
export function decodeLogprobs(result: Json | undefined): Json | undefined {
  if (!isJsonObject(result)) return undefined;
  const { chosenCandidates, topCandidates } = camelObject(result);
  if (!isJsonArray(chosenCandidates)) return undefined;
  const tops = isJsonArray(topCandidates) ? topCandidates : [];
  return {
    content: chosenCandidates.map((chosen: Json, i) => {
      const { candidates } = camelObject(tops[i]);
      return { ...tokenOf(chosen), top_logprobs: isJsonArray(candidates) ? candidates.map(tokenOf) : [] };
    }),
    refusal: null,
  };
}

/** Without the numbers of tokens, which other vendors do not have. */
export function encodeLogprobs(logprobs: Json | undefined): JsonObject {
  const content = isJsonObject(logprobs) ? logprobs["content"] : undefined;
  if (!isJsonArray(content)) return {};
  const steps = content.filter(isJsonObject);
  const hasTops = steps.some(({ top_logprobs: tops }) => isJsonArray(tops) && tops.length > 0);
  return {
    logprobsResult: {
      chosenCandidates: steps.map(candidateOf),
      ...(hasTops
        ? {
            topCandidates: steps.map(({ top_logprobs: tops }) => ({
              candidates: (isJsonArray(tops) ? tops : []).filter(isJsonObject).map(candidateOf),
            })),
          }
        : {}),
    },
  };
}

function tokenOf(candidate: Json): JsonObject {
  const { token, logProbability } = camelObject(candidate);
  const text = typeof token === "string" ? token : "";
  return {
    token: text,
    logprob: typeof logProbability === "number" ? logProbability : 0, // A field that is 0 is left out.
    bytes: [...Buffer.from(text)],
  };
}

const candidateOf = ({ token, logprob }: JsonObject): JsonObject => ({
  token: token ?? "",
  logProbability: logprob ?? 0,
});
