import type { ChatStream } from "../chat/event.ts";
import { countFault, talliesOf, tallyIn } from "../plugin/hook-tally.ts";
import type { ModelProvider } from "../plugin/plugin.ts";
import type { Answer } from "./answer.ts";
import type { Attempt } from "./attempt.ts";
import { fromEvents, modelFault } from "./events.ts";
import { capOf, type Order } from "./order.ts";
import { asTold } from "./translate/carried.ts";
import { tellLostMedia } from "./translate/fitting-media.ts";
import { refuseNativeOnly } from "./translate/native-only.ts";
import { addWarnings } from "./warnings.ts";

/** Asks a provider of the model form. Throws what the client is to be told, or the reason why another may be asked. */
export async function askModel(order: Order, slot: ModelProvider, attempt: Attempt): Promise<Answer> {
  const { call, asked, target, request } = order;
  const original = request();
  const { dialect } = call.endpoint;
  refuseNativeOnly(original, dialect.name);
  const told = asTold(original, target);
  const maxOutputTokens = capOf(order);
  attempt.warn(told.warnings);
  attempt.sent(null);
  const tally = tallyIn(talliesOf("provider", target.provider), "chat");
  tally.calls += 1;
  let events: ChatStream;
  try {
    events = slot.chat(maxOutputTokens === null ? told.request : { ...told.request, maxOutputTokens }, {
      callId: call.id,
      model: target.model,
      signal: call.abort.signal,
    });
  } catch (error) {
    countFault(tally, error);
    throw modelFault(error, order);
  }
  try {
    return await fromEvents(events, {
      dialect,
      framing: call.endpoint.framing ?? "sse",
      asked: original,
      envelope: asked.envelope,
      signal: call.abort.signal,
      provider: target.provider,
      tally,
      tell: tellLostMedia(dialect, (sentence) => addWarnings(call.warnings, [sentence]))(() => {}),
    });
  } catch (error) {
    throw modelFault(error, order);
  }
}
