import type { EmbeddingsRequest, EmbeddingsResponse } from "../../chat/embeddings.ts";
import { GatewayError } from "../../chat/error.ts";
import { isJsonArray, isJsonObject, type Json, type JsonObject } from "../../chat/json.ts";
import type { Encoded, Envelope, InPath, Metered, OperationCodec } from "../dialect.ts";
import { foreignFields, without } from "../extensions.ts";
import { invalid, missing, readInteger, readString } from "../fields.ts";
import { arrayItems, objectMembers, splice } from "../json-text.ts";
import { decodeError } from "./error.ts";
import { modelEdits, withoutPrefix } from "./edit-request.ts";
import { checkModel } from "../request-caps.ts";
import { measure, pathOf, readParts } from "./envelope.ts";
import { dialectName, keep, kept, noteOf, withNote } from "./kept.ts";
import { camelObject, inCamel, listOf } from "./spelling.ts";
import { isGiven } from "./stream.ts";
import { decodeUsage } from "./usage.ts";

/** `embedContent`, of one content, and `batchEmbedContents`, whose body has `requests`, each as the body of the other. */
export const embeddings: OperationCodec<EmbeddingsRequest, EmbeddingsResponse> = {
  readEnvelope,
  editRequest,
  decodeRequest,
  encodeRequest,
  decodeResponse,
  encodeResponse,
  meterResponse,
};

const maxInputs = 10_000;
const maxDimensions = 2 ** 20;

/** There is no output, so its bound is 0. */
function readEnvelope(body: JsonObject, bytes: number, path?: InPath): Envelope {
  const { requests } = readRequests(body);
  const input = measure({ contents: requests.map(({ content }) => contentOf(content)) }, bytes);
  const model = checkModel(pathOf(path).model);
  return { model, stream: false, includeUsage: true, maxOutputTokens: 0, candidates: 1, input };
}

/** Every request of a batch repeats the model of the path, and Google refuses one that does not. */
function editRequest(source: string, { model }: { readonly model: string }): string {
  const members = objectMembers(source);
  const batches = members.filter(({ key, valueStart }) => key === "requests" && source[valueStart] === "[");
  const inner = batches.flatMap(({ valueStart }) =>
    arrayItems(source, valueStart).flatMap((at) =>
      source[at] === "{" ? modelEdits(source, objectMembers(source, at), model) : [],
    ),
  );
  return splice(source, [...modelEdits(source, members, model), ...inner]);
}

function decodeRequest(body: JsonObject, path?: InPath): EmbeddingsRequest {
  const { requests, isBatch, name } = readRequests(body);
  const settings = requests.map((request, i) => settingsOf(request, name(i)));
  const [first] = settings;
  const isSame = settings.every((one) => one.task === first?.task && one.dimensions === first.dimensions);
  const rest = Object.fromEntries(settings.flatMap((one) => Object.entries(one.rest)));
  return {
    model: checkModel(pathOf(path).model),
    inputs: requests.map(({ content }, i) => textOf(content, `${name(i)}content`)),
    dimensions: isSame ? (first?.dimensions ?? null) : null,
    task: isSame ? (first?.task ?? null) : null,
    user: null,
    extensions: {
      ...keep({ ...rest, ...(isSame ? {} : { "settings that differ": true }) }).extensions,
      ...withNote({ isBatch, requests }),
    },
  };
}

/** A batch, also of one, unless a single content was asked for; what Google's own clients said of each is said again. */
function encodeRequest(request: EmbeddingsRequest, model: string): Encoded {
  const note = noteOf(request.extensions);
  const warnings = foreignFields(dialectName, request.extensions).map((field) => leftOut(`'${field}'`));
  if (request.user !== null) warnings.push(leftOut("'user'"));
  const sent = isJsonArray(note?.["requests"]) ? note["requests"].map(camelObject) : [];
  const own = sent.length === request.inputs.length ? sent : [];
  const requests = request.inputs.map((text, i) => {
    if (typeof text !== "string") throw invalid("input", "must be text: this model's provider takes no token ids");
    const { content, model: _model, ...settings } = own[i] ?? {};
    const isOwn = content !== undefined && content !== null && textOf(content, "content") === text;
    return {
      content: isOwn ? content : { parts: [{ text }] },
      ...(own[i] === undefined ? settingsFor(request) : settings),
    };
  });
  const [single] = requests;
  const body =
    note?.["isBatch"] === false && requests.length === 1 && single !== undefined
      ? single
      : { requests: requests.map((one) => ({ model: `models/${withoutPrefix(model)}`, ...one })) };
  return { body, warnings: [...new Set(warnings)] };
}

const leftOut = (what: string) => `gemini cannot say ${what}; left out`;

/** Also where Google says that they are deprecated: every model and version of the API takes them there. */
const settingsFor = ({ task, dimensions }: EmbeddingsRequest): JsonObject => ({
  ...(task === null ? {} : { taskType: task }),
  ...(dimensions === null ? {} : { outputDimensionality: dimensions }),
});

function decodeResponse(body: JsonObject): EmbeddingsResponse {
  const { embedding, embeddings: several, ...rest } = inCamel(body);
  const all = isJsonArray(several) ? several : isJsonObject(embedding) ? [embedding] : null;
  if (all === null) throw notVectors();
  return {
    model: "",
    vectors: all.map((one: Json) => vectorOf(one)),
    usage: decodeUsage(rest["usageMetadata"]),
    extensions: keep(rest).extensions ?? {},
  };
}

function encodeResponse({ vectors, usage, extensions }: EmbeddingsResponse, asked: EmbeddingsRequest): JsonObject {
  const isSingle = noteOf(asked.extensions)?.["isBatch"] === false;
  const [first = []] = vectors;
  return {
    ...(isSingle ? { embedding: { values: first } } : { embeddings: vectors.map((values) => ({ values })) }),
    ...(usage === null ? {} : { usageMetadata: { promptTokenCount: usage.usage.inputTokens } }),
    ...kept({ extensions }),
  };
}

/** Of most models Google tells no usage here. */
function meterResponse(body: JsonObject): Metered {
  const fault = isGiven(body["error"]) ? decodeError(body) : null;
  const usage = decodeUsage(inCamel(body)["usageMetadata"]);
  return { usage, finish: null, upstreamId: null, contentBytes: 0, complete: fault === null, fault };
}

interface Requests {
  readonly requests: readonly JsonObject[];
  readonly isBatch: boolean;
  /** What stands before the name of a field of the request at `i`. */
  readonly name: (i: number) => string;
}

function readRequests(body: JsonObject): Requests {
  const { requests } = body;
  if (requests === undefined || requests === null) {
    const single = inCamel(body);
    if (single["content"] === undefined || single["content"] === null) missing("content");
    return { requests: [single], isBatch: false, name: () => "" };
  }
  const batch = listOf(requests, "requests", maxInputs);
  if (batch.length === 0) throw invalid("requests", "must not be empty");
  batch.forEach(({ content }, i) => {
    if (content === undefined || content === null) missing(`requests[${i}].content`);
  });
  return { requests: batch, isBatch: true, name: (i) => `requests[${i}].` };
}

/** Settings stand in the request, or since newer models in a `embedContentConfig` of it. */
function settingsOf(request: JsonObject, name: string) {
  const config = camelObject(request["embedContentConfig"]);
  const all = { ...request, ...config };
  return {
    task: readString(all["taskType"], `${name}taskType`),
    dimensions: readInteger(all["outputDimensionality"], `${name}outputDimensionality`, 1, maxDimensions),
    rest: without(all, settingKeys),
  };
}

const contentOf = (content: Json | undefined): JsonObject =>
  isJsonObject(content) ? inCamel(content) : { parts: content ?? [] };

function textOf(content: Json | undefined, path: string): string {
  return readParts(contentOf(content)["parts"], `${path}.parts`)
    .map((part, i) => {
      const { text } = part;
      if (typeof text !== "string") throw invalid(`${path}.parts[${i}]`, "must be text");
      return text;
    })
    .join("");
}

function vectorOf(embedding: Json): readonly number[] {
  const values = isJsonObject(embedding) ? embedding["values"] : undefined;
  if (!isJsonArray(values)) throw notVectors();
  return values.map((value) => {
    if (typeof value !== "number") throw notVectors();
    return value;
  });
}

const notVectors = () =>
  new GatewayError("upstream-invalid", "The provider's answer is not a list of vectors.", { code: "invalid_answer" });

const settingKeys = new Set(["content", "model", "taskType", "outputDimensionality", "embedContentConfig"]);
