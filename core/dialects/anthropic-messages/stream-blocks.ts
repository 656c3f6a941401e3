import type { ChatEvent } from "../../chat/event.ts";
import { isJsonObject, type Json, type JsonObject } from "../../chat/json.ts";
import type { Citation } from "../../chat/request.ts";
import { without } from "../extensions.ts";
import { decodeCitation, decodeCitations } from "./citations.ts";
import { checkParts } from "../stream-event.ts";
import { keep } from "./kept.ts";

/** The blocks of a message that have not come to their end. Never changed in place. */
export interface OpenBlocks {
  /** The index of the next block, counted here: the vendor's may have gaps. */
  readonly nextIndex: number;
  readonly open: readonly OpenBlock[];
  /** The last block is a call of a tool. */
  readonly endsInCall: boolean;
}
interface OpenBlock {
  /** The block's `index` on the wire. */
  readonly place: number;
  readonly index: number;
  readonly kind: "text" | "thinking" | "redacted" | "call" | "other";
  /** As `content_block_start` had it; of an `other` block with what came since. */
  readonly block: JsonObject;
  readonly citations: readonly Citation[];
  readonly signature: string;
  /** A call: a piece of its input came. */
  readonly isTold: boolean;
  /** Of an `other` block, the JSON text of its input so far. */
  readonly input: string;
}

export const noBlocks: OpenBlocks = { nextIndex: 0, open: [], endsInCall: false };

type Step = readonly [OpenBlocks, readonly ChatEvent[]];

export function startBlock(state: OpenBlocks, place: number, block: JsonObject): Step {
  if (find(state, place) !== undefined) return [state, nothing]; // Said twice.
  checkParts(state.open.length + 1);
  const kind = kindOf(block["type"]);
  const at = { candidate: 0, index: state.nextIndex };
  const opened: OpenBlock = {
    place,
    index: at.index,
    kind,
    block,
    citations: decodeCitations(block["citations"]),
    signature: text(block["signature"]),
    isTold: false,
    input: "",
  };
  const next = {
    // One that is told whole takes its index when it is.
    nextIndex: kind === "other" ? state.nextIndex : state.nextIndex + 1,
    open: [...state.open, opened],
    endsInCall: kind === "call",
  };
  switch (kind) {
    case "text":
      return [next, [{ type: "text-start", ...at }, ...deltas("text-delta", at, block["text"])]];
    case "thinking":
      return [next, [{ type: "reasoning-start", ...at }, ...deltas("reasoning-delta", at, block["thinking"])]];
    case "redacted":
      return [next, [{ type: "reasoning-start", ...at }]];
    case "call": {
      const { id, name } = block;
      return [next, [{ type: "tool-input-start", ...at, id: text(id), name: text(name), ...keepCall(block) }]];
    }
    case "other":
      return [next, nothing];
  }
}

export function addDelta(state: OpenBlocks, place: number, delta: JsonObject): Step {
  const open = find(state, place);
  if (open === undefined) return addToNew(state, place, delta);
  const at = { candidate: 0, index: open.index };
  if (open.kind === "other") return [replace(state, withPiece(open, delta)), nothing];
  switch (delta["type"]) {
    case "text_delta":
      return [state, open.kind === "text" ? deltas("text-delta", at, delta["text"]) : nothing];
    case "thinking_delta":
      return [state, open.kind === "thinking" ? deltas("reasoning-delta", at, delta["thinking"]) : nothing];
    case "input_json_delta": {
      const events = open.kind === "call" ? deltas("tool-input-delta", at, delta["partial_json"]) : nothing;
      return [open.isTold || events.length === 0 ? state : replace(state, { ...open, isTold: true }), events];
    }
    case "signature_delta":
      return [replace(state, { ...open, signature: text(delta["signature"]) }), nothing];
    case "citations_delta": {
      const { citation } = delta;
      if (!isJsonObject(citation)) return [state, nothing];
      return [replace(state, { ...open, citations: [...open.citations, decodeCitation(citation)] }), nothing];
    }
    default:
      return [state, nothing];
  }
}

export function endBlock(state: OpenBlocks, place: number): Step {
  const open = find(state, place);
  if (open === undefined) return [state, nothing];
  const at = { candidate: 0, index: open.index };
  const closed = { ...state, open: state.open.filter((other) => other !== open) };
  switch (open.kind) {
    case "text": {
      const { citations } = open;
      const rest = keep(without(open.block, textKeys));
      return [closed, [{ type: "text-end", ...at, ...(citations.length === 0 ? {} : { citations }), ...rest }]];
    }
    case "thinking": {
      const { signature } = open;
      const rest = keep(without(open.block, thinkingKeys));
      return [closed, [{ type: "reasoning-end", ...at, ...(signature === "" ? {} : { signature }), ...rest }]];
    }
    case "redacted":
      return [closed, [{ type: "reasoning-end", ...at, encrypted: text(open.block["data"]) }]];
    case "call": {
      const whole = open.isTold ? nothing : deltas("tool-input-delta", at, wholeInput(open.block["input"]));
      return [closed, [...whole, { type: "tool-input-end", ...at, ...keepCall(open.block) }]];
    }
    case "other":
      return [
        { ...closed, nextIndex: state.nextIndex + 1 },
        [{ type: "other", candidate: 0, index: state.nextIndex, extensions: keep(withInput(open)).extensions ?? {} }],
      ];
  }
}

const nothing: readonly ChatEvent[] = [];

function kindOf(type: Json | undefined): OpenBlock["kind"] {
  switch (type) {
    case "text":
    case "thinking":
      return type;
    case "redacted_thinking":
      return "redacted";
    case "tool_use":
      return "call";
    default:
      return "other";
  }
}

/** Some compatible vendors do not announce a block of text. */
function addToNew(state: OpenBlocks, place: number, delta: JsonObject): Step {
  const type = delta["type"] === "text_delta" ? "text" : delta["type"] === "thinking_delta" ? "thinking" : null;
  if (type === null) return [state, nothing];
  const [opened, start] = startBlock(state, place, { type });
  const [next, events] = addDelta(opened, place, delta);
  return [next, [...start, ...events]];
}

/** Input comes in pieces of JSON text; anything else a delta brings is the block's field from now on. */
function withPiece(open: OpenBlock, delta: JsonObject): OpenBlock {
  if (delta["type"] === "input_json_delta") return { ...open, input: open.input + text(delta["partial_json"]) };
  return { ...open, block: { ...open.block, ...without(delta, typeKeys) } };
}

function withInput({ block, input }: OpenBlock): JsonObject {
  if (input === "") return block;
  try {
    const value: unknown = JSON.parse(input);
    return isJsonObject(value) ? { ...block, input: value } : block;
  } catch {
    return block; // Cut off, or never JSON: only the start of the block is known.
  }
}

/** Input that came whole with the start of the block. */
const wholeInput = (input: Json | undefined): string =>
  isJsonObject(input) && Object.keys(input).length > 0 ? JSON.stringify(input) : "";

function deltas(
  type: "text-delta" | "reasoning-delta" | "tool-input-delta",
  at: { readonly candidate: number; readonly index: number },
  piece: Json | undefined,
): readonly ChatEvent[] {
  return typeof piece === "string" && piece !== "" ? [{ type, ...at, text: piece }] : nothing;
}

const find = ({ open }: OpenBlocks, place: number) => open.find((block) => block.place === place);
const replace = (state: OpenBlocks, changed: OpenBlock): OpenBlocks => ({
  ...state,
  open: state.open.map((block) => (block.place === changed.place ? changed : block)),
});
const keepCall = (block: JsonObject) => keep(without(block, callKeys));
const text = (value: Json | undefined): string => (typeof value === "string" ? value : "");

const typeKeys = new Set(["type"]);
const textKeys = new Set(["type", "text", "citations"]);
const thinkingKeys = new Set(["type", "thinking", "signature"]);
const callKeys = new Set(["type", "id", "name", "input"]);
