import type { DialectName } from "../../core/dialects/dialect.ts";

/** The history of tools in a request, as an upstream of some dialect gets it; read by hand, not by the product's codecs. */
export interface Told {
  readonly calls: readonly { readonly id: string; readonly name: string; readonly input: unknown }[];
  readonly results: readonly { readonly id: string; readonly text: string }[];
  readonly signatures: readonly string[];
}

type Body = Readonly<Record<string, unknown>>;

export const toldIn = (dialect: DialectName, body: Body): Told => readers[dialect](body);

function chat(body: Body): Told {
  const messages = objects(body["messages"]);
  return {
    calls: messages.flatMap(({ tool_calls: calls }) =>
      objects(calls).map(({ id, function: inner }) => {
        const { name, arguments: input } = object(inner);
        return { id: text(id), name: text(name), input: JSON.parse(text(input)) as unknown };
      }),
    ),
    results: messages.flatMap(({ role, tool_call_id: id, content }) =>
      role === "tool" ? [{ id: text(id), text: textIn(content) }] : [],
    ),
    signatures: [],
  };
}

function responses(body: Body): Told {
  const items = objects(body["input"]);
  return {
    calls: items.flatMap(({ type, call_id: id, name, arguments: input }) =>
      type === "function_call" ? [{ id: text(id), name: text(name), input: JSON.parse(text(input)) as unknown }] : [],
    ),
    results: items.flatMap(({ type, call_id: id, output }) =>
      type === "function_call_output" ? [{ id: text(id), text: textIn(output) }] : [],
    ),
    signatures: items.flatMap(({ type, encrypted_content: sealed }) => (type === "reasoning" ? [text(sealed)] : [])),
  };
}

function anthropic(body: Body): Told {
  const blocks = objects(body["messages"]).flatMap(({ content }) => objects(content));
  return {
    calls: blocks.flatMap(({ type, id, name, input }) =>
      type === "tool_use" ? [{ id: text(id), name: text(name), input }] : [],
    ),
    results: blocks.flatMap(({ type, tool_use_id: id, content }) =>
      type === "tool_result" ? [{ id: text(id), text: textIn(content) }] : [],
    ),
    signatures: blocks.flatMap(({ type, signature }) => (type === "thinking" ? [text(signature)] : [])),
  };
}

/** Where calls have no ids, the place of a call and of its result is what joins them. */
function contents(body: Body): Told {
  const parts = objects(body["contents"]).flatMap(({ parts: all }) => objects(all));
  const calls = parts.flatMap(({ functionCall }) => (functionCall ? [object(functionCall)] : []));
  const results = parts.flatMap(({ functionResponse }) => (functionResponse ? [object(functionResponse)] : []));
  return {
    calls: calls.map(({ id, name, args }, n) => ({ id: text(id ?? `#${n}`), name: text(name), input: args })),
    results: results.map(({ id, response }, n) => ({
      id: text(id ?? `#${n}`),
      // Under whatever name; `ai` has the tool's name beside it.
      text: Object.values(object(response)).map(text).join(" "),
    })),
    signatures: parts.flatMap(({ thoughtSignature }) => (thoughtSignature ? [text(thoughtSignature)] : [])),
  };
}

const readers: Readonly<Record<DialectName, (body: Body) => Told>> = {
  "openai-chat": chat,
  "openai-responses": responses,
  "anthropic-messages": anthropic,
  gemini: contents,
};

function object(value: unknown): Body {
  if (typeof value !== "object" || value === null) throw new Error(`not an object: ${JSON.stringify(value)}`);
  // Checked above; its fields stay unknown.
  return value as Body;
}
const objects = (value: unknown): readonly Body[] =>
  Array.isArray(value) ? value.filter((item) => typeof item === "object" && item !== null).map(object) : [];

function text(value: unknown): string {
  if (typeof value !== "string") throw new Error(`not a text: ${JSON.stringify(value)}`);
  return value;
}
const textIn = (content: unknown): string =>
  typeof content === "string"
    ? content
    : objects(content)
        .map((part) => text(part["text"]))
        .join("");
