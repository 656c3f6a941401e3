import { Buffer } from "node:buffer";
import type { EmbeddingsRequest, EmbeddingsResponse } from "../../chat/embeddings.ts";
import { GatewayError } from "../../chat/error.ts";
import { isJsonArray, isJsonObject, type Json, type JsonObject } from "../../chat/json.ts";
import type { Encoded, Envelope, Metered, OperationCodec } from "../dialect.ts";
import { foreignFields, without } from "../extensions.ts";
import { invalid, missing, readInteger, readString } from "../fields.ts";
import { decodeError } from "../vendor-error.ts";
import { editRequest } from "./edit-request.ts";
import { readModel } from "../request-caps.ts";
import { dialectName, keep, kept } from "./kept.ts";
import { decodeUsage } from "./usage.ts";

/** `POST /v1/embeddings`: texts, or texts as token ids, in; a vector each out, as numbers or as base64 of 32-bit floats. */
export const embeddings: OperationCodec<EmbeddingsRequest, EmbeddingsResponse> = {
  readEnvelope,
  editRequest: (source, edit) => editRequest(source, { ...edit, includeUsage: false, maxOutputTokens: null }),
  decodeRequest,
  encodeRequest,
  decodeResponse,
  encodeResponse,
  meterResponse,
};

const maxInputs = 10_000;
const maxDimensions = 2 ** 20;

/** There is no output, so its bound is 0. Every token id takes more than a byte of the body, as every token does. */
function readEnvelope(body: JsonObject, bytes: number): Envelope {
  const model = readModel(body["model"]);
  readInputs(body["input"]);
  readInteger(body["dimensions"], "dimensions", 1, maxDimensions);
  const input = { textBytes: bytes, functionTools: 0, images: 0, audioBytes: 0, unbounded: false };
  return { model, stream: false, includeUsage: false, maxOutputTokens: 0, candidates: 1, input };
}

function decodeRequest(body: JsonObject): EmbeddingsRequest {
  return {
    model: readModel(body["model"]),
    inputs: readInputs(body["input"]),
    dimensions: readInteger(body["dimensions"], "dimensions", 1, maxDimensions),
    task: null,
    user: readString(body["user"], "user"),
    extensions: keep(without(body, requestKeys)).extensions ?? {},
  };
}

function encodeRequest(request: EmbeddingsRequest, model: string): Encoded {
  const warnings = foreignFields(dialectName, request.extensions).map((field) => leftOut(`'${field}'`));
  if (request.task !== null) warnings.push(leftOut("what the vectors are for"));
  const { dimensions, user } = request;
  const body = {
    model,
    input: request.inputs,
    ...(dimensions === null ? {} : { dimensions }),
    ...(user === null ? {} : { user }),
    ...kept(request),
  };
  return { body, warnings: [...new Set(warnings)] };
}

const leftOut = (what: string) => `openai-chat cannot say ${what}; left out`;

function decodeResponse(body: JsonObject): EmbeddingsResponse {
  const { data, model } = body;
  if (!isJsonArray(data)) throw notVectors();
  const entries = data.map((entry, position) => {
    if (!isJsonObject(entry)) throw notVectors();
    const { index, embedding } = entry;
    return { index: typeof index === "number" ? index : position, vector: decodeVector(embedding) };
  });
  return {
    model: typeof model === "string" ? model : "",
    vectors: entries.toSorted((a, b) => a.index - b.index).map(({ vector }) => vector),
    usage: decodeUsage(body["usage"]),
    extensions: keep(without(body, responseKeys)).extensions ?? {},
  };
}

function encodeResponse(response: EmbeddingsResponse, asked: EmbeddingsRequest): JsonObject {
  const isBase64 = kept(asked)["encoding_format"] === "base64";
  const inputTokens = response.usage?.usage.inputTokens ?? 0;
  return {
    object: "list",
    data: response.vectors.map((vector, index) => ({
      object: "embedding",
      index,
      embedding: isBase64 ? encodeVector(vector) : vector,
    })),
    // Google's answers do not name it.
    model: response.model || asked.model,
    usage: { prompt_tokens: inputTokens, total_tokens: inputTokens },
    ...kept(response),
  };
}

function meterResponse(body: JsonObject): Metered {
  const fault = body["error"] === undefined || body["error"] === null ? null : decodeError(body);
  return {
    usage: decodeUsage(body["usage"]),
    finish: null,
    upstreamId: typeof body["id"] === "string" ? body["id"] : null,
    contentBytes: 0,
    complete: fault === null,
    fault,
  };
}

/** One text, several, one as token ids, or several such. */
function readInputs(input: Json | undefined): readonly (string | readonly number[])[] {
  if (input === undefined || input === null) missing("input");
  if (typeof input === "string") return [input];
  if (!isJsonArray(input) || input.length === 0) throw invalid("input", "must be a string or a list that is not empty");
  if (isTokens(input)) return [input];
  if (input.length > maxInputs) throw invalid("input", `must have at most ${maxInputs} entries`);
  return input.map((entry: Json, i) => {
    if (typeof entry === "string" || isTokens(entry)) return entry;
    throw invalid(`input[${i}]`, "must be a string or a list of token ids");
  });
}

const isTokens = (value: Json): value is readonly number[] =>
  isJsonArray(value) && value.length > 0 && value.every((id) => typeof id === "number" && Number.isInteger(id));

/** Little-endian, as every client of it takes it to be. */
function decodeVector(embedding: Json | undefined): readonly number[] {
  if (typeof embedding === "string") {
    const bytes = Buffer.from(embedding, "base64");
    if (bytes.length === 0 || bytes.length % 4 !== 0) throw notVectors();
    return Array.from({ length: bytes.length / 4 }, (_, i) => bytes.readFloatLE(i * 4));
  }
  if (!isJsonArray(embedding)) throw notVectors();
  return embedding.map((value) => {
    if (typeof value !== "number") throw notVectors();
    return value;
  });
}

function encodeVector(vector: readonly number[]): string {
  const bytes = Buffer.alloc(vector.length * 4);
  for (const [i, value] of vector.entries()) bytes.writeFloatLE(value, i * 4);
  return bytes.toString("base64");
}

const notVectors = () =>
  new GatewayError("upstream-invalid", "The provider's answer is not a list of vectors.", { code: "invalid_answer" });

const requestKeys = new Set(["model", "input", "dimensions", "user"]);
const responseKeys = new Set(["object", "data", "model", "usage"]);
