import type { DialectName } from "../../core/dialects/dialect.ts";
import { json, sse } from "./scripts.ts";
import { spokenStream, spokenWhole, type Turn } from "./spoken.ts";
import type { Exchange, Script } from "./upstream.ts";

/** Two rounds of tools, thinking in each, then the answer. */
export const turns: readonly Turn[] = [
  {
    thinking: { text: "Two things to look up.", signature: "c2lnbmF0dXJlLTE=" },
    text: "Let me see.",
    calls: [
      { id: "call_weather_1", name: "get_weather", args: { city: "Rome", days: [1, 2], note: 'a "quoted" 世界' } },
      { id: "call_time_1", name: "get_time", args: { zone: "Europe/Rome" } },
    ],
    usage: { input: 101, cached: 40, output: 31, thinking: 11 },
  },
  {
    thinking: { text: "One more.", signature: "c2lnbmF0dXJlLTI=" },
    calls: [{ id: "call_weather_2", name: "get_weather", args: { city: "Oslo" } }],
    usage: { input: 202, cached: 90, output: 22, thinking: 5 },
  },
  { text: "It is 22 degrees in Rome at noon, and 5 degrees in Oslo.", usage: { input: 303, output: 13 } },
];

/** What the client's tools answer. */
export const toolAnswer = (name: string, args: unknown): string => {
  const city = typeof args === "object" && args !== null && "city" in args ? args.city : null;
  if (name === "get_time") return "noon";
  return city === "Oslo" ? "5 degrees" : "22 degrees";
};

/** A provider that has this conversation: how many tool results it hears says which turn is next. */
export const converses =
  (dialect: DialectName): Script =>
  async (exchange) => {
    if (exchange.json["thread"] !== undefined) return json(400, unthreaded)(exchange);
    const { results } = heard(dialect, exchange);
    const at = turns.findIndex((_, n) => callsBefore(n) === results.length);
    const turn = turns[at];
    if (!turn) return json(400, { error: { message: `${results.length} tool results fit no turn` } })(exchange);
    const isStream = exchange.json["stream"] === true || exchange.request.start.includes(":streamGenerateContent");
    return isStream ? sse(spokenStream(dialect, turn))(exchange) : json(200, spokenWhole(dialect, turn))(exchange);
  };

/** Anthropic's answer where it cannot store a conversation; its tool runner goes on without. */
const unthreaded = {
  type: "error",
  error: {
    type: "invalid_request_error",
    message: "thread: not supported here",
    details: { error_code: "thread_unsupported_request", unsupported: ["thread"] },
  },
};

const callsBefore = (n: number): number => turns.slice(0, n).reduce((sum, { calls = [] }) => sum + calls.length, 0);

/** What a request that reached the provider holds of the turns before. */
export interface Heard {
  /** Texts of the results, in order. */
  readonly results: readonly string[];
  /** Ids that the results name; empty where a dialect needs none. */
  readonly resultIds: readonly string[];
  readonly calls: readonly { readonly id: string; readonly name: string; readonly args: unknown }[];
  /** Signatures, or encrypted reasoning, wherever the dialect has them. */
  readonly signatures: readonly string[];
}

export const heard = (dialect: DialectName, exchange: Exchange): Heard => readers[dialect](exchange.json);

type Fields = Readonly<Record<string, unknown>>;

const readers: Readonly<Record<DialectName, (body: Fields) => Heard>> = {
  "openai-chat"(body) {
    const messages = list(body["messages"]);
    const tools = messages.filter((message) => message["role"] === "tool");
    const calls = messages.flatMap((message) => list(message["tool_calls"]));
    return {
      results: tools.map((message) => textOf(message["content"])),
      resultIds: tools.map((message) => String(message["tool_call_id"])),
      calls: calls.map((call) => {
        const { name, arguments: input } = fields(call["function"]);
        return { id: String(call["id"]), name: String(name), args: JSON.parse(String(input)) as unknown };
      }),
      signatures: [],
    };
  },
  "openai-responses"(body) {
    const items = list(body["input"]);
    const outputs = items.filter((item) => item["type"] === "function_call_output");
    const calls = items.filter((item) => item["type"] === "function_call");
    return {
      results: outputs.map((item) => textOf(item["output"])),
      resultIds: outputs.map((item) => String(item["call_id"])),
      calls: calls.map((item) => ({
        id: String(item["call_id"]),
        name: String(item["name"]),
        args: JSON.parse(String(item["arguments"])) as unknown,
      })),
      signatures: items.flatMap((item) => strings(item["encrypted_content"])),
    };
  },
  "anthropic-messages"(body) {
    const blocks = list(body["messages"]).flatMap((message) => list(message["content"]));
    const results = blocks.filter((block) => block["type"] === "tool_result");
    const calls = blocks.filter((block) => block["type"] === "tool_use");
    return {
      results: results.map((block) => textOf(block["content"])),
      resultIds: results.map((block) => String(block["tool_use_id"])),
      calls: calls.map((block) => ({ id: String(block["id"]), name: String(block["name"]), args: block["input"] })),
      signatures: blocks.flatMap((block) => strings(block["signature"])),
    };
  },
  gemini(body) {
    const parts = list(body["contents"]).flatMap((content) => list(content["parts"]));
    const results = parts.filter((part) => part["functionResponse"] !== undefined);
    const calls = parts.filter((part) => part["functionCall"] !== undefined);
    return {
      results: results.map((part) => deepText(fields(part["functionResponse"])["response"])),
      resultIds: [],
      calls: calls.map((part) => {
        const { id, name, args } = fields(part["functionCall"]);
        return { id: typeof id === "string" ? id : "", name: String(name), args };
      }),
      signatures: parts.flatMap((part) => strings(part["thoughtSignature"])),
    };
  },
};

const fields = (value: unknown): Fields =>
  // An object's fields are unknown until they are read.
  typeof value === "object" && value !== null ? (value as Fields) : {};
const list = (value: unknown): readonly Fields[] => (Array.isArray(value) ? value.map(fields) : []);
const strings = (value: unknown): readonly string[] => (typeof value === "string" && value !== "" ? [value] : []);

/** A text, or the texts of a list of parts. */
const textOf = (content: unknown): string =>
  typeof content === "string"
    ? content
    : list(content)
        .map((part) => String(part["text"] ?? ""))
        .join("");

/** The one text in an object, under whatever name. */
const deepText = (value: unknown): string =>
  typeof value === "string" ? value : Object.values(fields(value)).map(deepText).join("");
