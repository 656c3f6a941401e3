import type { Json, JsonObject } from "../../../core/chat/json.ts";

/*
 * Two bodies mean the same when their normal forms are equal. These are all the liberties that the codec may take; beyond
 * them a body must come back with the same JSON value.
 */

/**
 * Requests: names of fields in snake case are in camel case (but not what the client names itself: arguments, results,
 * schemas, labels) · an absent field, `null`, an empty object, an empty list and an explicit default (`candidateCount: 1`,
 * `responseLogprobs: false`, `responseMimeType: text/plain`) are one · `contents`, `parts`, `tools`, `functionDeclarations`
 * that are no list are a list of one, and a string is a text · a turn without a role is the user's · a call without
 * arguments has none · all functions stand in one tool, and each of Google's tools alone · the case of modes and levels ·
 * the alphabet and the padding of base64 · `_responseJsonSchema` is `responseJsonSchema` · `model` repeats the path.
 */
export function normalRequest(body: JsonObject): Json {
  const { contents, systemInstruction, tools, generationConfig, toolConfig, model: _model, ...rest } = camel(body);
  const system =
    typeof systemInstruction === "string" ? { parts: systemInstruction } : camel(object(systemInstruction));
  const config = camel(object(generationConfig));
  const defaults: JsonObject = { candidateCount: 1, responseLogprobs: false, responseMimeType: "text/plain" };
  const thinking = camel(object(config["thinkingConfig"]));
  const { functionCallingConfig: calling, ...more } = camel(object(toolConfig));
  const choice = camel(object(calling));
  return tidy({
    ...rest,
    contents: many(contents).map((content) =>
      normalContent(typeof content === "string" ? { parts: content } : content),
    ),
    systemInstruction: { ...system, parts: many(system["parts"]).map(normalPart) },
    tools: normalTools(tools),
    toolConfig: { ...more, functionCallingConfig: { ...choice, mode: upper(choice["mode"]) } },
    generationConfig: {
      ...Object.fromEntries(Object.entries(config).filter(([key, value]) => defaults[key] !== value)),
      stopSequences: many(config["stopSequences"]),
      thinkingConfig: { ...thinking, thinkingLevel: upper(thinking["thinkingLevel"]) },
    },
  });
}

function normalContent(value: Json): Json {
  const content = camel(object(value));
  return { ...content, role: content["role"] ?? "user", parts: many(content["parts"]).map(normalPart) };
}

function normalTools(value: Json | undefined): Json {
  const all = many(value).map((tool) => camel(object(tool)));
  const functions = all.flatMap((tool) => many(tool["functionDeclarations"]).map((one) => camel(object(one))));
  const others = all.flatMap((tool) =>
    Object.entries(tool).flatMap(([name, options]) =>
      name === "functionDeclarations" || options === undefined || options === null ? [] : [[name, options] as const],
    ),
  );
  // An empty object is all that some tools have to say.
  return { functions, others: others.map(([name, options]) => [name, JSON.stringify(options)]) };
}

function normalPart(value: Json): Json {
  if (typeof value === "string") return { text: `text: ${value}` };
  const part = camel(object(value));
  const { functionCall, functionResponse, inlineData, fileData, ...rest } = part;
  const call = camel(object(functionCall));
  const result = camel(object(functionResponse));
  const blob = camel(object(inlineData));
  return {
    ...rest,
    // What stays must not be tidied away: an empty text may carry a signature, an empty object may be all there is.
    ...("text" in part ? { text: `text: ${String(part["text"])}` } : {}),
    ...(functionCall === undefined ? {} : { functionCall: { ...call, args: JSON.stringify(call["args"] ?? {}) } }),
    ...(functionResponse === undefined
      ? {}
      : {
          functionResponse: {
            ...result,
            response: JSON.stringify(result["response"] ?? {}),
            parts: many(result["parts"]).map(normalPart),
          },
        }),
    ...(inlineData === undefined ? {} : { inlineData: { ...blob, data: standard(blob["data"]) } }),
    ...(fileData === undefined ? {} : { fileData: camel(object(fileData)) }),
  };
}

/**
 * Responses, besides: candidates stand in the order of their index, which each of them has · enums are words, not numbers ·
 * a candidate that was not told why it ended has ended by STOP · numbers that are 0 may be left out, and so may be the
 * author of an answer and parts of it that say nothing at all.
 */
export function normalResponse(body: JsonObject): Json {
  const { candidates, ...rest } = camel(body);
  const said = many(candidates).map((value) => {
    const { content, finishReason, index, ...more } = camel(object(value));
    const { parts, role: _role, ...others } = camel(object(content));
    return {
      ...more,
      index: Number(index ?? 0),
      finishReason: finishOf(finishReason),
      content: { ...others, parts: many(parts).map(normalPart).filter(says) },
    };
  });
  const inOrder = said.toSorted((a, b) => a.index - b.index);
  return tidy({ ...rest, candidates: inOrder.map((candidate, index) => ({ ...candidate, index })) });
}

const says = (part: Json) => JSON.stringify(part) !== '{"text":"text: "}';

const finishOf = (word: Json | undefined): Json =>
  typeof word === "number"
    ? (["", "STOP", "MAX_TOKENS", "SAFETY", "RECITATION", "OTHER"][word] ?? word)
    : (word ?? "STOP");

const upper = (word: Json | undefined) => (typeof word === "string" ? word.toUpperCase() : word);
const standard = (data: Json | undefined) =>
  typeof data === "string" ? data.replaceAll("-", "+").replaceAll("_", "/").replace(/=+$/, "") : data;

const renamed: Readonly<Record<string, string>> = { _responseJsonSchema: "responseJsonSchema" };

function camel(object: JsonObject): JsonObject {
  return Object.fromEntries(
    Object.entries(object).map(([key, value]) => [
      renamed[key] ?? key.replace(/(?<=[a-z0-9])_([a-z0-9])/g, (_, letter: string) => letter.toUpperCase()),
      value,
    ]),
  );
}

/** Drops what is nothing: absent, `null`, empty objects and lists; all the way down. */
function tidy(value: Json | undefined): Json {
  if (Array.isArray(value)) return value.map(tidy);
  if (typeof value !== "object" || value === null) return value ?? null;
  const members = Object.entries(value).map(([key, member]) => [key, tidy(member)] as const);
  return Object.fromEntries(members.filter(([, member]) => !isNothing(member)));
}

const isNothing = (value: Json) => value === null || (typeof value === "object" && Object.keys(value).length === 0);
const object = (value: Json | undefined): JsonObject =>
  typeof value === "object" && value !== null && !Array.isArray(value) ? (value as JsonObject) : {};
const many = (value: Json | undefined): readonly Json[] =>
  Array.isArray(value) ? value : value === undefined || value === null ? [] : [value];
