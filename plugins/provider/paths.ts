import { type Attempt, type DialectName, GatewayError, type Operation } from "llm-proxy/plugin";

type Place = string | ((attempt: Attempt) => string);
export type Places = Readonly<Partial<Record<Operation, Place>>>;

/** Where a dialect's operations are, below what its vendor's SDK takes as base URL and a version. */
const paths: Readonly<Record<DialectName, Places>> = {
  // https://platform.openai.com/docs/api-reference
  "openai-chat": { chat: "chat/completions", embeddings: "embeddings" },
  "openai-responses": { chat: "responses" },
  // https://platform.claude.com/docs/en/api/overview
  "anthropic-messages": { chat: "messages", "count-tokens": "messages/count_tokens" },
  // https://ai.google.dev/api/all-methods
  gemini: {
    chat: ({ model, stream, framing }) => {
      if (!stream) return `${resourceOf(model)}:generateContent`;
      return `${resourceOf(model)}:streamGenerateContent${framing === "sse" ? "?alt=sse" : ""}`;
    },
    "count-tokens": ({ model }) => `${resourceOf(model)}:countTokens`,
    embeddings: ({ model, body }) => `${resourceOf(model)}:${isBatch(body) ? "batchEmbedContents" : "embedContent"}`,
  },
};

/** What the vendor's SDK puts between the base URL and the path. */
export const versions: Readonly<Record<DialectName, string>> = {
  "openai-chat": "",
  "openai-responses": "",
  "anthropic-messages": "v1",
  gemini: "v1beta",
};

/** The URLs of a dialect's operations. `base` has no slash at its end; one that ends in a version gets no second one. */
export function placesOf(dialect: DialectName, base: string, version: string): Places {
  const root = versioned(base, version);
  return Object.fromEntries(
    Object.entries(paths[dialect]).map(([operation, path]) => [
      operation,
      typeof path === "string" ? `${root}/${path}` : (attempt: Attempt) => `${root}/${path(attempt)}`,
    ]),
  );
}

/** `version` may go on behind the version itself: `v1beta/openai`. */
function versioned(base: string, version: string): string {
  const [first = "", ...rest] = version.split("/");
  if (first === "" || (rest.length > 0 && base.endsWith(`/${rest.join("/")}`))) return base;
  return [base, ...(/\/v\d+(?:(?:alpha|beta)\d*)?$/.test(base) ? [] : [first]), ...rest].join("/");
}

/** Clients choose the name, so it must not choose the path: a URL parser resolves dots and drops empty segments. */
function resourceOf(model: string): string {
  const segments = model.split("/");
  if (!model.isWellFormed() || segments.some((segment) => /^\.{0,2}$/.test(segment)))
    throw new GatewayError("model-not-found", "no such model");
  const path = segments.map(encodeURIComponent).join("/");
  return /^(?:models|tunedModels)\/./.test(model) ? path : `models/${path}`;
}

/** Both methods are one operation; which it is, only the body tells. */
function isBatch(body: string): boolean {
  const value: unknown = JSON.parse(body);
  return typeof value === "object" && value !== null && "requests" in value;
}
