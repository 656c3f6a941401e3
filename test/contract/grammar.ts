import type { ChatEvent } from "../../core/chat/event.ts";

/** The first way in which the events break the grammar of `ChatEvent`; `null`: they keep it. */
export function grammarFault(events: readonly ChatEvent[]): string | null {
  const open = new Map<string, string>();
  const nextIndex = new Map<number, number>();
  const ended = new Set<number>();
  for (const [position, event] of events.entries()) {
    const fault = (what: string) => `event ${position} (${event.type}): ${what}`;
    if ((event.type === "response-start") !== (position === 0)) return fault("response-start comes first, and once");
    if ((event.type === "response-end") !== (position === events.length - 1))
      return fault("response-end comes last, and once");
    if (event.type === "response-start" || event.type === "response-end") continue;
    if (ended.has(event.candidate)) return fault("its candidate has ended");
    if (event.type === "candidate-end") {
      if ([...open.keys()].some((block) => block.startsWith(`${event.candidate}/`)))
        return fault("a block is still open");
      ended.add(event.candidate);
      continue;
    }
    const [, kind = "", step = ""] = /^(.*)-(start|delta|end)$/.exec(event.type) ?? [];
    const block = `${event.candidate}/${event.index}`;
    if (step === "start") {
      if (event.index !== (nextIndex.get(event.candidate) ?? 0)) return fault("the index of a block is dense");
      nextIndex.set(event.candidate, event.index + 1);
      open.set(block, kind);
    } else if (open.get(block) !== kind) return fault("its block is not open");
    if (step === "end") open.delete(block);
  }
  if (ended.size === 0) return "no candidate has ended";
  return [...nextIndex.keys()].every((candidate) => ended.has(candidate)) ? null : "a candidate has not ended";
}
