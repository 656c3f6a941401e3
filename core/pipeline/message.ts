import { GatewayError } from "../chat/error.ts";
import type { Parameters } from "../chat/parameters.ts";
import { codecOf, type WireCodec } from "../dialects/codec.ts";
import type { Dialect } from "../dialects/dialect.ts";
import type { Framing } from "../dialects/framing.ts";
import { dialects } from "../dialects/index.ts";
import { editParameters } from "../dialects/parameters.ts";
import type { Awaitable, UpstreamProvider } from "../plugin/plugin.ts";
import type { Answer } from "./answer.ts";
import type { Call } from "./call.ts";
import { capOf, type Order } from "./order.ts";
import type { Needles } from "./redact.ts";
import { relay } from "./relay.ts";
import type { Endpoint } from "./services.ts";
import { translatedAnswer } from "./translate/answer.ts";
import { translatedChat } from "./translate/chat.ts";
import { translatedOperation } from "./translate/operation.ts";
import { mayHoldMarks, withOwnSignatures } from "./translate/signatures.ts";
import type { Emit } from "./translate/stream.ts";
import { startsLikeSse, type UpstreamBody } from "./upstream-body.ts";

/** What one attempt says to its target, and how its answer is read. */
export interface Message {
  /** The one that the target is spoken to in. */
  readonly dialect: Dialect;
  readonly body: string;
  readonly framing: Framing;
  readonly clientHeaders: Readonly<Record<string, string>>;
  readonly warnings: readonly string[];
  /** Of the body of the answer. */
  read(received: UpstreamBody, secrets: Needles): Awaitable<Answer>;
}

/** The client's own bytes where the target speaks its dialect; else a translation into the first one that serves. */
export function messageFor(order: Order, slot: UpstreamProvider): Awaitable<Message> {
  const { dialect, operation } = order.call.endpoint;
  const codec = codecOf(dialect, operation);
  if (codec !== null && slot.dialects.includes(dialect.name)) return relayed(order, slot, codec);
  const spoken = slot.dialects.flatMap((name) => dialects.get(name) ?? []);
  return operation === "chat" ? translatedChat(order, slot, spoken) : translatedOperation(order, slot, spoken);
}

function relayed(order: Order, slot: UpstreamProvider, codec: WireCodec): Message {
  const { call, asked, target } = order;
  const { dialect, framing = "sse" } = call.endpoint;
  const { stream, includeUsage, candidates, changed } = asked.envelope;
  const hideUsage = stream && !includeUsage && slot.refusesStreamOptions !== true;
  const plain = mayHoldMarks(asked.text) ? withoutMarks(order) : asked.text;
  const { text, warnings } = target.parameters
    ? asTold(plain, order, target.parameters)
    : { text: plain, warnings: nothing };
  const body = codec.editRequest(text, {
    model: target.model,
    includeUsage: hideUsage,
    maxOutputTokens: capOf(order),
    maxOutputTokensField: slot.maxOutputTokensField ?? defaultCapField,
    members: text === asked.text ? asked.members : undefined,
  });
  return {
    dialect,
    body,
    framing,
    clientHeaders: protocolHeaders(call),
    warnings: changed === undefined ? warnings : [...warnings, changed],
    read(received, secrets) {
      if (isAsAsked(received, call.endpoint, stream))
        return relay(received, dialect, { codec, hideUsage, isSeveral: candidates > 1, secrets });
      const parties = { client: dialect, target: dialect, asked: order.request(), restore: unchanged };
      return translatedAnswer(received, stream, { ...parties, includeUsage, framing, secrets });
    },
  };
}

/** With what the operator drops and sets for the target: settings of a chat, which other operations do not have. */
function asTold(text: string, { call, asked, target, request }: Order, parameters: Parameters) {
  const { dialect, operation } = call.endpoint;
  if (operation !== "chat") return { text, warnings: nothing };
  const cap = asked.envelope.maxOutputTokens;
  return editParameters(text, parameters, { dialect, model: target.model, cap, request });
}

/** A client that asked for one piece cannot read a stream that its provider sends all the same, nor the other way round. */
function isAsAsked(received: UpstreamBody, { operation, framing = "sse" }: Endpoint, stream: boolean): boolean {
  if (operation !== "chat") return true;
  if (received.kind === "whole") return !stream && !startsLikeSse(received.bytes);
  return stream && received.framing === framing;
}

const unchanged = (emit: Emit): Emit => emit;
const nothing: readonly string[] = [];
/** What an upstream calls the cap that names no field of its own, in OpenAI's chat completions. */
export const defaultCapField = "max_completion_tokens";

/** A turn before this one was answered by a target of another dialect, whose signatures this one would refuse. */
function withoutMarks({ call, asked, target, request }: Order): string {
  const { dialect, operation, inPath } = call.endpoint;
  const codec = operation === "chat" ? dialect : operation === "count-tokens" ? dialect.operations[operation] : null;
  if (!codec) return asked.text;
  const original = operation === "chat" ? request() : codec.decodeRequest(asked.body, inPath);
  return JSON.stringify(codec.encodeRequest(withOwnSignatures(original, dialect.name, dialect), target.model).body);
}

/** What the client says of the protocol, which its provider is told too. Throws `invalid-request` where it cannot be. */
export function protocolHeaders({ request, endpoint, shadow }: Call): Readonly<Record<string, string>> {
  if (shadow) return shadow.clientHeaders;
  const found: Record<string, string> = {};
  for (const name of endpoint.dialect.traits.requestHeaders) {
    const value = request?.headers.get(name) ?? null;
    if (value === null) continue;
    // What a transport or a provider refuses would count as the failure of a provider that all callers share.
    if (value.length > maxHeaderLength || !sendable.test(value))
      throw new GatewayError("invalid-request", `the header ${name} cannot be passed on`, { param: name });
    found[name] = value;
  }
  return found;
}

/** Many servers take no more than 8 KB of headers, all together. */
const maxHeaderLength = 4_096;
/** RFC 9110 §5.5, without the bytes above ASCII: no protocol has any there. */
const sendable = /^[\t\x20-\x7e]*$/;
