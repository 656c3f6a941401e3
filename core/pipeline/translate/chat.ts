import { GatewayError } from "../../chat/error.ts";
import type { ChatRequest } from "../../chat/request.ts";
import type { Dialect } from "../../dialects/dialect.ts";
import type { UpstreamProvider } from "../../plugin/plugin.ts";
import type { Message } from "../message.ts";
import type { Order } from "../order.ts";
import { addWarnings } from "../warnings.ts";
import { translatedAnswer } from "./answer.ts";
import { capFor } from "./cap.ts";
import { carriedTo } from "./carried.ts";
import { tellLostMedia } from "./fitting-media.ts";
import type { Emit } from "./stream.ts";

/** A chat call in the first dialect that the target speaks, or another that its model asks for. */
export async function translatedChat(
  order: Order,
  slot: UpstreamProvider,
  [first, ...others]: readonly Dialect[],
): Promise<Message> {
  const { call, asked, target, request } = order;
  if (first === undefined) throw new GatewayError("internal", "a provider of no dialect that is known");
  const { dialect: client, framing = "sse" } = call.endpoint;
  const { stream, includeUsage } = asked.envelope;
  const original = request();
  const carried = await carriedTo(slot, [first, ...others], original, order);
  const { spoken } = carried;
  // In the row of the call where the headers of the answer have gone.
  const tell = tellLostMedia(client, (sentence) => addWarnings(call.warnings, [sentence]));
  const restore = (emit: Emit) => carried.restore(tell(emit));
  const cap = capFor(order, carried.request.maxOutputTokens, spoken);
  const capped = { ...carried.request, maxOutputTokens: cap.tokens };
  const { body, warnings } = encoded(capped, spoken, target.model, slot);
  return {
    dialect: spoken,
    body,
    framing: "sse",
    clientHeaders: {},
    warnings: [...carried.warnings, ...cap.warnings, ...warnings],
    read: (received, secrets) =>
      translatedAnswer(received, stream, {
        client,
        target: spoken,
        asked: original,
        includeUsage,
        framing,
        restore,
        secrets,
      }),
  };
}

/** With what belongs to the upstream and not to its dialect: its name of the cap, and whether it can be asked for usage. */
function encoded(request: ChatRequest, spoken: Dialect, model: string, slot: UpstreamProvider) {
  const { maxOutputTokens, stream } = request;
  // The others have one name for the cap, and report usage unasked.
  const isChat = spoken.name === "openai-chat";
  const field = isChat ? slot.maxOutputTokensField : undefined;
  const asksForUsage = isChat && stream && slot.refusesStreamOptions !== true;
  const isNamed = field !== undefined && maxOutputTokens !== null;
  const { body, warnings } = spoken.encodeRequest(
    { ...request, maxOutputTokens: isNamed ? null : maxOutputTokens },
    model,
  );
  const text = JSON.stringify(body);
  if (!asksForUsage && !isNamed) return { body: text, warnings };
  const edit = { model, includeUsage: asksForUsage, maxOutputTokens: isNamed ? maxOutputTokens : null };
  return { body: spoken.relay.editRequest(text, { ...edit, maxOutputTokensField: field ?? "" }), warnings };
}
