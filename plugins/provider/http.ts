import {
  type DialectName,
  GatewayError,
  type ParameterName,
  type ReasoningField,
  t,
  type UpstreamProvider,
} from "llm-proxy/plugin";
import { type Places, placesOf, versions } from "./paths.ts";

/** What all providers share that ask an upstream over HTTP in a known dialect. */
export interface HttpOptions {
  readonly baseUrl: string;
  readonly apiKey?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly models?: readonly string[];
  readonly dialects: readonly DialectName[];
  readonly reuseConnections: boolean;
  readonly vendor?: string;
  readonly streamOptions: boolean;
  readonly maxOutputTokensField: "max_tokens" | "max_completion_tokens";
  readonly refuses: readonly ParameterName[];
  readonly developerRole: boolean;
  readonly reasoningField: ReasoningField;
  /** Stop sequences; without a bound where absent. */
  readonly maxStop?: number;
  /** Where the vendor has a dialect that is not its own behind another version than its owner. */
  readonly versions?: Readonly<Partial<Record<DialectName, string>>>;
}

const dialectNames = ["openai-chat", "openai-responses", "anthropic-messages", "gemini"] as const;

/** Options that they all take. `dialects`: the default. */
export const optionsOf = (dialects: readonly DialectName[]) => ({
  dialects: t.Array(t.Union(dialectNames.map((name) => t.Literal(name))), {
    minItems: 1,
    uniqueItems: true,
    default: dialects,
    description: "Protocols that the upstream speaks, preferred first; a client's own is used when it is among them.",
  }),
  headers: t.Optional(
    t.Record(t.String(), t.String(), { description: "Further headers for every request, e.g. an organization id." }),
  ),
  models: t.Optional(
    t.Array(t.String({ minLength: 1 }), {
      description: "Model names that clients may use without the instance's name.",
    }),
  ),
  reuseConnections: t.Boolean({
    default: true,
    description:
      "Whether a connection is used for further calls; false where the upstream may send more than one answer.",
  }),
});

/** Throws, naming the option and never its value, for a base URL or header that could not be sent as written. */
export function httpProvider(options: HttpOptions): UpstreamProvider {
  const [preferred, ...others] = options.dialects;
  if (preferred === undefined) throw new Error("dialects: expected at least one");
  const base = baseOf(options.baseUrl);
  const ways = new Map(
    options.dialects.map((dialect) => [
      dialect,
      wayOf(placesOf(dialect, base, options.versions?.[dialect] ?? versions[dialect]), headersOf(dialect, options)),
    ]),
  );
  return {
    dialects: [preferred, ...others],
    refusesStreamOptions: !options.streamOptions,
    maxOutputTokensField: options.maxOutputTokensField,
    refuses: options.refuses,
    developerRole: options.developerRole,
    reasoningField: options.reasoningField,
    ...(options.maxStop !== undefined && { maxStop: options.maxStop }),
    ...(options.models && { models: options.models }),
    ...(options.vendor && { vendor: options.vendor }),
    request(attempt) {
      const { dialect, operation, stream, framing, clientHeaders, body } = attempt;
      const way = ways.get(dialect);
      const place = way?.places[operation];
      if (way === undefined || place === undefined)
        throw new GatewayError("invalid-request", `This provider does not offer ${operation}.`);
      const url = typeof place === "string" ? place : place(attempt);
      const headers = stream && framing === "sse" ? way.forStream : way.forJson;
      return { url, headers: withClient(headers, clientHeaders), body };
    },
  };
}

type Headers = Readonly<Record<string, string>>;

/** How a dialect is asked. All that no call changes is made once. */
interface Way {
  readonly places: Places;
  readonly forJson: Headers;
  readonly forStream: Headers;
}

const wayOf = (places: Places, headers: Headers): Way => ({
  places,
  forJson: { ...headers, accept: "application/json" },
  forStream: { ...headers, accept: "text/event-stream" },
});

/** What the client said to the protocol goes before what the instance says; lists of beta features are joined. */
function withClient(own: Headers, client: Headers): Headers {
  let merged: Record<string, string> | null = null;
  for (const name in client) {
    const value = client[name];
    if (value === undefined || value === own[name]) continue;
    merged ??= { ...own };
    merged[name] = name.endsWith("-beta") && own[name] ? `${own[name]},${value}` : value;
  }
  return merged ?? own;
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

/** The header that carries the key, and what stands before it. */
const credentials: Readonly<Record<DialectName, readonly [header: string, scheme: string]>> = {
  "openai-chat": ["authorization", "Bearer "],
  "openai-responses": ["authorization", "Bearer "],
  "anthropic-messages": ["x-api-key", ""],
  gemini: ["x-goog-api-key", ""],
};

/** Required of every request: https://platform.claude.com/docs/en/api/versioning */
const always: Readonly<Partial<Record<DialectName, Headers>>> = {
  "anthropic-messages": { "anthropic-version": "2023-06-01" },
};

function headersOf(dialect: DialectName, { apiKey, headers, reuseConnections }: HttpOptions): Headers {
  const [credential, scheme] = credentials[dialect];
  if (apiKey && !sendable.test(apiKey))
    throw new Error("apiKey: contains a line break or another character that no header can carry");
  const extra: Record<string, string> = {};
  for (const [name, value] of Object.entries(headers ?? {})) {
    const lower = name.toLowerCase();
    if (!token.test(name)) throw new Error(`headers: ${JSON.stringify(name)} is not a header name`);
    if (reserved.has(lower)) throw new Error(`headers: ${lower} is set by the proxy itself`);
    if (lower in extra) throw new Error(`headers: ${lower} is there twice`);
    if (apiKey && lower === credential) throw new Error(`headers: ${lower} and apiKey exclude each other`);
    if (!sendable.test(value))
      throw new Error(`headers: the value of ${lower} contains a character that no header can carry`);
    extra[lower] = value;
  }
  return {
    "user-agent": "llm-proxy",
    ...(apiKey && { [credential]: `${scheme}${apiKey}` }),
    ...always[dialect],
    ...extra,
    "content-type": "application/json",
    // RFC 9112 §9.6. fetch obeys it too: it closes the connection after the answer, and what comes later finds no reader.
    ...(!reuseConnections && { connection: "close" }),
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
