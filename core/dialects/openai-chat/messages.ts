import { isJsonArray, isJsonObject, type Json, type JsonObject } from "../../chat/json.ts";
import type { Citation, MediaPart, Message, Part, ToolCallPart, ToolResultPart } from "../../chat/request.ts";
import { without } from "../extensions.ts";
import { invalid, readObjects, readString } from "../fields.ts";
import { decodeCache, isLostMark, withCache } from "./cache.ts";
import { annotationsOf, decodeAnnotations } from "./citations.ts";
import { decodeMadeImages, isInImages } from "./images.ts";
import { dialectName, keep, kept } from "./kept.ts";
import { type ContentPart, decodeContent, encodePart } from "./parts.ts";
import { decodeReasoning, encodeReasoning, encodeThinking, isInContent, reasoningKeys } from "./reasoning.ts";
import { decodeToolCall, encodeToolCalls } from "./tools.ts";

const maxToolCalls = 10_000;

export function decodeMessage(message: JsonObject, path: string): Message {
  const role = message["role"];
  const name = readString(message["name"], `${path}.name`);
  const named = name === null ? {} : { name };
  switch (role) {
    case "system":
    case "developer":
    case "user": {
      const parts = withCache(decodeContent(message["content"], `${path}.content`), decodeCache(message));
      return { role, ...named, parts, ...keep(without(message, plainKeys)) };
    }
    case "assistant": {
      const { parts, rest } = decodeAnswer(message, path);
      const all = [...withCache(parts, decodeCache(message)), ...decodeMadeImages(message["images"])];
      return { role, ...named, parts: all, ...keep(without(rest, nameKeys)) };
    }
    case "tool":
    case "function": // Before tools had ids; its result belongs to a call without one.
      return {
        role: "tool",
        ...named,
        ...decodeResultMessage(message, path),
      };
    default:
      throw invalid(`${path}.role`, "must be system, developer, user, assistant or tool");
  }
}

/** The parts of an assistant's message, in a request or a response, and the fields that are none of them. */
export function decodeAnswer(message: JsonObject, path: string): { parts: readonly Part[]; rest: JsonObject } {
  const content = decodeContent(message["content"], `${path}.content`).filter((part) => !isEmptyText(part));
  const { annotations, function_call: legacy } = message;
  const refusal = readString(message["refusal"], `${path}.refusal`);
  const audio = decodeAudio(message["audio"]);
  const cited = isJsonArray(annotations) && annotations.length > 0 && content.some((part) => part.type === "text");
  const calls = (readObjects(message["tool_calls"], `${path}.tool_calls`, maxToolCalls) ?? []).map(
    (call, i) => decodeToolCall({ ...call, id: call["id"] || `call_${i}` }), // One without an id would be a `function_call`.
  );
  const isLegacyCall = isJsonObject(legacy) && legacy["name"] !== "";
  const parts: readonly Part[] = [
    ...decodeReasoning(message),
    ...(cited ? withCitations(content, decodeAnnotations(annotations)) : content),
    ...(refusal === null || refusal === "" ? [] : [{ type: "refusal" as const, text: refusal }]),
    ...(audio === null ? [] : [audio]),
    ...calls,
    ...(isLegacyCall ? [decodeToolCall({ function: legacy })] : []),
  ];
  const consumed = new Set(answerKeys);
  if (cited || (isJsonArray(annotations) && annotations.length === 0)) consumed.add("annotations");
  if (audio !== null) consumed.add("audio");
  return { parts, rest: without(message, consumed) };
}

/** `warn` is told what cannot be said. */
export function encodeMessages(messages: readonly Message[], warn: (what: string) => void): readonly JsonObject[] {
  const encoded: JsonObject[] = [];
  // Shown after the last of a run of results, because nothing may stand between those of parallel calls.
  let shown: ResultPart[] = [];
  const show = () => {
    if (shown.length > 0) encoded.push({ role: "user", content: encodeContent(shown, warn) });
    shown = [];
  };
  for (const message of messages.flatMap(resultsFirst)) {
    if (message.role !== "tool") show();
    const told = message.extensions?.[mediaInResults] === true ? message : withoutMedia(message);
    if (told !== message) shown.push(...mediaOf(message));
    encoded.push(...encodeMessage(told, warn));
  }
  show();
  return encoded;
}

/** Results and what was said beside them, each as a message of its own. */
function resultsFirst(message: Message): readonly Message[] {
  const results = message.parts.filter(({ type }) => type === "tool-result");
  if (results.length === 0) return [message];
  const others = message.parts.filter(({ type }) => type !== "tool-result");
  const told = { ...message, role: "tool" as const, parts: results };
  return others.length === 0 ? [told] : [told, { ...message, parts: others }];
}

/** A sign on a message whose client puts media into results, which some vendors take and OpenAI does not. */
const mediaInResults = `${dialectName}/media-in-results`;

type ResultPart = ToolResultPart["parts"][number];

/** The message with texts only in its results: OpenAI's have no other content. */
function withoutMedia(message: Message): Message {
  const isMedia = (part: ResultPart) => part.type === "media";
  if (!message.parts.some((part) => part.type === "tool-result" && part.parts.some(isMedia))) return message;
  const parts = message.parts.map((part) => {
    if (part.type !== "tool-result" || !part.parts.some(isMedia)) return part;
    const texts = part.parts.filter((inner) => !isMedia(inner));
    return { ...part, parts: texts.length > 0 ? texts : [{ type: "text" as const, text: "See the next message." }] };
  });
  return { ...message, parts };
}

const mediaOf = ({ parts }: Message): readonly ResultPart[] =>
  parts.flatMap((part) => {
    const media = part.type === "tool-result" ? part.parts.filter(({ type }) => type === "media") : [];
    if (part.type !== "tool-result" || media.length === 0) return [];
    return [{ type: "text" as const, text: `Result of the tool call ${part.id}:` }, ...media];
  });

/** One message, or several: each tool result is a message of its own. */
function encodeMessage(message: Message, warn: (what: string) => void): readonly JsonObject[] {
  const results = message.parts.filter((part) => part.type === "tool-result");
  const others = message.parts.filter((part) => part.type !== "tool-result");
  const own = kept(message);
  const name = message.name === undefined ? {} : { name: message.name };
  const told = results.map((result) => ({ ...encodeResult(result, message.name, warn), ...own }));
  if (others.length === 0 && results.length > 0) return told;
  if (message.role === "assistant") {
    const said = others.filter((part) => !isInImages(part));
    return [...told, { role: "assistant", ...name, ...encodeAnswer(said, warn), ...own }];
  }
  const role = message.role === "tool" ? "user" : message.role;
  return [...told, { role, ...name, content: encodeContent(others, warn) ?? "", ...own }];
}

/** The fields of an assistant's message in a request. */
function encodeAnswer(parts: readonly Part[], warn: (what: string) => void): JsonObject {
  const reasoning = parts.filter((part) => part.type === "reasoning").filter((part) => !isInContent(part));
  const calls = parts.filter((part) => part.type === "tool-call");
  const refusal = parts.flatMap((part) => (part.type === "refusal" ? part.text : [])).join("");
  const audio = parts.find(isAudio);
  const citations = annotationsOf(parts);
  const content = parts.filter(
    (part) =>
      part.type === "text" || part.type === "other" || isThinking(part) || (part.type === "media" && !isAudio(part)),
  );
  if (calls.some(isLostMark)) warn("cache marks");
  if (calls.some((call) => call.signature !== undefined && kept(call)["extra_content"] === undefined)) {
    warn("thought signatures");
  }
  return {
    content: encodeContent(content, warn) ?? (calls.length > 0 || audio !== undefined || refusal !== "" ? null : ""),
    ...(refusal === "" ? {} : { refusal }),
    ...(citations.length === 0 ? {} : { annotations: citations }),
    ...(audio === undefined ? {} : { audio: encodeAudio(audio) }),
    ...encodeReasoning(reasoning),
    ...encodeToolCalls(calls.map((call) => (kept(call)["extra_content"] === undefined ? unsigned(call) : call))),
  };
}

/** A string for plain text, else a list; `null` when there is nothing. */
function encodeContent(parts: readonly Part[], warn: (what: string) => void): Json {
  const [first] = parts;
  if (first === undefined) return null;
  const encoded = parts.flatMap((part): readonly JsonObject[] => {
    if (part.type === "reasoning") return [encodeThinking(part)];
    if (part.type === "text" || part.type === "media" || part.type === "other") {
      const json = encodePart(part, warn);
      return json === null ? [] : [json];
    }
    warn(`a ${part.type} in this place`);
    return [];
  });
  const isPlain = parts.length === 1 && first.type === "text" && Object.keys(encoded[0] ?? {}).length === 2;
  return isPlain ? first.text : encoded;
}

export function encodeAudio(part: MediaPart): JsonObject {
  const { audio } = kept(part);
  const more = isJsonObject(audio) ? audio : {};
  return part.source.by === "data" ? { ...more, data: part.source.base64 } : { ...more, ...idOf(part) };
}

export const isAudio = (part: Part): part is MediaPart => part.type === "media" && part.kind === "audio";

function decodeResult(message: JsonObject, path: string): ToolResultPart {
  const parts = decodeContent(message["content"], `${path}.content`).flatMap((part) =>
    part.type === "reasoning" || part.type === "refusal" ? { type: "text" as const, text: part.text } : part,
  );
  return {
    type: "tool-result",
    id: readString(message["tool_call_id"], `${path}.tool_call_id`) ?? "",
    parts,
    isError: false,
  };
}

/** What a message with a result has beside its name. */
function decodeResultMessage(message: JsonObject, path: string): Pick<Message, "parts" | "extensions"> {
  const result = decodeResult(message, path);
  const { extensions } = keep(without(message, resultKeys));
  const hasMedia = result.parts.some(({ type }) => type === "media");
  const all = { ...extensions, ...(hasMedia ? { [mediaInResults]: true } : {}) };
  return {
    parts: withCache([result], decodeCache(message)),
    ...(Object.keys(all).length > 0 ? { extensions: all } : {}),
  };
}

function encodeResult(result: ToolResultPart, name: string | undefined, warn: (what: string) => void): JsonObject {
  if (result.isError) warn("the mark of a failed tool");
  if (isLostMark(result)) warn("cache marks");
  const content = encodeContent(result.parts, warn) ?? "";
  const named = name === undefined ? {} : { name };
  if (result.id === "") return { role: "function", ...named, content };
  return { role: "tool", tool_call_id: result.id, ...named, content };
}

/** The audio of an answer: whole in a response, by its id in a later request. */
export function decodeAudio(audio: Json | undefined): MediaPart | null {
  if (!isJsonObject(audio)) return null;
  const { data, id } = audio;
  if (typeof data === "string" && data !== "") {
    const source = { by: "data", base64: data } as const;
    return { type: "media", kind: "audio", mediaType: null, source, ...keep({ audio: without(audio, dataKeys) }) };
  }
  if (typeof id !== "string" || id === "") return null;
  return { type: "media", kind: "audio", mediaType: null, source: { by: "id", id }, ...keep({ audio }) };
}

function withCitations(content: readonly ContentPart[], citations: readonly Citation[]): readonly ContentPart[] {
  const last = content.findLastIndex((part) => part.type === "text");
  return content.map((part, i) => (i === last && part.type === "text" ? { ...part, citations } : part));
}

const isEmptyText = (part: ContentPart) => part.type === "text" && part.text === "" && part.extensions === undefined;
const isThinking = (part: Part) => part.type === "reasoning" && isInContent(part);
const idOf = (part: MediaPart) => (part.source.by === "id" ? { id: part.source.id } : {});

/** A signature of another vendor means nothing here, and an unknown field is refused. */
function unsigned(call: ToolCallPart): ToolCallPart {
  const { signature: _signature, ...rest } = call;
  return rest;
}

const nameKeys = new Set(["name"]);
const dataKeys = new Set(["data"]);
const plainKeys = new Set(["role", "name", "content"]);
const resultKeys = new Set(["role", "name", "content", "tool_call_id"]);
const answerKeys = new Set(["role", "content", "refusal", "tool_calls", "function_call", ...reasoningKeys]);
