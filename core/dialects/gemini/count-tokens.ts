import type { TokenCount } from "../../chat/embeddings.ts";
import { GatewayError } from "../../chat/error.ts";
import { isJsonArray, isJsonObject, type JsonObject } from "../../chat/json.ts";
import type { ChatRequest } from "../../chat/request.ts";
import type { Encoded, Envelope, InPath, Metered, OperationCodec } from "../dialect.ts";
import { objectMembers, splice } from "../json-text.ts";
import { decodeError } from "./error.ts";
import { modelEdits, withoutPrefix } from "./edit-request.ts";
import { readEnvelope } from "./envelope.ts";
import { keep, kept } from "./kept.ts";
import { decodeRequest, encodeRequest } from "./request.ts";
import { inCamel } from "./spelling.ts";
import { isGiven } from "./stream.ts";

/**
 * `countTokens`. The body is a request within `generateContentRequest`, which the Gemini API counts whole, or one as it is:
 * of that the Gemini API takes the `contents` alone, Vertex the system instruction and the tools too.
 */
export const countTokens: OperationCodec<ChatRequest, TokenCount> = {
  readEnvelope: (body, bytes, path): Envelope => ({
    ...readEnvelope(requestIn(body), bytes, path),
    maxOutputTokens: 0,
  }),
  editRequest: (source, { model }) => {
    const members = objectMembers(source);
    const wrapped = members.filter(({ key, valueStart }) => wrappers.has(key) && source[valueStart] === "{");
    const inner = wrapped.flatMap(({ valueStart }) => modelEdits(source, objectMembers(source, valueStart), model));
    return splice(source, [...modelEdits(source, members, model), ...inner]);
  },
  decodeRequest: decodeCount,
  encodeRequest: encodeCount,
  decodeResponse,
  encodeResponse: ({ inputTokens, extensions }) => ({ totalTokens: inputTokens, ...kept({ extensions }) }),
  meterResponse,
};

/** A list, as every note beside the extensions. */
const formKey = "gemini/counted";
const plainForm = ["plain"] as const;
const wrappers: ReadonlySet<string> = new Set(["generateContentRequest", "generate_content_request"]);

function wrappedIn(body: JsonObject): JsonObject | null {
  const { generateContentRequest: request } = inCamel(body);
  return isJsonObject(request) ? request : null;
}

const requestIn = (body: JsonObject): JsonObject => wrappedIn(body) ?? body;

function decodeCount(body: JsonObject, path?: InPath): ChatRequest {
  const request = decodeRequest(requestIn(body), path);
  if (wrappedIn(body) !== null) return request;
  return { ...request, extensions: { ...request.extensions, [formKey]: plainForm } };
}

function encodeCount(request: ChatRequest, model: string): Encoded {
  const { body, warnings } = encodeRequest(request, model);
  if (isJsonArray(request.extensions[formKey])) return { body, warnings };
  return { body: { generateContentRequest: { model: `models/${withoutPrefix(model)}`, ...body } }, warnings };
}

function decodeResponse(body: JsonObject): TokenCount {
  const { totalTokens, ...rest } = inCamel(body);
  if (typeof totalTokens !== "number" || !Number.isSafeInteger(totalTokens) || totalTokens < 0) {
    throw new GatewayError("upstream-invalid", "The provider's answer is not a count of tokens.", {
      code: "invalid_answer",
    });
  }
  return { inputTokens: totalTokens, extensions: keep(rest).extensions ?? {} };
}

function meterResponse(body: JsonObject): Metered {
  const fault = isGiven(body["error"]) ? decodeError(body) : null;
  return {
    usage: null,
    finish: null,
    upstreamId: null,
    contentBytes: 0,
    complete: fault === null,
    fault,
  };
}
