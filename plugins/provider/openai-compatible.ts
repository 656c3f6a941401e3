import { definePlugin, GatewayError, t, type UpstreamProvider } from "llm-proxy/plugin";

export const shared = {
  headers: t.Optional(
    t.Record(t.String(), t.String(), { description: "Further headers for every request, e.g. an organization id." }),
  ),
  models: t.Optional(
    t.Array(t.String({ minLength: 1 }), {
      description: "Model names that clients may use without the instance's name.",
    }),
  ),
};

/** Any upstream that speaks the OpenAI chat protocol. Well-known ones have a row in presets.ts instead. */
export default definePlugin({
  kind: "provider",
  name: "openai-compatible",
  api: 1,
  description: "Any upstream that speaks the OpenAI chat completions protocol.",
  config: t.Object(
    {
      baseUrl: t.String({
        pattern: "^https?://",
        description: "As the vendor's OpenAI SDK takes it, version path included, e.g. http://127.0.0.1:11434/v1.",
      }),
      apiKey: t.Optional(
        t.String({ writeOnly: true, description: "Sent as a bearer token; none is sent when it is empty." }),
      ),
      ...shared,
      vendor: t.Optional(
        t.String({ minLength: 1, description: "The vendor's id in the price book; default: the instance's name." }),
      ),
      streamOptions: t.Boolean({
        default: true,
        description: "Whether the upstream takes stream_options; false where it refuses them.",
      }),
      maxOutputTokensField: t.Union([t.Literal("max_tokens"), t.Literal("max_completion_tokens")], {
        default: "max_tokens",
        description: "The upstream's name of the cap on output tokens.",
      }),
    },
    { additionalProperties: false },
  ),
  setup: (options) => openAICompatible(options),
});

export interface OpenAICompatibleOptions {
  readonly baseUrl: string;
  readonly apiKey?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly models?: readonly string[];
  readonly vendor?: string;
  readonly streamOptions: boolean;
  readonly maxOutputTokensField: "max_tokens" | "max_completion_tokens";
}

/** Throws, naming the option and never its value, for a base URL or header that could not be sent as written. */
export function openAICompatible(options: OpenAICompatibleOptions): UpstreamProvider {
  const url = `${baseOf(options.baseUrl)}/chat/completions`;
  const headers = headersOf(options);
  const forJson = { ...headers, accept: "application/json" };
  const forStream = { ...headers, accept: "text/event-stream" };
  return {
    dialects: ["openai-chat"],
    refusesStreamOptions: !options.streamOptions,
    maxOutputTokensField: options.maxOutputTokensField,
    ...(options.models && { models: options.models }),
    ...(options.vendor && { vendor: options.vendor }),
    request({ operation, stream, body }) {
      if (operation !== "chat") throw new GatewayError("invalid-request", `This provider does not offer ${operation}.`);
      return { url, headers: stream ? forStream : forJson, body };
    },
  };
}

function baseOf(baseUrl: string): string {
  const url = URL.parse(baseUrl);
  if (!url || (url.protocol !== "http:" && url.protocol !== "https:"))
    throw new Error("baseUrl: expected an http or https URL");
  // Userinfo would be a credential in every message that names the URL.
  if (url.username || url.password)
    throw new Error("baseUrl: a user name or password does not belong here; use apiKey or headers");
  if (url.search || url.hash) throw new Error("baseUrl: a query or fragment does not belong here");
  return `${url.origin}${url.pathname.replace(/\/+$/, "")}`;
}

function headersOf({ apiKey, headers }: OpenAICompatibleOptions): Record<string, string> {
  if (apiKey && !sendable.test(apiKey))
    throw new Error("apiKey: contains a line break or another character that no header can carry");
  const extra: Record<string, string> = {};
  for (const [name, value] of Object.entries(headers ?? {})) {
    const lower = name.toLowerCase();
    if (!token.test(name)) throw new Error(`headers: ${JSON.stringify(name)} is not a header name`);
    if (reserved.has(lower)) throw new Error(`headers: ${lower} is set by the proxy itself`);
    if (lower in extra) throw new Error(`headers: ${lower} is there twice`);
    if (apiKey && lower === "authorization") throw new Error("headers: authorization and apiKey exclude each other");
    if (!sendable.test(value))
      throw new Error(`headers: the value of ${lower} contains a character that no header can carry`);
    extra[lower] = value;
  }
  return {
    "user-agent": "llm-proxy",
    ...(apiKey && { authorization: `Bearer ${apiKey}` }),
    ...extra,
    "content-type": "application/json",
  };
}

/** RFC 9110 §5.6.2. */
const token = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;
/** RFC 9110 §5.5: visible characters, spaces and tabs, in one byte each. */
const sendable = /^[\t\x20-\x7e\x80-\xff]*$/;
/** They describe the message or the connection, which only the sender knows. */
const reserved = new Set([
  "accept",
  "accept-encoding",
  "connection",
  "content-encoding",
  "content-length",
  "content-type",
  "expect",
  "host",
  "keep-alive",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
]);
