import { GatewayError } from "../../chat/error.ts";
import type { TokenCount } from "../../chat/embeddings.ts";
import { isJsonObject, type JsonObject } from "../../chat/json.ts";
import type { ChatRequest } from "../../chat/request.ts";
import type { Encoded, Metered, OperationCodec } from "../dialect.ts";
import { without } from "../extensions.ts";
import { decodeError } from "../vendor-error.ts";
import { editRequest } from "./edit-request.ts";
import { readCountEnvelope } from "./envelope.ts";
import { keep, kept } from "./kept.ts";
import { decodeAnyRequest, encodeRequest } from "./request.ts";

/** `POST /v1/messages/count_tokens`: a request without what only an answer needs; `{input_tokens}` comes back. */
export const countTokens: OperationCodec<ChatRequest, TokenCount> = {
  readEnvelope: (body, bytes) => ({ ...readCountEnvelope(body, bytes), maxOutputTokens: 0 }),
  editRequest: (source, edit) => editRequest(source, { ...edit, maxOutputTokens: null }),
  decodeRequest: decodeAnyRequest,
  encodeRequest: encodeCount,
  decodeResponse,
  encodeResponse: ({ inputTokens, extensions }) => ({ input_tokens: inputTokens, ...kept({ extensions }) }),
  meterResponse,
};

function encodeCount(request: ChatRequest, model: string): Encoded {
  // A cap there must be, so that its absence is no warning; thinking is counted by what it is asked to be.
  const { body, warnings } = encodeRequest({ ...request, maxOutputTokens: request.maxOutputTokens ?? anyCap }, model);
  return { body: without(body, answerFields), warnings };
}

const anyCap = 64_000;

/** https://platform.claude.com/docs/en/api/messages-count-tokens takes none of these. */
const answerFields: ReadonlySet<string> = new Set([
  "max_tokens",
  "stream",
  "temperature",
  "top_p",
  "top_k",
  "stop_sequences",
  "metadata",
  "service_tier",
  "container",
]);

function decodeResponse(body: JsonObject): TokenCount {
  const inputTokens = body["input_tokens"];
  if (typeof inputTokens !== "number" || !Number.isSafeInteger(inputTokens) || inputTokens < 0) {
    throw new GatewayError("upstream-invalid", "The provider's answer is not a count of tokens.", {
      code: "invalid_answer",
    });
  }
  return { inputTokens, extensions: keep(without(body, countKeys)).extensions ?? {} };
}

function meterResponse(body: JsonObject): Metered {
  const fault = body["type"] === "error" || isJsonObject(body["error"]) ? decodeError(body) : null;
  return {
    usage: null,
    finish: null,
    upstreamId: null,
    contentBytes: 0,
    complete: fault === null,
    fault,
  };
}

const countKeys = new Set(["input_tokens"]);
