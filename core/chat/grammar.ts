import type { ChatEvent } from "./event.ts";

/** Holds an answer to the grammar of `ChatEvent`, event by event, and keeps none of them. */
export class Grammar {
  #isStarted = false;
  #isEnded = false;
  readonly #candidates = new Map<number, Blocks>();

  /** What is wrong with an event that may not come now, in words that follow its type; `null`: it may. */
  faultOf(event: ChatEvent): string | null {
    if (this.#isEnded) return "came after the end";
    if (event.type === "response-start") {
      if (this.#isStarted) return "came twice";
      this.#isStarted = true;
      return null;
    }
    if (!this.#isStarted) return "came before the start";
    if (event.type === "response-end") {
      for (const { isEnded } of this.#candidates.values()) if (!isEnded) return "came before a candidate's end";
      this.#isEnded = true;
      return null;
    }
    let blocks = this.#candidates.get(event.candidate);
    if (blocks === undefined)
      this.#candidates.set(event.candidate, (blocks = { count: 0, open: new Map(), isEnded: false }));
    return faultIn(blocks, event);
  }
}

/** Of one candidate. */
interface Blocks {
  /** Begun so far. */
  count: number;
  /** By index: what ends the one that is open. */
  readonly open: Map<number, ChatEvent["type"]>;
  isEnded: boolean;
}

type BlockEvent = Exclude<ChatEvent, { type: "response-start" | "response-end" }>;

function faultIn(blocks: Blocks, event: BlockEvent): string | null {
  if (blocks.isEnded) return "came after its candidate's end";
  switch (event.type) {
    case "text-start":
    case "reasoning-start":
    case "refusal-start":
    case "tool-input-start":
      return begin(blocks, event.index, endOf[event.type]);
    case "media":
    case "other":
      return begin(blocks, event.index, null);
    case "text-delta":
    case "reasoning-delta":
    case "refusal-delta":
    case "tool-input-delta":
      return goOn(blocks, event.index, endOf[event.type]);
    case "text-end":
    case "reasoning-end":
    case "refusal-end":
    case "tool-input-end": {
      const fault = goOn(blocks, event.index, event.type);
      blocks.open.delete(event.index);
      return fault;
    }
    case "candidate-end":
      if (blocks.open.size > 0) return "came before the end of a block";
      blocks.isEnded = true;
      return null;
    default:
      // Of a plugin in plain JavaScript.
      return "is no event";
  }
}

/** What ends the block that an event begins or goes on with. */
const endOf = {
  "text-start": "text-end",
  "text-delta": "text-end",
  "reasoning-start": "reasoning-end",
  "reasoning-delta": "reasoning-end",
  "refusal-start": "refusal-end",
  "refusal-delta": "refusal-end",
  "tool-input-start": "tool-input-end",
  "tool-input-delta": "tool-input-end",
} as const;

/** `end`: `null` of an event that is a whole block. */
function begin(blocks: Blocks, index: number, end: ChatEvent["type"] | null): string | null {
  if (index !== blocks.count) return "came with an index out of turn";
  blocks.count += 1;
  if (end !== null) blocks.open.set(index, end);
  return null;
}

const goOn = (blocks: Blocks, index: number, end: ChatEvent["type"]): string | null =>
  blocks.open.get(index) === end ? null : "came outside of its block";
