import type { JsonObject } from "../../chat/json.ts";
import type { ChatRequest, Message } from "../../chat/request.ts";
import { billingKey, isInline, isOwn, kept } from "./kept.ts";
import { encodeBlocks, plainContent } from "./messages.ts";
import { readBlocks, type Warn } from "./parts.ts";

interface Conversation {
  /** Blocks of the system prompt. */
  readonly system: readonly JsonObject[];
  readonly messages: readonly JsonObject[];
}

/** What starts the text of Claude Code's first system block. */
const billingHeader = "x-anthropic-billing-header:";

/** The system prompt as messages, and the billing pseudo-header apart. */
export function splitBilling(system: readonly JsonObject[]): {
  readonly billing: string | null;
  readonly system: readonly JsonObject[];
} {
  const [first] = system;
  const text = first?.["text"];
  if (typeof text !== "string" || !text.startsWith(billingHeader) || Object.keys(first ?? {}).length !== 2) {
    return { billing: null, system };
  }
  return { billing: text, system: system.slice(1) };
}

/**
 * System prompt and messages of a request. A client that spoke this dialect gets back what it wrote. For others:
 * - Not every model takes a system message among the others, so all of them go to the front.
 * - Messages of one side are joined, results of tools first: the results of one turn must stand in one message.
 * - Empty text is refused, so it is left out; so is white space at the end of an answer that the model is to go on with.
 */
export function encodeConversation(request: ChatRequest, warn: Warn): Conversation {
  const billing = request.extensions[billingKey];
  const head = typeof billing === "string" ? readBlocks(billing, "system") : [];
  if (isOwn(request)) return encodeOwn(request.messages, head, warn);

  const system: JsonObject[] = [...head];
  const messages: Turn[] = [];
  for (const message of request.messages) {
    if (message.name !== undefined && message.role !== "tool") warn("names of messages");
    const blocks = encodeBlocks(message.parts, warn).filter((block) => !isBlank(block));
    if (message.role === "system" || message.role === "developer") {
      if (messages.length > 0 && blocks.length > 0) warn("where a later system message stands", "put in front");
      system.push(...textBlocks(blocks, warn));
    } else if (blocks.length > 0) {
      add(messages, message.role === "assistant" ? "assistant" : "user", blocks);
    }
  }
  // A conversation needs a turn of the user.
  if (messages.length === 0 && system.length > 0) {
    warn("a system prompt without a message", "sent as the user's");
    return { system: [], messages: [encodeTurn({ role: "user", results: [], others: system })] };
  }
  trimBegun(messages.at(-1));
  return { system, messages: messages.map(encodeTurn) };
}

interface Turn {
  readonly role: "user" | "assistant";
  readonly results: JsonObject[];
  readonly others: JsonObject[];
}

function encodeOwn(all: readonly Message[], head: readonly JsonObject[], warn: Warn): Conversation {
  const system = all.filter(isPrompt);
  return {
    system: [...head, ...system.flatMap(({ parts }) => encodeBlocks(parts, warn))],
    messages: all
      .filter((message) => !isPrompt(message))
      .map((message) => {
        const role = message.role === "tool" ? "user" : message.role === "developer" ? "system" : message.role;
        return { role, content: plainContent(encodeBlocks(message.parts, warn)), ...kept(message) };
      }),
  };
}

/** It belongs to the system prompt. */
const isPrompt = (message: Message): boolean =>
  message.role === "developer" || (message.role === "system" && !isInline(message));

/** Into the turn that is open, which is never copied: a request may have thousands of messages of one side. */
function add(turns: Turn[], role: Turn["role"], blocks: readonly JsonObject[]): void {
  const last = turns.at(-1);
  const turn = last?.role === role ? last : { role, results: [], others: [] };
  if (turn !== last) turns.push(turn);
  for (const block of blocks) (isResult(block) ? turn.results : turn.others).push(block);
}

function trimBegun(last: Turn | undefined): void {
  const block = last?.role === "assistant" ? last.others.at(-1) : undefined;
  if (last === undefined || block?.["type"] !== "text" || typeof block["text"] !== "string") return;
  last.others[last.others.length - 1] = { ...block, text: block["text"].trimEnd() };
}

const encodeTurn = ({ role, results, others }: Turn): JsonObject => ({
  role,
  content: plainContent([...results, ...others]),
});

/** The system prompt is text. */
function textBlocks(blocks: readonly JsonObject[], warn: Warn): readonly JsonObject[] {
  const texts = blocks.filter((block) => block["type"] === "text");
  if (texts.length < blocks.length) warn("anything but text in a system message");
  return texts;
}

const isResult = (block: JsonObject): boolean => block["type"] === "tool_result";
const isBlank = ({ type, text }: JsonObject): boolean =>
  type === "text" && typeof text === "string" && text.trim() === "";
