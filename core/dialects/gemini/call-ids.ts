import { createHash } from "node:crypto";

/**
 * Ids of calls where Gemini gives none: it tells calls apart by their name and order. The same answer, or the same
 * history, always leads to the same ids.
 */
export class CallIds {
  readonly #prefix: string | null;
  #count = 0;
  readonly #byId = new Map<string, Known>();
  readonly #waiting = new Map<string, { readonly all: Queue; readonly unnamed: Queue }>();

  /** `prefix`: of the ids; `null`: of the calls of an answer that has no id itself, they come from what the call says. */
  constructor(prefix: string | null) {
    this.#prefix = prefix;
  }

  /** The id of the next call; `given`: its own, if it has one; `content`: its part as JSON. */
  call(name: string, given: string | null, content: () => string): string {
    const id = given ?? `${this.#prefix ?? digestOf(content())}${this.#count}`;
    this.#count++;
    const known: Known = { id, isOpen: true };
    if (!this.#byId.has(id)) this.#byId.set(id, known);
    const waiting = this.#waiting.get(name) ?? { all: new Queue(), unnamed: new Queue() };
    this.#waiting.set(name, waiting);
    waiting.all.push(known);
    if (given === null) waiting.unnamed.push(known);
    return id;
  }

  /** The call that a result answers: the one it names, or the first of that function which waits for one. */
  result(name: string, given: string | null): string {
    const waiting = this.#waiting.get(name);
    const call =
      (given === null ? undefined : this.#byId.get(given)) ?? waiting?.[given === null ? "all" : "unnamed"].first();
    if (call === undefined) return given ?? `${this.#prefix ?? "call_"}${this.#count++}`;
    call.isOpen = false;
    return call.id;
  }
}

interface Known {
  readonly id: string;
  isOpen: boolean;
}

/** Calls of one function that wait for a result, so that none is looked for among all of a long history. */
class Queue {
  readonly #calls: Known[] = [];
  #at = 0;

  push(call: Known): void {
    this.#calls.push(call);
  }
  first(): Known | undefined {
    while (this.#calls[this.#at]?.isOpen === false) this.#at++;
    return this.#calls[this.#at];
  }
}

/** Of the calls in a conversation: whoever sent it knows only these. */
export const historyIds = (): CallIds => new CallIds("gemini_call_");

/** Ids differ from one answer to the next, and between its candidates: signatures are found by them later. */
export function answerIds(responseId: string, candidate: number): CallIds {
  if (responseId === "") return new CallIds(null);
  return new CallIds(`call_${responseId.replace(/[^\w-]/g, "_")}_${candidate === 0 ? "" : `${candidate}_`}`);
}

const digestOf = (content: string): string =>
  `call_${createHash("sha256").update(content).digest("base64url").slice(0, 20)}_`;
