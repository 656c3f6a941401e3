import type { ChatEvent } from "../../core/chat/event.ts";
import { Grammar } from "../../core/chat/grammar.ts";

/** The first way in which the events of a whole answer break the grammar of `ChatEvent`; `null`: they keep it. */
export function grammarFault(events: readonly ChatEvent[]): string | null {
  const grammar = new Grammar();
  for (const [position, event] of events.entries()) {
    const fault = grammar.faultOf(event);
    if (fault !== null) return `event ${position}: ${event.type} ${fault}`;
  }
  if (events.at(-1)?.type !== "response-end") return "response-end has not come";
  return events.some(({ type }) => type === "candidate-end") ? null : "no candidate has ended";
}
