import type { ChatEvent } from "../../chat/event.ts";
import { isJsonObject, type JsonObject } from "../../chat/json.ts";
import { encodeCitations } from "./citations.ts";
import { kept } from "./kept.ts";
import { callId, encodeAnswerPart } from "./response.ts";

/** The block of the answer that is being written. */
export interface OpenBlock {
  /** Its canonical index; -1: none is open. */
  readonly block: number;
  /** The index on the wire of it, or of the next one. */
  readonly place: number;
  /** Its start is written. Reasoning waits for its first words: encrypted reasoning has another kind of block. */
  readonly isWritten: boolean;
  /** A piece of a call's input is written. */
  readonly isTold: boolean;
  /** Free text that a call's input waits with: it goes into an object. */
  readonly held: string | null;
}

export const noBlock: OpenBlock = { block: -1, place: 0, isWritten: false, isTold: false, held: null };

type Event = Exclude<ChatEvent, { type: "response-start" | "response-end" | "candidate-end" }>;
type Step = readonly [OpenBlock, string];

/** The frames that say `event`, which starts a block when none is open and else belongs to the open one. */
export function writeBlock(open: OpenBlock, event: Event): Step {
  switch (event.type) {
    case "text-start":
    case "refusal-start":
      return [started(open, event.index), startFrame(open, { type: "text", text: "" })];
    case "reasoning-start":
      return [{ ...started(open, event.index), isWritten: false }, ""];
    case "tool-input-start": {
      const { id, name, index } = event;
      const block = { type: "tool_use", id: callId(id, `${index}`), name, input: {}, ...kept(event) };
      return [{ ...started(open, index), held: event.custom ? "" : null }, startFrame(open, block)];
    }
    case "text-delta":
    case "refusal-delta":
      return [open, textDelta(open, "text_delta", "text", event.text)];
    case "reasoning-delta":
      return writeReasoning(open, event.text);
    case "tool-input-delta":
      if (open.held !== null) return [{ ...open, held: open.held + event.text }, ""];
      return [
        open.isTold ? open : { ...open, isTold: true },
        textDelta(open, "input_json_delta", "partial_json", event.text),
      ];
    case "text-end": {
      const citations = encodeCitations(event.citations ?? []);
      const said = citations.map((citation) => deltaFrame(open, { type: "citations_delta", citation }));
      return [ended(open), said.join("") + stopFrame(open)];
    }
    case "refusal-end":
      return [ended(open), stopFrame(open)];
    case "reasoning-end":
      return endReasoning(open, event);
    case "tool-input-end": {
      const input = open.held === null ? "{}" : JSON.stringify({ input: open.held });
      // A call without arguments has an empty object: clients parse the pieces.
      const rest = open.isTold ? "" : textDelta(open, "input_json_delta", "partial_json", input);
      return [ended(open), rest + stopFrame(open)];
    }
    case "media":
      return [open, ""];
    case "other":
      return writeWhole(open, encodeAnswerPart({ type: "other", extensions: event.extensions }, ""));
  }
}

export const frame = (type: string, body: JsonObject): string => `event: ${type}\ndata: ${JSON.stringify(body)}\n\n`;

function writeReasoning(open: OpenBlock, text: string): Step {
  const start = open.isWritten ? "" : startFrame(open, { type: "thinking", thinking: "", signature: "" });
  const next = open.isWritten ? open : { ...open, isWritten: true };
  return [next, text === "" ? start : start + textDelta(open, "thinking_delta", "thinking", text)];
}

function endReasoning(open: OpenBlock, event: ChatEvent & { type: "reasoning-end" }): Step {
  const { signature, encrypted } = event;
  const redacted = encrypted === undefined ? [] : [{ type: "redacted_thinking", data: encrypted }];
  if (!open.isWritten && signature === undefined && encrypted !== undefined) return writeWhole(open, redacted);
  const [written, start] = writeReasoning(open, "");
  const signed = signature === undefined ? "" : deltaFrame(open, { type: "signature_delta", signature });
  const [next, more] = writeWhole(ended(written), redacted);
  return [next, start + signed + stopFrame(open) + more];
}

/** Blocks that come in one piece, the input of a call as its pieces do. */
function writeWhole(open: OpenBlock, blocks: readonly JsonObject[]): Step {
  let next = open;
  let text = "";
  for (const block of blocks) {
    const { input } = block;
    const hasInput = isJsonObject(input) && Object.keys(input).length > 0;
    text += startFrame(next, hasInput ? { ...block, input: {} } : block);
    if (hasInput) text += textDelta(next, "input_json_delta", "partial_json", JSON.stringify(input));
    text += stopFrame(next);
    next = ended(next);
  }
  return [blocks.length === 0 ? { ...noBlock, place: open.place } : next, text];
}

const started = (open: OpenBlock, block: number): OpenBlock => ({
  ...noBlock,
  place: open.place,
  block,
  isWritten: true,
});
const ended = (open: OpenBlock): OpenBlock => ({ ...noBlock, place: open.place + 1 });

const startFrame = ({ place }: OpenBlock, block: JsonObject): string =>
  frame("content_block_start", { type: "content_block_start", index: place, content_block: block });
const deltaFrame = ({ place }: OpenBlock, delta: JsonObject): string =>
  frame("content_block_delta", { type: "content_block_delta", index: place, delta });
const stopFrame = ({ place }: OpenBlock): string =>
  frame("content_block_stop", { type: "content_block_stop", index: place });

/** As `deltaFrame`, without an object for each piece: most frames of a stream are these. */
const textDelta = ({ place }: OpenBlock, type: string, field: string, text: string): string =>
  `event: content_block_delta\ndata: {"type":"content_block_delta","index":${place},"delta":{"type":"${type}","${field}":${JSON.stringify(text)}}}\n\n`;
