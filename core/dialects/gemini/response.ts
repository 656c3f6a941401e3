import { GatewayError } from "../../chat/error.ts";
import { isJsonArray, isJsonObject, type Json, type JsonObject } from "../../chat/json.ts";
import type { Part } from "../../chat/request.ts";
import type { Candidate, ChatResponse } from "../../chat/response.ts";
import { without } from "../extensions.ts";
import { answerIds, type CallIds } from "./call-ids.ts";
import { blocksOf, citationsOf, encodeCitations } from "./citations.ts";
import { readParts } from "./envelope.ts";
import { decodeFinish, encodeFinish } from "./finish.ts";
import { keep, kept } from "./kept.ts";
import { decodeLogprobs, encodeLogprobs } from "./logprobs.ts";
import { encodeMedia } from "./media.ts";
import { decodePart, encodeCall, encodeText, encodeThought, otherPart } from "./parts.ts";
import { camelObject, enumWord, inCamel } from "./spelling.ts";
import { decodeUsage, searchesIn, usageFields, withSearches } from "./usage.ts";

export function decodeResponse(body: JsonObject): ChatResponse {
  const answer = inCamel(body);
  const { candidates, responseId, modelVersion } = answer;
  if (!isJsonArray(candidates) && !answerFields.some((field) => isJsonObject(answer[field]))) throw notAnAnswer();
  const id = wordOr(responseId, "");
  const said = (isJsonArray(candidates) ? candidates : []).map((candidate: Json, i) =>
    decodeCandidate(candidate, i, id),
  );
  const searches = candidatesOf(answer).reduce((sum, candidate) => sum + searchesIn(candidate, modelVersion), 0);
  return {
    id,
    model: wordOr(modelVersion, ""),
    createdMs: decodeCreated(answer["createTime"]),
    candidates:
      said.length > 0
        ? said.toSorted((a, b) => a.index - b.index).map(({ candidate }) => candidate)
        : [withoutAnswer(blockReasonOf(answer))],
    usage: withSearches(decodeUsage(answer["usageMetadata"]), searches),
    extensions: keep(without(answer, responseKeys)).extensions ?? {},
  };
}

/** The answer in Gemini's own words, whatever the vendor's were; fields of its own follow. */
export function encodeResponse(response: ChatResponse): JsonObject {
  const { usageMetadata: rawUsage, ...own } = kept(response);
  const isBlocked = blockReasonOf(own) !== null && response.candidates.every(({ parts }) => parts.length === 0);
  return {
    ...(isBlocked ? {} : { candidates: response.candidates.map(encodeCandidate) }),
    ...usageFields(response.usage, rawUsage),
    ...headOf(response),
    ...own,
  };
}

/** In camel case; an answer that is not in a list counts as well. */
export const candidatesOf = (chunk: JsonObject): readonly JsonObject[] => {
  const { candidates } = chunk;
  return (isJsonArray(candidates) ? candidates : [candidates]).filter(isJsonObject).map(inCamel);
};

/** What every chunk of a stream says too. */
export const headOf = ({ id, model }: Pick<ChatResponse, "id" | "model">): JsonObject => ({
  ...(model === "" ? {} : { modelVersion: model }),
  ...(id === "" ? {} : { responseId: id }),
});

/** What the prompt was refused for; then there are no candidates. */
export function blockReasonOf(answer: JsonObject): string | null {
  const { blockReason } = camelObject(answer["promptFeedback"]);
  const word = enumWord(blockReason, blockNumbers);
  return word === "BLOCK_REASON_UNSPECIFIED" ? null : word;
}

/** The candidate that stands for none: the prompt was blocked, or nobody says why there is no answer. */
export const withoutAnswer = (blockReason: string | null): Candidate => ({
  parts: [],
  finish: { reason: blockReason === null ? "other" : "content-filter", raw: blockReason },
});

export function decodeCreated(createTime: Json | undefined): number {
  const createdMs = typeof createTime === "string" ? Date.parse(createTime) : Number.NaN;
  return Number.isFinite(createdMs) && createdMs >= 0 ? Math.floor(createdMs) : 0;
}

export const notAnAnswer = (cause?: unknown) =>
  new GatewayError("upstream-invalid", "The provider's answer is not one of the Gemini API.", {
    code: "invalid_answer",
    cause,
  });

/** What a provider sends is not the client's fault. */
export function upstreamPart(part: JsonObject, ids: CallIds): Part {
  try {
    return decodePart(part, "content.parts", ids);
  } catch (cause) {
    throw notAnAnswer(cause);
  }
}

export function upstreamParts(content: JsonObject): readonly JsonObject[] {
  try {
    return readParts(content["parts"], "content.parts");
  } catch (cause) {
    throw notAnAnswer(cause);
  }
}

function decodeCandidate(value: Json, position: number, id: string): { index: number; candidate: Candidate } {
  if (!isJsonObject(value)) throw notAnAnswer();
  const candidate = inCamel(value);
  const content = camelObject(candidate["content"]);
  const ids = answerIds(id, position);
  const { index } = candidate;
  const parts = upstreamParts(content).map((part) => upstreamPart(part, ids));
  const logprobs = decodeLogprobs(candidate["logprobsResult"]);
  const more = without(content, contentKeys);
  return {
    index: typeof index === "number" ? index : 0, // A number that is 0 is left out.
    candidate: {
      parts: withCitations(parts, candidate),
      finish: decodeFinish(
        candidate["finishReason"],
        parts.some((part) => part.type === "tool-call"),
      ),
      ...(logprobs === undefined ? {} : { logprobs }),
      ...keep({ ...without(candidate, candidateKeys), ...(Object.keys(more).length > 0 ? { content: more } : {}) }),
    },
  };
}

function withCitations(parts: readonly Part[], candidate: JsonObject): readonly Part[] {
  if (citedFields.every((field) => candidate[field] === undefined)) return parts;
  const { all, starts } = blocksOf(parts);
  const last = parts.findLast((part) => part.type === "text" && part.text !== "");
  return parts.map((part) => {
    if (part.type !== "text") return part;
    const block = { text: part.text, start: starts.get(part) ?? 0 };
    const citations = citationsOf(candidate, all, block, part === last);
    return citations.length > 0 ? { ...part, citations } : part;
  });
}

function encodeCandidate({ parts, finish, logprobs, extensions }: Candidate, index: number): JsonObject {
  const { content: more, ...own } = kept(extensions === undefined ? undefined : { extensions });
  return {
    content: {
      parts: parts.flatMap(encodePart),
      role: "model",
      ...(isJsonObject(more) ? more : {}),
    },
    finishReason: encodeFinish(finish),
    index,
    ...(own["logprobsResult"] === undefined ? encodeLogprobs(logprobs) : {}),
    ...(citedFields.some((field) => own[field] !== undefined) ? {} : citationsIn(parts)),
    ...own,
  };
}

/** A part of an answer; a refusal is a text here, and what only another protocol has a word for is left out. */
export function encodePart(part: Part): readonly JsonObject[] {
  switch (part.type) {
    case "text":
      return [encodeText(part)];
    case "reasoning":
      return encodeThought(part);
    case "refusal":
      return [{ text: part.text }];
    case "tool-call":
      return [encodeCall(part, silently)];
    case "media": {
      const media = encodeMedia(part, silently);
      return media === null ? [] : [media];
    }
    case "other": {
      const own = otherPart(part);
      return own === null ? [] : [own];
    }
    case "tool-result":
      return [];
  }
}

function citationsIn(parts: readonly Part[]): JsonObject {
  const { all, starts } = blocksOf(parts);
  const texts = parts.flatMap((part) =>
    part.type === "text" && part.citations
      ? [{ text: part.text, start: starts.get(part) ?? 0, citations: part.citations }]
      : [],
  );
  return encodeCitations(texts, all);
}

/** An answer has no place for warnings. */
const silently = () => {};
const wordOr = (value: Json | undefined, other: string): string => (typeof value === "string" ? value : other);

export const citedFields = ["groundingMetadata", "citationMetadata"] as const;
const blockNumbers = ["BLOCK_REASON_UNSPECIFIED", "SAFETY", "OTHER", "BLOCKLIST", "PROHIBITED_CONTENT"];
const answerFields = ["promptFeedback", "usageMetadata"] as const;
const responseKeys = new Set(["candidates", "modelVersion", "responseId"]);
export const candidateKeys = new Set(["content", "finishReason", "index"]);
const contentKeys = new Set(["parts", "role"]);
