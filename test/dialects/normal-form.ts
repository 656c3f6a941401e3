import type { Json, JsonObject } from "../../core/chat/json.ts";

/*
 * Two bodies mean the same when their normal forms are equal. These are all the liberties that a codec may take; beyond
 * them a body must come back with the same JSON value.
 */

/**
 * Requests: an absent field, `null`, an empty list, and an explicit default (`stream: false`, `n: 1`, `logprobs: false`,
 * `top_logprobs: 0`, `response_format: text`, `metadata: {}`) are one · `content` as a string is a list of one text · an
 * assistant's empty text is none · `stop` as a string is a list of one · a tool without a type is a function · Mistral's
 * `any` is `required` · `image_url` as a string is its object · arguments `""` are `{}`, and as an object are its text · a
 * schema without a name is called `answer`.
 */
export function normalRequest(body: JsonObject): Json {
  const defaults: JsonObject = { stream: false, n: 1, logprobs: false, top_logprobs: 0 };
  const { messages, tools, stop, tool_choice: choice, response_format: format, metadata, ...rest } = body;
  return tidy({
    ...Object.fromEntries(Object.entries(rest).filter(([key, value]) => defaults[key] !== value)),
    stop: typeof stop === "string" ? [stop] : stop,
    tool_choice: choice === "any" ? "required" : choice,
    response_format: normalFormat(object(format)),
    metadata: Object.keys(object(metadata)).length === 0 ? undefined : metadata,
    tools: list(tools).map((tool) => ("function" in tool ? { ...tool, type: "function" } : tool)),
    messages: list(messages).map((message) => normalMessage(message, "request")),
  });
}

/**
 * Responses, besides: thinking in `content` is `reasoning_content` (also under its other names when it stands alone), and
 * text in a list is a string · finish reasons are OpenAI's words, `tool_calls` whenever there are calls · `created` in
 * milliseconds is in seconds · fields that hold only empty words (Snowflake) are absent · a call's `index` and an answer
 * that is no list member of `choices` stay.
 */
export function normalResponse(body: JsonObject): Json {
  const { choices, created, object: _object, ...rest } = body;
  return tidy({
    ...rest,
    created: typeof created === "number" && created > 1e11 ? Math.floor(created / 1000) : created,
    choices: list(choices).map((choice, index) => {
      const message = normalMessage({ role: "assistant", ...object(choice["message"]) }, "response");
      return { index, ...choice, message, finish_reason: normalFinish(choice["finish_reason"], object(message)) };
    }),
  });
}

function normalFormat(format: JsonObject): JsonObject | undefined {
  if (format["type"] === "text" || format["type"] === undefined) return undefined;
  const definition = object(format["json_schema"]);
  if (format["type"] !== "json_schema" || !("schema" in definition)) return format;
  return { ...format, json_schema: { ...definition, name: definition["name"] || "answer" } };
}

function normalMessage(message: JsonObject, kind: "request" | "response"): JsonObject {
  const { content, tool_calls: calls, function_call: legacy, reasoning, ...rest } = message;
  const parts = typeof content === "string" ? [{ type: "text", text: content }] : list(content);
  const said = parts.filter((part) => message["role"] !== "assistant" || part["text"] !== "");
  const thoughts = said
    .filter((part) => part["type"] === "thinking")
    .map(thoughtOf)
    .join("");
  const texts = said
    .filter((part) => part["type"] === "text")
    .map((part) => part["text"])
    .join("");
  return {
    ...rest,
    ...(reasoning === "" ? {} : { reasoning }),
    ...(thoughts !== "" && kind === "response" ? { reasoning_content: thoughts } : {}),
    content: kind === "response" ? texts : said.map(normalPart),
    tool_calls: list(calls).map(normalCall),
    function_call: object(legacy)["name"] === "" ? undefined : legacy,
  };
}

function normalPart(part: JsonObject): JsonObject {
  const image = part["image_url"];
  return typeof image === "string" ? { ...part, image_url: { url: image } } : part;
}

function normalCall(call: JsonObject): JsonObject {
  const { custom, function: plain, ...rest } = call;
  if (object(custom)["name"]) return call;
  const { name, arguments: input } = object(plain);
  const text = typeof input === "string" ? input : JSON.stringify(input ?? {});
  return { ...rest, type: "function", function: { name, arguments: text || "{}" } };
}

function normalFinish(word: Json | undefined, message: JsonObject): Json {
  if (word === "length" || word === "content_filter" || word === "error") return word;
  if (list(message["tool_calls"]).length > 0) return "tool_calls";
  return message["function_call"] === undefined || message["function_call"] === null ? "stop" : "function_call";
}

const thoughtOf = (part: JsonObject) =>
  list(part["thinking"])
    .map((item) => item["text"])
    .join("");

/** Drops what is nothing: absent, `null`, empty words, empty lists; all the way down. */
function tidy(value: Json | undefined): Json {
  if (Array.isArray(value)) return value.map(tidy);
  if (typeof value !== "object" || value === null) return value ?? null;
  const members = Object.entries(value).map(([key, member]) => [key, tidy(member)] as const);
  return Object.fromEntries(members.filter(([, member]) => !isNothing(member)));
}

const isNothing = (value: Json) => value === null || value === "" || (Array.isArray(value) && value.length === 0);
const object = (value: Json | undefined): JsonObject =>
  typeof value === "object" && value !== null && !Array.isArray(value) ? (value as JsonObject) : {};
const list = (value: Json | undefined): readonly JsonObject[] =>
  Array.isArray(value) ? value.filter((item) => typeof item === "object" && item !== null) : [];
