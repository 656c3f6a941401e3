import { GatewayError } from "../../chat/error.ts";
import { isJsonArray, isJsonObject, type Json, type JsonObject } from "../../chat/json.ts";
import type { ChatRequest, Citation, Part } from "../../chat/request.ts";
import type { Candidate, ChatResponse } from "../../chat/response.ts";
import type { ReportedUsage } from "../../chat/usage.ts";
import { sameJson, without } from "../extensions.ts";
import { annotationsOf, sourcesOf } from "./citations.ts";
import { decodeFinish, encodeFinish } from "./finish.ts";
import { keep, kept } from "./kept.ts";
import { decodeImages, encodeShown } from "./images.ts";
import { decodeAnswer, encodeAudio, isAudio } from "./messages.ts";
import { encodeReasoning, inDefaultPlace } from "./reasoning.ts";
import { isLegacyRequest } from "./request.ts";
import { encodeToolCalls } from "./tools.ts";
import { decodeUsage, encodeUsage, tierField } from "./usage.ts";

export function decodeResponse(body: JsonObject): ChatResponse {
  const { choices, id, model, created } = body;
  const sources = sourcesOf(body);
  if (!isJsonArray(choices)) throw notAnAnswer();
  return {
    id: typeof id === "string" ? id : "",
    model: typeof model === "string" ? model : "",
    createdMs: decodeCreated(created),
    candidates: [...choices]
      .map(decodeChoice)
      .sort((a, b) => a.index - b.index)
      .map(({ candidate }) => withSources(candidate, sources)),
    usage: decodeUsage(body["usage"], body["service_tier"]),
    extensions: keep(without(body, responseKeys)).extensions ?? {},
  };
}

/** The answer in OpenAI's own words, whatever the vendor's were; fields of its own follow. */
export function encodeResponse(response: ChatResponse, asked?: ChatRequest): JsonObject {
  const { usage: rawUsage, ...own } = kept(response);
  const isLegacy = isLegacyRequest(asked);
  return {
    id: response.id,
    object: "chat.completion",
    created: encodeCreated(response.createdMs),
    model: response.model,
    choices: response.candidates.map((candidate, index) => encodeChoice(candidate, index, isLegacy)),
    ...usageFields(response.usage, rawUsage),
    ...(rawUsage === undefined ? tierField(response.usage) : {}),
    ...own,
  };
}

/** The usage as the vendor wrote it, with the fields we do not know, as long as it says the same. */
export function usageFields(usage: ReportedUsage | null, raw: Json | undefined): JsonObject {
  if (usage === null) return {};
  const isSame = isJsonObject(raw) && sameJson({ ...decodeUsage(raw)?.usage }, { ...usage.usage });
  return { usage: isSame ? raw : encodeUsage(usage) };
}

/** Seconds by the book; a value that is milliseconds already (Snowflake) is told by its size. */
export function decodeCreated(created: Json | undefined): number {
  if (typeof created !== "number" || !Number.isFinite(created) || created < 0) return 0;
  return Math.floor(created < 1e11 ? created * 1000 : created);
}

export const encodeCreated = (createdMs: number): number => Math.floor(createdMs / 1000);

const notAnAnswer = () =>
  new GatewayError("upstream-invalid", "The provider's answer is not a chat completion.", { code: "invalid_answer" });

/** On its last text, where nothing else is cited. */
function withSources(candidate: Candidate, sources: readonly Citation[]): Candidate {
  const isCited = candidate.parts.some((part) => part.type === "text" && part.citations !== undefined);
  if (sources.length === 0 || isCited) return candidate;
  const last = candidate.parts.findLastIndex(({ type }) => type === "text");
  const parts = candidate.parts.map((part, at) =>
    at === last && part.type === "text" ? { ...part, citations: sources } : part,
  );
  return { ...candidate, parts };
}

function decodeChoice(choice: Json, position: number): { index: number; candidate: Candidate } {
  if (!isJsonObject(choice)) throw notAnAnswer();
  const message = isJsonObject(choice["message"]) ? choice["message"] : {};
  const { parts: said, rest } = decodeUpstreamAnswer(message);
  const images = decodeImages(message["images"]);
  const parts = [...said, ...images];
  const hasCalls = parts.some((part) => part.type === "tool-call");
  const { logprobs, index } = choice;
  const more = without(rest, images.length > 0 ? nameAndImages : nameKeys);
  return {
    index: typeof index === "number" ? index : position,
    candidate: {
      parts,
      finish: decodeFinish(choice["finish_reason"], hasCalls),
      ...(logprobs === undefined || logprobs === null ? {} : { logprobs }),
      ...keep({ ...without(choice, choiceKeys), ...(Object.keys(more).length > 0 ? { message: more } : {}) }),
    },
  };
}

/** What a provider sends is not the client's fault. */
function decodeUpstreamAnswer(message: JsonObject) {
  try {
    return decodeAnswer(message, "message");
  } catch (cause) {
    throw new GatewayError("upstream-invalid", notAnAnswer().message, { code: "invalid_answer", cause });
  }
}

function encodeChoice(candidate: Candidate, index: number, isLegacy: boolean): JsonObject {
  const { message: more, ...own } = kept(candidate);
  const all = candidate.parts.filter((part) => part.type === "tool-call");
  // Of several there is one that such a client could take, and then it had better see that there are more.
  const calls = isLegacy && all.length === 1 ? all.map((call) => ({ ...call, id: "" })) : all;
  const called = encodeToolCalls(calls);
  return {
    index,
    message: { role: "assistant", ...encodeParts(candidate.parts), ...called, ...(isJsonObject(more) ? more : {}) },
    logprobs: candidate.logprobs ?? null,
    finish_reason: encodeFinish(candidate.finish, called["function_call"] !== undefined),
    ...own,
  };
}

/** Content is one string here: no client expects the parts that Mistral sends. */
function encodeParts(parts: readonly Part[]): JsonObject {
  const texts = parts.filter((part) => part.type === "text");
  const refusal = parts.flatMap((part) => (part.type === "refusal" ? part.text : [])).join("");
  const audio = parts.find(isAudio);
  const images = parts.map((part) => (part.type === "media" ? encodeShown(part) : null)).filter((one) => one !== null);
  return {
    content: texts.length === 0 ? null : texts.map((part) => part.text).join(""),
    refusal: refusal === "" ? null : refusal,
    ...encodeReasoning(parts.filter((part) => part.type === "reasoning").map(inDefaultPlace)),
    annotations: annotationsOf(texts),
    ...(audio === undefined ? {} : { audio: encodeAudio(audio) }),
    ...(images.length === 0 ? {} : { images }),
  };
}

const responseKeys = new Set(["id", "object", "created", "model", "choices"]);
const choiceKeys = new Set(["index", "message", "finish_reason", "logprobs"]);
const nameKeys = new Set(["name"]);
const nameAndImages = new Set(["name", "images"]);
