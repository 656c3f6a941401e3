import { GatewayError } from "./error.ts";
import type { ChatEvent, ChatStream, Finish } from "./event.ts";
import { isJsonArray, isJsonObject, type Json, type JsonObject } from "./json.ts";
import type { Citation, Part } from "./request.ts";
import type { Candidate, ChatResponse } from "./response.ts";

/** The whole answer that a stream of events adds up to. Throws `upstream-invalid` when they break the grammar. */
export async function collect(events: ChatStream): Promise<ChatResponse> {
  const collector = new Collector();
  for await (const event of events) collector.add(event);
  return collector.response();
}

/** Adds events up, and keeps them to the grammar of `ChatEvent`. */
export class Collector {
  #start: (ChatEvent & { type: "response-start" }) | null = null;
  #end: (ChatEvent & { type: "response-end" }) | null = null;
  readonly #candidates = new Map<number, Draft>();

  /** Throws `upstream-invalid` for an event that may not come now. */
  add(event: ChatEvent): void {
    if (this.#end !== null) throw broken(event, "after the end");
    if (event.type === "response-start") {
      if (this.#start !== null) throw broken(event, "twice");
      this.#start = event;
      return;
    }
    if (this.#start === null) throw broken(event, "before the start");
    if (event.type === "response-end") {
      for (const draft of this.#candidates.values())
        if (draft.finish === null) throw broken(event, "before a candidate's end");
      this.#end = event;
      return;
    }
    const draft = this.#candidates.get(event.candidate) ?? newDraft();
    this.#candidates.set(event.candidate, draft);
    addToCandidate(draft, event);
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
  readonly kind: "text" | "reasoning" | "refusal" | "tool-input" | "whole";
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

function addToCandidate(draft: Draft, event: BlockEvent): void {
  if (draft.finish !== null) throw broken(event, "after its candidate's end");
  switch (event.type) {
    case "text-start":
    case "reasoning-start":
    case "refusal-start": {
      const type = event.type === "text-start" ? "text" : event.type === "reasoning-start" ? "reasoning" : "refusal";
      return start(draft, event, { kind: type, pieces: [], end: null, part: (text) => ({ type, text }) });
    }
    case "tool-input-start": {
      const { id, name, custom } = event;
      const part = (input: string): Part => ({ type: "tool-call", id, name, input, ...(custom ? { custom } : {}) });
      return start(draft, event, { kind: "tool-input", pieces: [], end: null, part });
    }
    case "text-delta":
      if (event.logprobs !== undefined) draft.logprobs.push(event.logprobs);
      openBlock(draft, event, "text").pieces.push(event.text);
      return;
    case "reasoning-delta":
      openBlock(draft, event, "reasoning").pieces.push(event.text);
      return;
    case "refusal-delta":
      openBlock(draft, event, "refusal").pieces.push(event.text);
      return;
    case "tool-input-delta":
      openBlock(draft, event, "tool-input").pieces.push(event.text);
      return;
    case "text-end": {
      const { signature, citations, extensions } = event;
      return end(draft, event, "text", { signature, citations, extensions });
    }
    case "reasoning-end": {
      const { signature, encrypted, extensions } = event;
      return end(draft, event, "reasoning", { signature, encrypted, extensions });
    }
    case "refusal-end":
      return end(draft, event, "refusal", { extensions: event.extensions });
    case "tool-input-end": {
      const { signature, extensions } = event;
      return end(draft, event, "tool-input", { signature, extensions });
    }
    case "media":
      return start(draft, event, { kind: "whole", pieces: [], end: {}, part: () => event.part });
    case "other": {
      const { extensions } = event;
      return start(draft, event, { kind: "whole", pieces: [], end: {}, part: () => ({ type: "other", extensions }) });
    }
    case "candidate-end":
      if (draft.blocks.some((block) => block.end === null)) throw broken(event, "before the end of a block");
      draft.finish = event.finish;
      draft.extensions = event.extensions ?? null;
  }
}

function start(draft: Draft, event: BlockEvent & { index: number }, block: Block): void {
  if (event.index !== draft.blocks.length) throw broken(event, "with an index out of turn");
  draft.blocks.push(block);
}

function openBlock(draft: Draft, event: BlockEvent & { index: number }, kind: Block["kind"]): Block {
  const block = draft.blocks[event.index];
  if (block === undefined || block.kind !== kind || block.end !== null) throw broken(event, "outside of its block");
  return block;
}

function end(draft: Draft, event: BlockEvent & { index: number }, kind: Block["kind"], fields: BlockEnd): void {
  openBlock(draft, event, kind).end = fields;
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

const broken = (event: ChatEvent, when: string) =>
  new GatewayError("upstream-invalid", `The provider's answer is out of order: '${event.type}' came ${when}.`);
