import { GatewayError } from "../chat/error.ts";
import type { DialectName } from "../dialects/dialect.ts";
import type { ListedModel } from "../pipeline/models.ts";

/** How a dialect lists models and shows one. */
export interface ModelShape {
  /** Throws `invalid-request` naming the parameter of the page that is wrong. */
  list(models: readonly ListedModel[], query: URLSearchParams): object;
  entry(model: ListedModel): object;
}

const openai: ModelShape = {
  list: (models) => ({ object: "list", data: models.map(openai.entry) }),
  /** `created` has no meaning here; SDKs want a number. */
  entry: ({ id, ownedBy }) => ({ id, object: "model", created: 0, owned_by: ownedBy }),
};

/** https://platform.claude.com/docs/en/api/models-list */
const anthropic: ModelShape = {
  list(models, query) {
    const limit = countOf(query, "limit", 20);
    const after = indexOf(models, query, "after_id");
    const before = indexOf(models, query, "before_id");
    const start = before === null ? (after ?? -1) + 1 : Math.max(before - limit, 0);
    const end = before ?? Math.min(start + limit, models.length);
    const page = models.slice(start, end);
    return {
      data: page.map(anthropic.entry),
      has_more: before === null ? end < models.length : start > 0,
      first_id: page[0]?.id ?? null,
      last_id: page.at(-1)?.id ?? null,
    };
  },
  entry: ({ id }) => ({
    type: "model",
    id,
    display_name: id,
    // What the documentation says of a model whose release is not known.
    created_at: "1970-01-01T00:00:00Z",
    max_input_tokens: null,
    max_tokens: null,
    capabilities: null,
  }),
};

/** https://ai.google.dev/api/models */
const gemini: ModelShape = {
  list(models, query) {
    const size = countOf(query, "pageSize", 50);
    const start = (indexOf(models, query, "pageToken") ?? -1) + 1;
    const page = models.slice(start, start + size);
    const last = page.at(-1);
    return {
      models: page.map(gemini.entry),
      ...(last && start + size < models.length ? { nextPageToken: last.id } : {}),
    };
  },
  entry: ({ id }) => ({
    name: `models/${id}`,
    version: "1",
    displayName: id,
    // What can be asked of a model here; whether it can answer is its provider's to say.
    supportedGenerationMethods: [
      "generateContent",
      "streamGenerateContent",
      "countTokens",
      "embedContent",
      "batchEmbedContents",
    ],
  }),
};

export const modelShapes: Readonly<Record<DialectName, ModelShape>> = {
  "openai-chat": openai,
  "openai-responses": openai,
  "anthropic-messages": anthropic,
  gemini,
};

function countOf(query: URLSearchParams, param: string, fallback: number): number {
  const text = query.get(param);
  if (text === null || text === "") return fallback;
  const count = /^\d{1,4}$/.test(text) ? Number(text) : 0;
  if (count < 1 || count > 1_000)
    throw new GatewayError("invalid-request", `${param}: must be from 1 to 1000`, { param });
  return count;
}

/** Where the model stands that a page starts or ends at; `null`: none is named. */
function indexOf(models: readonly ListedModel[], query: URLSearchParams, param: string): number | null {
  const named = query.get(param);
  if (named === null || named === "") return null;
  const index = models.findIndex(({ id }) => id === named);
  if (index < 0) throw new GatewayError("invalid-request", `${param}: no such model`, { param });
  return index;
}
