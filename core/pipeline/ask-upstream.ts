import { GatewayError } from "../chat/error.ts";
import type { ChatRequest } from "../chat/request.ts";
import { codecOf, type WireCodec } from "../dialects/codec.ts";
import type { Dialect, RequestEdit } from "../dialects/dialect.ts";
import { dialects } from "../dialects/index.ts";
import type { UpstreamProvider } from "../plugin/plugin.ts";
import { ConnectTimeoutError } from "../runtime/connect.ts";
import type { Admitted } from "./admit.ts";
import type { Answer } from "./answer.ts";
import type { Call } from "./call.ts";
import type { Asked } from "./decode.ts";
import { closedHook } from "./hook.ts";
import type { RouteTarget } from "./models.ts";
import { type Needles, secretsIn } from "./redact.ts";
import { relay } from "./relay.ts";
import type { Services } from "./services.ts";
import { translatedAnswer } from "./translate/answer.ts";
import { translateRequest } from "./translate/request.ts";
import { upstreamError } from "./upstream-error.ts";

/** What is known of a call when one of its targets is tried. */
export interface Order {
  readonly call: Call;
  readonly asked: Asked;
  readonly admitted: Admitted;
  readonly target: RouteTarget;
  readonly services: Services;
  /** The request in canonical form, decoded once a call and only where it is needed. */
  readonly request: () => ChatRequest;
}

/** Told as an attempt goes on. */
export interface Progress {
  /** It has been handed to the provider: from here on it is an attempt. */
  sent(): void;
  status(status: number): void;
  warn(warnings: readonly string[]): void;
}

/** Asks a provider of the upstream form. Throws what the client is to be told, or the reason why another may be asked. */
export async function askUpstream(order: Order, slot: UpstreamProvider, progress: Progress): Promise<Answer> {
  const { call, asked, target, services } = order;
  const { abort } = call;
  const message = messageFor(order, slot);
  progress.warn(message.warnings);
  const context = { logger: services.logger, timings: call.timings };
  const request = await closedHook(context, "provider", target.provider, () =>
    slot.request({
      callId: call.id,
      operation: call.endpoint.operation,
      dialect: message.dialect.name,
      model: target.model,
      body: message.body,
      stream: asked.envelope.stream,
      framing: message.framing,
      clientHeaders: message.clientHeaders,
    }),
  );
  progress.sent();
  let response: Response;
  try {
    response = await services.transport(request, abort.signal);
  } catch (cause) {
    if (abort.signal.aborted) throw abort.signal.reason;
    throw unreached(cause);
  }
  progress.status(response.status);
  const secrets = secretsIn(request.headers);
  if (response.status !== 200) throw await upstreamError(response, message.dialect, secrets, services.now());
  try {
    return await message.read(response, secrets);
  } catch (error) {
    if (abort.signal.aborted) throw abort.signal.reason;
    throw error instanceof GatewayError
      ? error
      : new GatewayError("upstream-invalid", "the provider's answer broke off", {
          code: "provider_broke_off",
          cause: error,
        });
  }
}

/** What one attempt says to its target, and how its answer is read. */
interface Message {
  /** The one that the target is spoken to in. */
  readonly dialect: Dialect;
  readonly body: string;
  readonly framing: "sse" | "json-array";
  readonly clientHeaders: Readonly<Record<string, string>>;
  readonly warnings: readonly string[];
  read(response: Response, secrets: Needles): Promise<Answer>;
}

/** The client's own bytes where the target speaks its dialect; else a translation into the first one that is known. */
function messageFor(order: Order, slot: UpstreamProvider): Message {
  const { dialect, operation } = order.call.endpoint;
  const codec = codecOf(dialect, operation);
  if (codec !== null && slot.dialects.includes(dialect.name)) return relayed(order, slot, codec);
  const target = slot.dialects.map((name) => dialects.get(name)).find((known) => known !== undefined);
  if (target === undefined || operation !== "chat")
    throw new GatewayError("invalid-request", `this model's provider does not offer ${operation}`, {
      code: "operation_not_offered",
    });
  return translated(order, slot, target);
}

function relayed({ call, asked, admitted, target }: Order, slot: UpstreamProvider, codec: WireCodec): Message {
  const { dialect, framing = "sse" } = call.endpoint;
  const { stream, includeUsage } = asked.envelope;
  const hideUsage = stream && !includeUsage && slot.refusesStreamOptions !== true;
  const body = codec.editRequest(asked.text, {
    model: target.model,
    includeUsage: hideUsage,
    maxOutputTokens: admitted.maxOutputTokens,
    maxOutputTokensField: slot.maxOutputTokensField ?? defaultCapField,
  });
  return {
    dialect,
    body,
    framing,
    clientHeaders: protocolHeaders(call),
    warnings: nothing,
    read: (response, secrets) => relay(response, dialect, { codec, stream, hideUsage, secrets }),
  };
}

const nothing: readonly string[] = [];
const defaultCapField = "max_completion_tokens";

function translated(
  { call, asked, admitted, target, request }: Order,
  slot: UpstreamProvider,
  spoken: Dialect,
): Message {
  const client = call.endpoint.dialect;
  const { stream, includeUsage } = asked.envelope;
  const original = request();
  const { request: carried, warnings, map } = translateRequest(original, client, spoken);
  const maxOutputTokens = admitted.maxOutputTokens ?? carried.maxOutputTokens;
  // Where the vendor has a name of its own for the cap, the edit writes it, not the codec.
  const isNamed = slot.maxOutputTokensField !== undefined && maxOutputTokens !== null;
  const encoded = spoken.encodeRequest({ ...carried, maxOutputTokens: isNamed ? null : maxOutputTokens }, target.model);
  const edit: RequestEdit = {
    model: target.model,
    includeUsage: stream && slot.refusesStreamOptions !== true,
    maxOutputTokens: isNamed ? maxOutputTokens : null,
    maxOutputTokensField: slot.maxOutputTokensField ?? defaultCapField,
  };
  return {
    dialect: spoken,
    body: spoken.relay.editRequest(JSON.stringify(encoded.body), edit),
    framing: "sse",
    clientHeaders: {},
    warnings: [...warnings, ...encoded.warnings],
    read: (response, secrets) =>
      translatedAnswer(response, stream, { client, target: spoken, asked: original, includeUsage, map, secrets }),
  };
}

function unreached(cause: unknown): GatewayError {
  if (cause instanceof ConnectTimeoutError)
    return new GatewayError("upstream-timeout", "no connection to the provider", { code: "provider_unreachable" });
  // Its message may hold the URL, and with it a key: it stays in the log, masked there.
  return new GatewayError("upstream-invalid", "the provider could not be reached", {
    code: "provider_unreachable",
    cause,
  });
}

function protocolHeaders({ request, endpoint }: Call): Readonly<Record<string, string>> {
  const found: Record<string, string> = {};
  for (const name of endpoint.dialect.traits.requestHeaders) {
    const value = request?.headers.get(name) ?? null;
    if (value !== null) found[name] = value;
  }
  return found;
}
