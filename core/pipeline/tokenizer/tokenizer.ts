import { clearTimeout, setTimeout } from "node:timers";
import { startThread, type Thread, threadFile } from "../../runtime/worker.ts";
import type { Encoding } from "./encoding.ts";

/** Counts tokens in a thread of its own, which starts with the first question and ends when nobody asks any more. */
export interface Tokenizer {
  /** At least the tokens of the texts. Throws when it takes too long, and for more text than it takes. */
  count(encoding: Encoding, texts: readonly string[]): Promise<number>;
}

export interface CountOrder {
  readonly id: number;
  readonly encoding: Encoding;
  readonly texts: readonly string[];
}
export type CountAnswer =
  { readonly id: number; readonly tokens: number } | { readonly id: number; readonly error: string };

export interface TokenizerOptions {
  readonly entry?: URL;
  readonly deadlineMs?: number;
  readonly firstDeadlineMs?: number;
  readonly idleMs?: number;
}

const deadlineMs = 3_000;
/** Of questions to a thread that still loads: better late than refused for what the bytes may be. */
const firstDeadlineMs = 10_000;
/** The tables of an encoding take 40 MB. */
const idleMs = 60_000;
/** UTF-16 units: more than the context of a model holds. */
const maxLength = 4_000_000;

interface Waiting {
  readonly resolve: (tokens: number) => void;
  readonly reject: (error: Error) => void;
}

export function tokenizerThread(options: TokenizerOptions = {}): Tokenizer {
  let running: { readonly thread: Thread; answered: boolean; late: boolean } | null = null;
  let idle: NodeJS.Timeout | undefined;
  let lastId = 0;
  const waiting = new Map<number, Waiting>();

  function start() {
    const entry = options.entry ?? threadFile("core/pipeline/tokenizer/thread.ts");
    const own = { thread: startThread(entry, null, { onMessage, onEnd }), answered: false, late: false };
    running = own;
    return own;

    function onMessage(message: unknown) {
      // Posted by `thread.ts` only.
      const answer = message as CountAnswer;
      own.answered = true;
      const asked = waiting.get(answer.id);
      waiting.delete(answer.id);
      if ("tokens" in answer) asked?.resolve(answer.tokens);
      else asked?.reject(new Error(answer.error));
    }
    function onEnd(error: Error | null) {
      if (running !== own) return;
      end(error ?? new Error("the tokenizer ended"));
    }
  }

  function end(why: Error) {
    running?.thread.kill();
    running = null;
    const lost = [...waiting.values()];
    waiting.clear();
    for (const { reject } of lost) reject(why);
  }

  /** A text that holds it is given up with all that wait behind; while it loads, it goes on for those who ask later. */
  function onLate(id: number) {
    const asked = waiting.get(id);
    if (!asked) return;
    waiting.delete(id);
    asked.reject(new Error("counting took too long"));
    if (running?.answered === true) end(new Error("a count before took too long"));
    else if (running) running.late = true;
  }

  return {
    async count(encoding, texts) {
      if (texts.reduce((sum, text) => sum + text.length, 0) > maxLength) throw new Error("too much text to count");
      if (running !== null && running.late && !running.answered) throw new Error("the tokenizer is still loading");
      const { thread, answered } = running ?? start();
      const patienceMs = answered
        ? (options.deadlineMs ?? deadlineMs)
        : (options.firstDeadlineMs ?? options.deadlineMs ?? firstDeadlineMs);
      clearTimeout(idle);
      idle = setTimeout(() => end(new Error("nobody asked any more")), options.idleMs ?? idleMs).unref();
      const id = (lastId += 1);
      const { promise, resolve, reject } = Promise.withResolvers<number>();
      waiting.set(id, { resolve, reject });
      const late = setTimeout(() => onLate(id), patienceMs);
      thread.post({ id, encoding, texts } satisfies CountOrder);
      try {
        return await promise;
      } finally {
        clearTimeout(late);
      }
    },
  };
}
