import { type Static, Type as t } from "@sinclair/typebox";
import { GatewayError, missing } from "../chat/error.ts";
import type { JsonObject } from "../chat/json.ts";
import { codecOf } from "../dialects/codec.ts";
import { isOver, principalOf } from "../identity/keys.ts";
import type { TenantDatabase } from "../identity/tenancy.ts";
import type { HypotheticalCall } from "../pipeline/explain/dry-run.ts";
import type { Endpoint, Services } from "../pipeline/services.ts";
import { callPaths, geminiEndpoint } from "./endpoints.ts";
import { closed } from "./schemas.ts";

const tokens = (description: string) => t.Optional(t.Integer({ minimum: 1, maximum: 10_000_000, description }));

export const DryRunSchema = t.Object(
  {
    keyId: t.Optional(t.String({ minLength: 1, maxLength: 64, description: "Whose call it is: a key." })),
    accountId: t.Optional(
      t.String({ minLength: 1, maxLength: 64, description: "Or an account, called without a key of ours." }),
    ),
    model: t.Optional(
      t.String({
        minLength: 1,
        maxLength: 256,
        description: "As a client names it; needed where `request` is left out.",
      }),
    ),
    inputTokens: tokens("About how long the input is; default 1000. Without `request` only."),
    maxOutputTokens: tokens("The caller's cap on the output; absent: none. Without `request` only."),
    stream: t.Optional(
      t.Boolean({ description: "Whether the answer is asked for as a stream. Without `request` only." }),
    ),
    request: t.Optional(
      t.Record(t.String(), t.Unknown(), { description: "The body as the client sends it, for `path`; it is counted." }),
    ),
    path: t.Optional(
      t.String({
        minLength: 1,
        maxLength: 600,
        description: "Where `request` goes, e.g. `/v1/messages`; default `/v1/chat/completions`.",
      }),
    ),
    headers: t.Optional(
      t.Record(t.String({ maxLength: 256 }), t.String({ maxLength: 4_096 }), {
        description: "Headers of the call that routing may go by.",
      }),
    ),
  },
  closed,
);

interface Needs {
  readonly database: Pick<TenantDatabase, "accounts" | "keys">;
  readonly services: Services;
  /** Whose call it is where nobody says. */
  readonly home: string;
}

/** Throws `invalid-request` that names the field, and `not-found` for a key or account that there is not. */
export async function hypothetical(given: Static<typeof DryRunSchema>, needs: Needs): Promise<HypotheticalCall> {
  const { path = "/v1/chat/completions", headers = {}, request } = given;
  const url = `http://dry-run${path.startsWith("/") ? "" : "/"}${path}`;
  const endpoint = endpointOf(path, url);
  const caller = await callerOf(given, needs);
  const sent = { url, endpoint, headers: headersOf(headers), ...caller };
  return request === undefined
    ? { ...sent, ...reckoned(given, endpoint, needs) }
    : { ...sent, ...bodied(request, endpoint), inputTokens: null };
}

function endpointOf(path: string, url: string): Endpoint {
  const [plain = ""] = path.split("?");
  const fixed = callPaths.find(([known]) => known === plain)?.[1];
  const gemini = /^\/v1(?:beta)?\/models\/(.+)$/.exec(plain)?.[1];
  const endpoint = fixed ?? (gemini === undefined ? null : geminiEndpoint(gemini, url));
  return endpoint ?? refused("path", "no path that calls come in by");
}

async function callerOf(
  { keyId, accountId }: Static<typeof DryRunSchema>,
  { database, services, home }: Needs,
): Promise<Pick<HypotheticalCall, "principal" | "lockedOut" | "notes">> {
  if (keyId !== undefined && accountId !== undefined) refused("accountId", "a key says itself whose it is");
  if (keyId !== undefined) {
    const row = (await database.keys.get(keyId)) ?? missing();
    const isLockedOut = isOver({ row, untilMs: null }, services.now);
    return {
      principal: principalOf(row),
      lockedOut: isLockedOut ? new GatewayError("unauthenticated", "the key is disabled, revoked or over") : null,
      notes:
        row.cidrs.length > 0
          ? ["the key works from certain networks only, and where the call comes from is not looked at"]
          : [],
    };
  }
  const account = (await database.accounts.find(accountId ?? home)) ?? missing();
  const principal = { name: "dry run", keyId: null, accountId: account.id, models: "all", limits: {} } as const;
  return { principal, lockedOut: null, notes: [] };
}

/** A request that was not written: as long as was said, by what is known of the model's tokens. */
function reckoned(
  { model, inputTokens = 1_000, maxOutputTokens, stream = false }: Static<typeof DryRunSchema>,
  endpoint: Endpoint,
  { services }: Needs,
): Pick<HypotheticalCall, "asked" | "inputTokens"> {
  if (model === undefined) return refused("model", "needed without a request");
  if (endpoint !== callPaths[0]?.[1]) return refused("request", "needed for another path than the default");
  const body: JsonObject = {
    model,
    stream,
    messages: [{ role: "user", content: "" }],
    ...(maxOutputTokens !== undefined && { max_tokens: maxOutputTokens }),
  };
  const { models, ratios } = services;
  const first =
    models.aliases().find(({ name }) => name === model)?.reaches[0] ??
    models.targets().find((target) => `${target.provider}/${target.model}` === model);
  const bytes = Math.ceil(inputTokens * (first ? ratios.of(first).input : usualBytesPerToken));
  return {
    asked: { text: JSON.stringify(body), body, envelope: endpoint.dialect.readEnvelope(body, bytes) },
    inputTokens,
  };
}
/** As of a model that nothing is known of. */
const usualBytesPerToken = 4;

function bodied(request: Readonly<Record<string, unknown>>, endpoint: Endpoint): Pick<HypotheticalCall, "asked"> {
  const text = JSON.stringify(request);
  const codec = codecOf(endpoint.dialect, endpoint.operation);
  if (codec === null) return refused("path", "no path that calls come in by");
  // It was an object before it was written out.
  const body = JSON.parse(text) as JsonObject;
  const bytes = new TextEncoder().encode(text).byteLength;
  return { asked: { text, body, envelope: codec.readEnvelope(body, bytes, endpoint.inPath) } };
}

function headersOf(given: Readonly<Record<string, string>>): Headers {
  try {
    return new Headers(given);
  } catch {
    return refused("headers", "not headers of a request");
  }
}

function refused(param: string, why: string): never {
  throw new GatewayError("invalid-request", `${param}: ${why}`, { param });
}
