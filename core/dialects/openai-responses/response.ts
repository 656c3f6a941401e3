import { GatewayError } from "../../chat/error.ts";
import { isJsonArray, isJsonObject, type Json, type JsonObject } from "../../chat/json.ts";
import type { ChatRequest, Part } from "../../chat/request.ts";
import type { Candidate, ChatResponse } from "../../chat/response.ts";
import type { ReportedUsage } from "../../chat/usage.ts";
import { sameJson, without } from "../extensions.ts";
import { tierField } from "../openai-chat/usage.ts";
import { answerFields, itemId } from "./answer.ts";
import { decodeFinish, encodeFinish } from "./finish.ts";
import { keep, kept } from "./kept.ts";
import { decodeOutputItem, encodeOutput } from "./output.ts";
import { encodeCarried, encodeReasoning } from "./reasoning.ts";
import { namespaceOf, splitName } from "./tools.ts";
import { decodeUsage, encodeUsage } from "./usage.ts";

export function decodeResponse(body: JsonObject): ChatResponse {
  const { id, model, output, created_at: created } = body;
  if (!isJsonArray(output)) throw notAnAnswer();
  const parts = decodeOutput(output);
  const logprobs = logprobsOf(parts);
  return {
    id: typeof id === "string" ? id : "",
    model: typeof model === "string" ? model : "",
    createdMs: decodeCreated(created),
    candidates: [
      {
        parts,
        finish: decodeFinish(body, hasCalls(parts)),
        ...(logprobs.length === 0 ? {} : { logprobs: { content: logprobs, refusal: null } }),
      },
    ],
    usage: decodeUsage(body["usage"], body["service_tier"], body["output"]),
    extensions: keep(without(body, responseKeys)).extensions ?? {},
  };
}

/** The answer in OpenAI's own words, whatever the vendor's were. Of several candidates the first: there is no word for more. */
export function encodeResponse(response: ChatResponse, asked?: ChatRequest): JsonObject {
  const [candidate] = response.candidates;
  const finish = candidate?.finish ?? { reason: "other", raw: null };
  const own = kept(response);
  const items = candidate === undefined ? [] : encodeCandidate(candidate, response.id, asked);
  const ended = endFields(encodeFinish(finish), own);
  return {
    ...answerFields(response, asked, { ...tierField(response.usage), ...own }),
    ...ended,
    output: items,
    ...(typeof own["output_text"] === "string" ? { output_text: outputText(candidate?.parts ?? []) } : {}),
    usage: usageField(response.usage, own["usage"]),
  };
}

/** `status`, `error` and `incomplete_details`, in the vendor's own words as long as they mean the same. */
export function endFields(ended: JsonObject, own: JsonObject): JsonObject {
  const { status, error, incomplete_details: details } = own;
  if (status === undefined) return ended;
  const said = decodeFinish(own, false).reason;
  const means = decodeFinish(ended, false).reason;
  if (said !== means && said !== "other") return ended;
  return { status, error: error ?? null, incomplete_details: details ?? null };
}

/** The usage as the vendor wrote it, with the fields we do not know, as long as it says the same. */
export function usageField(usage: ReportedUsage | null, raw: Json | undefined): Json {
  if (usage === null) return null;
  // The field does not say how many searches and images there were.
  const { webSearches: _, fileSearches: __, images: ___, ...tokens } = usage.usage;
  const isSame = isJsonObject(raw) && sameJson({ ...decodeUsage(raw)?.usage }, tokens);
  return isSame ? raw : encodeUsage(usage);
}

/** Seconds by the book. */
export function decodeCreated(created: Json | undefined): number {
  if (typeof created !== "number" || !Number.isFinite(created) || created < 0) return 0;
  return Math.floor(created < 1e11 ? created * 1000 : created);
}

/** An item with the id and the status that the vendor gave it or that it gets here. */
export function completeItem(item: JsonObject, index: number, responseId: string, status: string): JsonObject {
  const { type } = item;
  const id = typeof type === "string" ? itemId(type, index, responseId) : null;
  const hasStatus = type === "message" || type === "function_call" || type === "custom_tool_call";
  return { ...(id === null ? {} : { id }), ...(hasStatus ? { status } : {}), ...item };
}

/** The name of a call as the client knows it, who may have offered it in a namespace. */
export function withNamespace(item: JsonObject, asked: ChatRequest | undefined): JsonObject {
  const { name, namespace } = item;
  if (typeof name !== "string" || namespace !== undefined || asked === undefined) return item;
  const own = namespaceOf(name, asked.tools);
  return { ...item, ...own, name: splitName(own["namespace"], name) };
}

const hasCalls = (parts: readonly Part[]): boolean => parts.some((part) => part.type === "tool-call");

const notAnAnswer = () =>
  new GatewayError("upstream-invalid", "The provider's answer is not a response.", { code: "invalid_answer" });

/** What a provider sends is not the client's fault. */
export function decodeOutput(output: readonly Json[]): readonly Part[] {
  try {
    return output.filter(isJsonObject).flatMap((item) => decodeOutputItem(item, "output"));
  } catch (cause) {
    throw new GatewayError("upstream-invalid", notAnAnswer().message, { code: "invalid_answer", cause });
  }
}

function encodeCandidate(candidate: Candidate, responseId: string, asked: ChatRequest | undefined) {
  const parts = withLogprobs(candidate);
  const items = encodeOutput(parts.flatMap(withCarried), () => {}, encodeReasoning);
  const cutOff = candidate.finish.reason === "length" || candidate.finish.reason === "content-filter";
  return items.map((item, i) => {
    const status = cutOff && i === items.length - 1 ? "incomplete" : "completed";
    return completeItem(withNamespace(item, asked), i, responseId, status);
  });
}

/** Signatures of texts and calls have a place only in an item of reasoning, which follows. */
function withCarried(part: Part): readonly Part[] {
  if ((part.type !== "text" && part.type !== "tool-call") || part.signature === undefined) return [part];
  const item = encodeCarried(part.signature, part.type === "tool-call" ? part.id : null);
  return [part, { type: "other", extensions: keep({ whole: item }).extensions ?? {} }];
}

/** The first text takes the log probabilities that are not told with their texts. */
function withLogprobs({ parts, logprobs }: Candidate): readonly Part[] {
  const all = isJsonObject(logprobs) && isJsonArray(logprobs["content"]) ? logprobs["content"] : [];
  const first = logprobsOf(parts).length > 0 ? -1 : parts.findIndex((part) => part.type === "text");
  return parts.map((part, i) => {
    if (part.type !== "text") return part;
    return { ...part, ...keep({ logprobs: i === first ? all : [], ...kept(part) }) };
  });
}

function logprobsOf(parts: readonly Part[]): readonly Json[] {
  return parts.flatMap((part) => {
    const { logprobs } = part.type === "text" ? kept(part) : {};
    return isJsonArray(logprobs) ? logprobs : [];
  });
}

const outputText = (parts: readonly Part[]): string =>
  parts.flatMap((part) => (part.type === "text" ? part.text : [])).join("");

const responseKeys = new Set(["id", "object", "created_at", "model", "output"]);
