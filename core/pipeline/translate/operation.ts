import type { EmbeddingsRequest, EmbeddingsResponse } from "../../chat/embeddings.ts";
import { GatewayError } from "../../chat/error.ts";
import type { Json, JsonObject } from "../../chat/json.ts";
import { noUsage } from "../../chat/usage.ts";
import { codecOf } from "../../dialects/codec.ts";
import type { Dialect, Operation, OperationCodec } from "../../dialects/dialect.ts";
import { dialects } from "../../dialects/index.ts";
import type { Provider, UpstreamProvider } from "../../plugin/plugin.ts";
import { type Answer, nothingMetered, type WholeAnswer } from "../answer.ts";
import { expectedInput } from "../estimate.ts";
import type { Message } from "../message.ts";
import type { Order } from "../order.ts";
import { type Needles, redacted } from "../redact.ts";
import { parseAnswer } from "../relay.ts";
import type { UpstreamBody } from "../upstream-body.ts";
import { faultOf } from "../upstream-error.ts";
import { carriedTo } from "./carried.ts";

/** A call that is answered in one piece, in the first of the target's dialects that has its operation. */
export async function translatedOperation(
  order: Order,
  slot: UpstreamProvider,
  spoken: readonly Dialect[],
): Promise<Message> {
  const { dialect: client, operation } = order.call.endpoint;
  for (const dialect of spoken) {
    const message =
      operation === "embeddings"
        ? await between(order, dialect, counting(order, client.operations.embeddings), dialect.operations.embeddings)
        : operation === "count-tokens"
          ? await between(order, dialect, client.operations[operation], dialect.operations[operation], (asked) =>
              // Nothing runs: what only the client's own provider has is left out of the count, and named.
              carriedTo(slot, [dialect], { ...asked, nativeOnly: [] }, order),
            )
          : null;
    if (message !== null) return message;
  }
  throw new GatewayError("internal", "an operation that the provider was not to be asked for");
}

/** Whether some dialect of the provider has the words; the provider itself may refuse all the same. */
export const offers = (slot: Provider, operation: Operation): boolean =>
  operation === "chat" ||
  (!("chat" in slot) &&
    slot.dialects.some((name) => {
      const dialect = dialects.get(name);
      return dialect !== undefined && codecOf(dialect, operation) !== null;
    }));

/** The answer without asking: a count can be estimated, nothing else can. No attempt is made, and nothing is charged. */
export function unasked({ call, asked, admitted }: Order): WholeAnswer {
  const { dialect, operation, inPath } = call.endpoint;
  const codec = operation === "count-tokens" ? dialect.operations[operation] : undefined;
  if (codec === undefined)
    throw new GatewayError("invalid-request", `this model's provider does not offer ${operation}`, {
      code: "operation_not_offered",
    });
  const count = { inputTokens: admitted.expectedInputTokens, extensions: {} };
  const body = codec.encodeResponse(count, codec.decodeRequest(asked.body, inPath));
  return { ...wholeJson(body, []), metered: { ...nothingMetered, complete: true } };
}

export const countIsEstimated =
  "the number of tokens is an estimate, because the model's provider has no way to count them";

/** Tells the estimate that is charged for where the provider told no usage (Google's of most models). */
function counting(
  { asked, admitted, target, services }: Order,
  client: OperationCodec<EmbeddingsRequest, EmbeddingsResponse> | undefined,
): typeof client {
  if (client === undefined) return undefined;
  const inputTokens = () =>
    expectedInput(asked.envelope.input, services.ratios.of(target).input, admitted.inputBoundTokens);
  return {
    ...client,
    encodeResponse: (response, request) => {
      const usage = response.usage ?? { usage: { ...noUsage, inputTokens: inputTokens() }, anomalous: false };
      return client.encodeResponse({ ...response, usage }, request);
    },
  };
}

/** `carry`: makes what the target takes of what was asked; absent: that is as it was asked. */
async function between<Asked, Answered>(
  { call, asked: { body }, target }: Order,
  dialect: Dialect,
  client: OperationCodec<Asked, Answered> | undefined,
  spoken: OperationCodec<Asked, Answered> | undefined,
  carry?: (asked: Asked) => Promise<{ readonly request: Asked; readonly warnings: readonly string[] }>,
): Promise<Message | null> {
  if (client === undefined || spoken === undefined) return null;
  const asked = client.decodeRequest(body, call.endpoint.inPath);
  const carried = carry ? await carry(asked) : { request: asked, warnings: [] };
  const encoded = spoken.encodeRequest(carried.request, target.model);
  return {
    dialect,
    body: JSON.stringify(encoded.body),
    framing: "sse",
    clientHeaders: {},
    warnings: [...carried.warnings, ...encoded.warnings],
    read: (received, secrets) =>
      answerOf(received, secrets, spoken, (answered) => client.encodeResponse(answered, asked)),
  };
}

function answerOf<Asked, Answered>(
  received: UpstreamBody,
  secrets: Needles,
  spoken: OperationCodec<Asked, Answered>,
  encode: (answered: Answered) => JsonObject,
): Answer {
  if (received.kind === "events") throw new GatewayError("upstream-invalid", "the provider's answer is not JSON");
  const body = parseAnswer(received.bytes);
  const metered = { ...nothingMetered, ...spoken.meterResponse(body) };
  if (metered.fault !== null) return { kind: "failed", error: faultOf(metered.fault, secrets), metered };
  return { ...wholeJson(encode(spoken.decodeResponse(body)), secrets), metered };
}

const utf8 = new TextEncoder();

const wholeJson = (body: Json, secrets: Needles) =>
  ({
    kind: "whole",
    body: redacted(utf8.encode(JSON.stringify(body)), secrets),
  }) as const;
