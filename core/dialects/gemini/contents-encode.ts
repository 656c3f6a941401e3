import type { JsonObject } from "../../chat/json.ts";
import type { Message, Part } from "../../chat/request.ts";
import { kept } from "./kept.ts";
import { encodeMedia } from "./media.ts";
import { generationOf } from "./model.ts";
import { encodeCall, encodeText, encodeThought, otherPart } from "./parts.ts";
import { encodeResult } from "./results.ts";
import type { Warn } from "./warn.ts";

export interface ContentsOptions {
  /** The target's model. */
  readonly model: string;
  /** The request is of this dialect: its turns are left as they were cut. */
  readonly asSent: boolean;
  readonly warn: Warn;
}

/**
 * `contents` and `systemInstruction`. There is one instruction, before everything: what stands in the middle of the
 * conversation stays at its place, as the user's. Google wants all results of a turn's calls in the one turn that follows,
 * so the messages of others are joined.
 */
export function encodeMessages(messages: readonly Message[], options: ContentsOptions): JsonObject {
  const { asSent, warn } = options;
  const found = messages.findIndex((message) => !isSystem(message));
  // An instruction alone is no conversation.
  const first = found < 0 ? (asSent ? messages.length : 0) : found;
  const system = messages.slice(0, first);
  const names = namesOf(messages);
  const turns = (asSent ? messages.slice(first) : joined(messages.slice(first))).map((message): JsonObject | null => {
    if (isSystem(message)) warn("a system message in the middle of a conversation", "sent as the user's");
    if (message.name !== undefined && message.role !== "tool") warn("names of speakers");
    const parts = encodeParts(message, names, options);
    if (parts.length === 0 && !asSent) return null;
    return { role: message.role === "assistant" ? "model" : "user", parts, ...kept(message) };
  });
  const said = turns.filter((turn) => turn !== null);
  return {
    // Whoever says nothing is to hear of it from Google.
    contents: said.length > 0 ? said : [{ role: "user", parts: [{ text: "" }] }],
    ...(system.length === 0 ? {} : { systemInstruction: encodeSystem(system, names, options) }),
  };
}

function encodeSystem(messages: readonly Message[], names: Names, options: ContentsOptions): JsonObject {
  if (messages.some(({ name }) => name !== undefined)) options.warn("names of speakers");
  const parts = messages.flatMap((message) => encodeParts(message, names, options));
  return Object.fromEntries([["parts", parts], ...messages.flatMap((message) => Object.entries(kept(message)))]);
}

type Names = ReadonlyMap<string, string>;

/** Results are found by id, and Gemini wants the name of their function. */
const namesOf = (messages: readonly Message[]): Names =>
  new Map(
    messages.flatMap(({ parts }) =>
      parts.flatMap((part) => (part.type === "tool-call" ? [[part.id, part.name] as const] : [])),
    ),
  );

function joined(messages: readonly Message[]): readonly Message[] {
  const result: Message[] = [];
  // Of the last message; added to and never copied, for each result of thousands may be a message.
  let parts: Part[] = [];
  for (const message of messages) {
    const isJoined = message.role === "assistant" || message.role === "tool";
    if (!isJoined || result.at(-1)?.role !== message.role) result.push({ ...message, parts: (parts = []) });
    for (const part of message.parts) parts.push(part);
  }
  return result;
}

function encodeParts(message: Message, names: Names, options: ContentsOptions): readonly JsonObject[] {
  const encoded: JsonObject[] = [];
  const behind: JsonObject[] = [];
  for (const part of message.parts) {
    if (part.type === "tool-result") {
      const name = names.get(part.id) ?? message.name ?? null;
      const withMedia = options.asSent || (generationOf(options.model) ?? 3) >= 3;
      const result = encodeResult(part, { name, withMedia, warn: options.warn });
      encoded.push(result.part);
      behind.push(...result.behind);
    } else encoded.push(...encodePart(part, options));
  }
  const parts = [...encoded, ...behind];
  return options.asSent || message.role !== "assistant" ? parts : withSignature(parts, options.model);
}

function encodePart(
  part: Exclude<Part, { type: "tool-result" }>,
  { asSent, warn }: ContentsOptions,
): readonly JsonObject[] {
  switch (part.type) {
    case "text":
      if (part.cache !== undefined) warn("cache marks");
      // Google refuses a part that says nothing.
      return part.text === "" && part.signature === undefined && !asSent ? [] : [encodeText(part)];
    case "reasoning": {
      const isNothing = part.text === "" && part.signature === undefined && part.encrypted === undefined;
      return isNothing && !asSent ? [] : encodeThought(part);
    }
    case "refusal":
      return [{ text: part.text }];
    case "tool-call":
      if (part.cache !== undefined) warn("cache marks");
      return [encodeCall(part, warn)];
    case "media": {
      const media = encodeMedia(part, warn);
      return media === null ? [] : [media];
    }
    case "other": {
      const own = otherPart(part);
      if (own === null) warn("a content part of another protocol");
      return own === null ? [] : [own];
    }
  }
}

/**
 * From generation 3 on a turn's first call must have its signature. Calls that another model made have none, and Google
 * names this word to say so (https://ai.google.dev/gemini-api/docs/thought-signatures#faqs).
 */
function withSignature(parts: readonly JsonObject[], model: string): readonly JsonObject[] {
  if ((generationOf(model) ?? 0) < 3) return parts;
  const first = parts.findIndex((part) => part["functionCall"] !== undefined);
  return parts.map((part, i) =>
    i === first && part["thoughtSignature"] === undefined
      ? { ...part, thoughtSignature: "skip_thought_signature_validator" }
      : part,
  );
}

const isSystem = ({ role }: Message) => role === "system" || role === "developer";
