import { GatewayError } from "./error.ts";
import type { ChatEvent, ChatStream, Finish } from "./event.ts";
import { Grammar } from "./grammar.ts";
import { isJsonArray, isJsonObject, type Json, type JsonObject } from "./json.ts";
import type { Citation, Part } from "./request.ts";
import type { Candidate, ChatResponse } from "./response.ts";

/** The whole answer that a stream of events adds up to. Throws `upstream-invalid` when they break the grammar. */
export async function collect(events: ChatStream): Promise<ChatResponse> {
  const collector = new Collector();
  for await (const event of events) collector.add(event);
  return collector.response();
}

/** More is no answer of a language model. */
export const maxAnswerBytes = 128 * 1024 * 1024;
/** What each event takes at least, however little it says. */
const eventBytes = 128;

/** Adds events up, and keeps them to the grammar of `ChatEvent` and to a size. */
export class Collector {
  readonly #grammar = new Grammar();
  #bytes = 0;
  #start: (ChatEvent & { type: "response-start" }) | null = null;
  #end: (ChatEvent & { type: "response-end" }) | null = null;
  readonly #candidates = new Map<number, Draft>();

  /** Throws `upstream-invalid` for an event that may not come now, or is too much. */
  add(event: ChatEvent): void {
    const fault = this.#grammar.faultOf(event);
    if (fault !== null)
      throw new GatewayError("upstream-invalid", `The provider's answer is out of order: '${event.type}' ${fault}.`);
    this.#bytes += eventBytes + lengthOf(event);
    if (this.#bytes > maxAnswerBytes) throw new GatewayError("upstream-invalid", "the provider's answer is too large");
    if (event.type === "response-start") this.#start = event;
    else if (event.type === "response-end") this.#end = event;
    else {
      const draft = this.#candidates.get(event.candidate) ?? newDraft();
      this.#candidates.set(event.candidate, draft);
      addToCandidate(draft, event);
    }
  }

  /** Throws `upstream-invalid` when the last event has not come. */
  response(): ChatResponse {
    if (this.#start === null || this.#end === null) {
      throw new GatewayError("upstream-invalid", "The provider's answer ended before its end.");
    }
    const { id, model, createdMs } = this.#start;
    const candidates = [...this.#candidates].sort(([a], [b]) => a - b).map(([, draft]) => candidateOf(draft));
    return { id, model, createdMs, candidates, usage: this.#end.usage, extensions: this.#end.extensions ?? {} };
  }
}

type BlockEvent = Exclude<ChatEvent, { type: "response-start" | "response-end" }>;

/** Text is kept in pieces: joining on each delta would copy long answers over and over. */
interface Block {
  readonly pieces: string[];
  readonly part: (text: string) => Part;
  end: BlockEnd | null;
}
/** What the `…-end` event adds to the part. */
interface BlockEnd {
  readonly signature?: string | undefined;
  readonly encrypted?: string | undefined;
  readonly citations?: readonly Citation[] | undefined;
  readonly extensions?: JsonObject | undefined;
}
interface Draft {
  readonly blocks: Block[];
  readonly logprobs: Json[];
  finish: Finish | null;
  extensions: JsonObject | null;
}

const newDraft = (): Draft => ({ blocks: [], logprobs: [], finish: null, extensions: null });

/** It keeps the grammar. */
function addToCandidate(draft: Draft, event: BlockEvent): void {
  const { blocks, logprobs } = draft;
  switch (event.type) {
    case "text-start":
    case "reasoning-start":
    case "refusal-start": {
      const type = event.type === "text-start" ? "text" : event.type === "reasoning-start" ? "reasoning" : "refusal";
      blocks.push({ pieces: [], end: null, part: (text) => ({ type, text }) });
      return;
    }
    case "tool-input-start": {
      const { id, name, custom } = event;
      const part = (input: string): Part => ({ type: "tool-call", id, name, input, ...(custom ? { custom } : {}) });
      blocks.push({ pieces: [], end: null, part });
      return;
    }
    case "text-delta":
      if (event.logprobs !== undefined) logprobs.push(event.logprobs);
      blocks[event.index]?.pieces.push(event.text);
      return;
    case "reasoning-delta":
    case "refusal-delta":
    case "tool-input-delta":
      blocks[event.index]?.pieces.push(event.text);
      return;
    case "text-end": {
      const { signature, citations, extensions } = event;
      return end(draft, event, { signature, citations, extensions });
    }
    case "reasoning-end": {
      const { signature, encrypted, extensions } = event;
      return end(draft, event, { signature, encrypted, extensions });
    }
    case "refusal-end":
      return end(draft, event, { extensions: event.extensions });
    case "tool-input-end": {
      const { signature, extensions } = event;
      return end(draft, event, { signature, extensions });
    }
    case "media":
      blocks.push({ pieces: [], end: {}, part: () => event.part });
      return;
    case "other": {
      const { extensions } = event;
      blocks.push({ pieces: [], end: {}, part: () => ({ type: "other", extensions }) });
      return;
    }
    case "candidate-end":
      draft.finish = event.finish;
      draft.extensions = event.extensions ?? null;
  }
}

function end({ blocks }: Draft, { index }: { readonly index: number }, fields: BlockEnd): void {
  const block = blocks[index];
  if (block) block.end = fields;
}

function lengthOf(event: ChatEvent): number {
  if ("text" in event) return event.text.length;
  return event.type === "media" && event.part.source.by === "data" ? event.part.source.base64.length : 0;
}

function candidateOf(draft: Draft): Candidate {
  return {
    parts: draft.blocks.map(partOf),
    finish: draft.finish ?? { reason: "other", raw: null },
    ...(draft.logprobs.length === 0 ? {} : { logprobs: joinLogprobs(draft.logprobs) }),
    ...(draft.extensions === null ? {} : { extensions: draft.extensions }),
  };
}

function partOf({ part, pieces, end: fields }: Block): Part {
  const given = Object.entries(fields ?? {}).filter(([, value]) => value !== undefined);
  return { ...part(pieces.join("")), ...Object.fromEntries(given) };
}

/** Deltas carry lists, or objects of lists (`content`, `refusal`), for their own tokens; they are appended. */
function joinLogprobs(pieces: readonly Json[]): Json {
  if (pieces.every((piece) => isJsonArray(piece))) return pieces.flat();
  const objects = pieces.filter(isJsonObject);
  const keys = new Set(objects.flatMap((piece) => Object.keys(piece)));
  return Object.fromEntries(
    [...keys].map((key) => {
      const lists = objects.map((piece) => piece[key]).filter((list) => isJsonArray(list));
      return [key, lists.length > 0 ? lists.flat() : (objects.at(-1)?.[key] ?? null)];
    }),
  );
}
