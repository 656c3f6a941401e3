import { createServer } from "node:http";
import { GoogleGenAI } from "@google/genai";
import type { Json, JsonObject } from "../../../core/chat/json.ts";
import type { Metered } from "../../../core/dialects/dialect.ts";
import { SseSplitter } from "../../../core/dialects/sse.ts";
import { bytesOf } from "../../contract/dialect.ts";

/* What is expected of recorded answers: by Google's own SDK, and by the rules of the wire's notes. */

// ── Google's SDK ──────────────────────────────────────────────────────────────────────────────────────────────────────

let replay = { body: "", type: "" };
const server = createServer((request, response) => {
  request.resume().on("end", () => {
    response.writeHead(200, { "content-type": replay.type });
    response.end(replay.body);
  });
});
await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
const address = server.address();
const port = typeof address === "object" && address !== null ? address.port : 0;
const { models } = new GoogleGenAI({ apiKey: "k", httpOptions: { baseUrl: `http://127.0.0.1:${port}` } });

export function stopSdk(): void {
  server.closeAllConnections();
  server.close();
}

export async function readStream(sse: string): Promise<readonly JsonObject[]> {
  replay = { body: sse, type: "text/event-stream" };
  const chunks: JsonObject[] = [];
  for await (const chunk of await models.generateContentStream({ model: "m", contents: "hi" }))
    chunks.push(plain(chunk));
  return chunks;
}

export async function readWhole(body: JsonObject): Promise<Json> {
  replay = { body: JSON.stringify(body), type: "application/json" };
  return accumulated([plain(await models.generateContent({ model: "m", contents: "hi" }))]);
}

/** Without the SDK's own classes, and the headers of this answer. */
const plain = (value: object): JsonObject => {
  const { sdkHttpResponse: _headers, ...rest } = JSON.parse(JSON.stringify(value));
  return rest;
};

/** What all chunks say together: texts joined, signatures in their order, and the last of everything else. */
export function accumulated(chunks: readonly JsonObject[]): Json {
  const candidates = new Map<number, Json[]>();
  const fields: Record<string, Json | undefined> = {};
  for (const chunk of chunks) {
    for (const candidate of list(chunk["candidates"])) {
      const index = Number(candidate["index"] ?? 0);
      const parts = candidates.get(index) ?? [];
      candidates.set(index, parts);
      const { content, index: _index, finishReason, ...rest } = candidate;
      for (const part of list(object(content)["parts"])) addPart(parts, part);
      for (const [key, value] of Object.entries(rest)) fields[`${index}.${key}`] = value;
      if (finishReason !== undefined) fields[`${index}.finish`] = words[Number(finishReason)] ?? finishReason;
    }
    const { candidates: _candidates, ...rest } = chunk;
    Object.assign(fields, rest);
  }
  return { candidates: Object.fromEntries(candidates), fields };
}

const words: readonly (string | undefined)[] = [undefined, "STOP", "MAX_TOKENS", "SAFETY", "RECITATION", "OTHER"];

function addPart(parts: Json[], part: JsonObject): void {
  const { text, thought, thoughtSignature, ...rest } = part;
  if ("functionCall" in part) return addCall(parts, part);
  if (typeof text !== "string") {
    parts.push(part);
    return;
  }
  const kind = thought === true ? "thought" : "text";
  const last = object(parts.at(-1));
  if (text !== "" && last["kind"] === kind) parts[parts.length - 1] = { ...last, text: String(last["text"]) + text };
  else if (text !== "") parts.push({ kind, text });
  if (thoughtSignature !== undefined) parts.push({ signature: thoughtSignature });
  if (Object.keys(rest).length > 0) parts.push(rest);
}

/** A call that comes in pieces adds strings to arguments, until a piece says that nothing follows. */
function addCall(parts: Json[], part: JsonObject): void {
  const last = object(parts.at(-1));
  const isOpen = last["isOpen"] === true;
  const { args, partialArgs, willContinue, ...call } = object(part["functionCall"]);
  const known = object(last["functionCall"]);
  const all: Record<string, Json | undefined> = { ...(isOpen ? object(known["args"]) : {}), ...object(args) };
  for (const { jsonPath, stringValue } of list(partialArgs)) {
    const key = String(jsonPath).replace("$.", "");
    all[key] = `${all[key] === undefined ? "" : String(all[key])}${String(stringValue)}`;
  }
  if (isOpen) parts.pop();
  parts.push({
    ...(isOpen ? last : {}),
    ...part,
    functionCall: { ...(isOpen ? known : {}), ...call, args: all },
    isOpen: willContinue === true,
  });
}

// ── what is expected ──────────────────────────────────────────────────────────────────────────────────────────────────

/** By the rules: the prompt includes the cache, what tools read is added to it, and thoughts to the answer. */
export function expectedUsage(raw: Json | undefined) {
  if (!Object.keys(object(raw)).some((field) => field.endsWith("TokenCount"))) return null;
  const count = (field: string) => Number(object(raw)[field] ?? 0);
  const audio = (field: string) =>
    list(object(raw)[field])
      .filter(({ modality }) => modality === "AUDIO" || modality === 4)
      .reduce((sum, { tokenCount }) => sum + Number(tokenCount ?? 0), 0);
  return {
    inputTokens: count("promptTokenCount") + count("toolUsePromptTokenCount"),
    outputTokens: count("candidatesTokenCount") + count("thoughtsTokenCount"),
    reasoningTokens: count("thoughtsTokenCount"),
    cacheReadTokens: count("cachedContentTokenCount"),
    inputAudioTokens: audio("promptTokensDetails") + audio("toolUsePromptTokensDetails"),
    outputAudioTokens: audio("candidatesTokensDetails"),
  };
}

export const usageOf = ({ sse, body }: { readonly sse: string | null; readonly body: unknown }) =>
  expectedMeter(sse === null ? (Array.isArray(body) ? body : [object(body as Json)]) : chunksOf(sse)).usage;

export function expectedMeter(chunks: readonly JsonObject[]) {
  const first = chunks.flatMap((chunk) => list(chunk["candidates"])).filter(({ index }) => (index ?? 0) === 0);
  const finish = first
    .map(({ finishReason }) => words[Number(finishReason)] ?? finishReason)
    .find((word) => word !== undefined);
  const blocked = chunks
    .map((chunk) => object(chunk["promptFeedback"])["blockReason"])
    .find((word) => word !== undefined);
  return {
    usage: expectedUsage(chunks.findLast(({ usageMetadata }) => usageMetadata !== undefined)?.["usageMetadata"]),
    finish: word(finish ?? (first.length === 0 ? blocked : undefined)),
    upstreamId: word(chunks.map(({ responseId }) => responseId).find((id) => id !== undefined)),
    complete: true,
    fault: null,
  };
}

const word = (value: Json | undefined): string | null => (typeof value === "string" ? value : null);

export const told = ({ usage, finish, upstreamId, complete, fault }: Metered) => ({
  usage:
    usage === null
      ? null
      : (({ inputTokens, outputTokens, reasoningTokens, cacheReadTokens, inputAudioTokens, outputAudioTokens }) => ({
          inputTokens,
          outputTokens,
          reasoningTokens,
          cacheReadTokens,
          inputAudioTokens,
          outputAudioTokens,
        }))(usage.usage),
  finish,
  upstreamId,
  complete,
  fault,
});

export const chunksOf = (sse: string): readonly JsonObject[] =>
  new SseSplitter()
    .push(bytesOf(sse.endsWith("\n\n") || sse.endsWith("\r\n\r\n") ? sse : `${sse}\n\n`))
    .flatMap(({ data }) => (data === null ? [] : [JSON.parse(data)]));
export const object = (value: Json | undefined): JsonObject =>
  typeof value === "object" && value !== null && !Array.isArray(value) ? (value as JsonObject) : {};
export const list = (value: Json | undefined): readonly JsonObject[] =>
  Array.isArray(value) ? value.filter((item) => typeof item === "object" && item !== null) : [];
