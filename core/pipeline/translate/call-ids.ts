import type { ChatRequest, Part } from "../../chat/request.ts";
import { shortName } from "./short-name.ts";

/**
 * Ids of calls as the target allows them, in calls and results alike, each given to one call only: some vendors begin anew
 * in every answer, others refuse that. They need no way back: an answer makes calls of its own, whose ids go to the client
 * as they are. Calls without an id (`function_call`) get one by their order.
 */
export function withFittingIds(request: ChatRequest, pattern: RegExp): ChatRequest {
  if (allFit(request, pattern)) return request;
  const ids = new FittingIds(pattern);
  return {
    ...request,
    messages: request.messages.map((message) => ({
      ...message,
      parts: message.parts.map((part) => (isCallOrResult(part) ? { ...part, id: ids.of(part) } : part)),
    })),
  };
}

function allFit({ messages }: ChatRequest, pattern: RegExp): boolean {
  const calls = new Set<string>();
  for (const { parts } of messages) {
    for (const part of parts) {
      if (!isCallOrResult(part)) continue;
      if (part.id === "" || !pattern.test(part.id)) return false;
      if (part.type === "tool-result") continue;
      if (calls.has(part.id)) return false;
      calls.add(part.id);
    }
  }
  return true;
}

class FittingIds {
  readonly #pattern: RegExp;
  readonly #used = new Set<string>();
  /** By the client's id: what its calls were given, in their order, how many of them have a result, and the next number. */
  readonly #given = new Map<string, { readonly ids: string[]; answered: number; next: number }>();

  constructor(pattern: RegExp) {
    this.#pattern = pattern;
  }

  /** Results of calls of the same id come in the order of the calls. */
  of({ type, id }: CallOrResult): string {
    const given = this.#given.get(id) ?? { ids: [], answered: 0, next: 0 };
    this.#given.set(id, given);
    if (type === "tool-result") {
      const unknown = () => this.#fitting(id, id === "" ? given.answered : 0);
      const result = given.ids[given.answered] ?? given.ids.at(-1) ?? unknown();
      given.answered++;
      return result;
    }
    let fresh: string;
    do fresh = this.#fitting(id, given.next++);
    while (this.#used.has(fresh));
    this.#used.add(fresh);
    given.ids.push(fresh);
    return fresh;
  }

  #fitting(id: string, n: number): string {
    const numbered = id === "" ? `call_${n}` : n === 0 ? id : `${id}_${n}`;
    const fits = this.#pattern.test(numbered) && (n === 0 || numbered.length <= maxIdLength);
    return fits ? numbered : shortName(numbered, this.#pattern, maxIdLength);
  }
}

/** The least that any vendor allows. */
const maxIdLength = 40;

type CallOrResult = Part & { readonly type: "tool-call" | "tool-result" };
const isCallOrResult = (part: Part): part is CallOrResult => part.type === "tool-call" || part.type === "tool-result";
