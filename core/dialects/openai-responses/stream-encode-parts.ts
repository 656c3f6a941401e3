import type { ChatEvent } from "../../chat/event.ts";
import { isJsonArray, isJsonObject, type Json, type JsonObject } from "../../chat/json.ts";
import { encodeAnnotations } from "./annotations.ts";
import { kept } from "./kept.ts";
import { encodeReasoning } from "./reasoning.ts";

export type Frame = JsonObject & { readonly type: string };

/** One block of the answer as it is written. Never changed in place. */
export interface PartState {
  /** Its index among the canonical blocks. */
  readonly block: number;
  readonly kind: "text" | "refusal" | "summary" | "raw" | "arguments" | "input";
  /** The fields that say where it stands: `item_id`, `output_index` and, in a message, `content_index`. */
  readonly place: JsonObject;
  readonly text: string;
  readonly logprobs: readonly Json[];
  /** Thoughts are announced by their first word. */
  readonly begun: boolean;
  /** The part in full, or the fields that make its item full; `null` while it is open. */
  readonly whole: JsonObject | null;
  /** Of the message that it began. */
  readonly fields: JsonObject;
}

interface Written {
  readonly part: PartState;
  readonly frames: readonly Frame[];
}
type StartEvent = ChatEvent & { type: "text-start" | "refusal-start" | "reasoning-start" | "tool-input-start" };
type EndEvent = ChatEvent & { type: "text-end" | "refusal-end" | "reasoning-end" | "tool-input-end" };

export function startPart(event: StartEvent, place: JsonObject): Written {
  const kind = kindOf(event);
  const isContent = kind === "text" || kind === "refusal";
  const part: PartState = {
    block: event.index,
    kind,
    place,
    text: "",
    logprobs: [],
    begun: isContent,
    whole: null,
    fields: {},
  };
  if (!isContent) return { part, frames: [] };
  return { part, frames: [{ type: "response.content_part.added", ...place, part: wholePart(part) }] };
}

export function delta(before: PartState, text: string, logprobs: Json | undefined): Written {
  const { frames, part: begun } = begin(before);
  const { kind, place } = begun;
  const told = isJsonObject(logprobs) && isJsonArray(logprobs["content"]) ? logprobs["content"] : [];
  const part = {
    ...begun,
    text: begun.text + text,
    logprobs: told.length === 0 ? begun.logprobs : [...begun.logprobs, ...told],
  };
  const frame = { type: deltaTypes[kind], ...place, ...partIndex[kind], delta: text };
  return { part, frames: [...frames, kind === "text" ? { ...frame, logprobs: told } : frame] };
}

export function endPart(before: PartState, event: EndEvent): Written {
  switch (before.kind) {
    case "text":
    case "refusal":
      return endContent(before, event);
    case "summary":
    case "raw":
      return endThought(before, event);
    case "arguments":
    case "input":
      return endCall(before, event);
  }
}

/** A part of a message, as far as it came. */
export const wholePart = ({ kind, text, logprobs }: PartState): JsonObject =>
  kind === "refusal" ? { type: "refusal", refusal: text } : { type: "output_text", text, annotations: [], logprobs };

function endContent(before: PartState, event: EndEvent): Written {
  const { place, text, kind } = before;
  const { item, ...own } = kept(event);
  const annotations = event.type === "text-end" ? encodeAnnotations(event.citations ?? [], text) : [];
  const cited = kind === "text" ? { annotations } : {};
  const whole: JsonObject = { ...wholePart(before), ...cited, ...own };
  const part = { ...before, whole, fields: isJsonObject(item) ? item : {} };
  const done =
    kind === "refusal"
      ? { type: "response.refusal.done", ...place, refusal: text }
      : { type: "response.output_text.done", ...place, text, logprobs: whole["logprobs"] ?? [] };
  return {
    part,
    frames: [
      ...annotations.map((annotation, i) => ({
        type: "response.output_text.annotation.added",
        ...place,
        annotation_index: i,
        annotation,
      })),
      done,
      { type: "response.content_part.done", ...place, part: whole },
    ],
  };
}

function endThought(before: PartState, event: EndEvent): Written {
  const { begun, kind, place, text } = before;
  const { raw: _raw, summary: _summary, content: _content, ...own } = kept(event);
  const { signature, encrypted } =
    event.type === "reasoning-end" ? event : { signature: undefined, encrypted: undefined };
  const proof = encodeReasoning({
    type: "reasoning",
    text: "",
    ...(signature === undefined ? {} : { signature }),
    ...(encrypted === undefined ? {} : { encrypted }),
    ...(event.extensions === undefined ? {} : { extensions: event.extensions }),
  })["encrypted_content"];
  const told = thoughtPart(kind, text);
  const whole: JsonObject = {
    ...own,
    summary: kind === "summary" && text !== "" ? [told] : [],
    ...(kind === "raw" ? { content: [told] } : {}),
    ...(proof === undefined ? {} : { encrypted_content: proof }),
  };
  const at = { ...place, ...partIndex[kind] };
  const [textDone, partDone] = kind === "raw" ? rawDone : summaryDone;
  const frames = begun
    ? [
        { type: textDone, ...at, text },
        { type: partDone, ...at, part: told },
      ]
    : [];
  return { part: { ...before, whole }, frames };
}

/** A function without arguments is called with `{}`: clients parse the text. */
function endCall(before: PartState, event: EndEvent): Written {
  const { kind, place } = before;
  const isEmpty = kind === "arguments" && before.text === "";
  const { part, frames } = isEmpty ? delta(before, "{}", undefined) : { part: before, frames: [] };
  const { namespace: _namespace, ...own } = kept(event);
  const whole: JsonObject = {
    status: "completed",
    ...own,
    [kind]: part.text,
  };
  const done = { type: doneTypes[kind === "input" ? "input" : "arguments"], ...place, [kind]: part.text };
  return { part: { ...part, whole }, frames: [...frames, done] };
}

function begin(part: PartState): Written {
  if (part.begun || part.kind === "arguments" || part.kind === "input") return { part, frames: [] };
  const type = part.kind === "raw" ? "response.content_part.added" : "response.reasoning_summary_part.added";
  const frame = { type, ...part.place, ...partIndex[part.kind], part: thoughtPart(part.kind, "") };
  return { part: { ...part, begun: true }, frames: [frame] };
}

function kindOf(event: StartEvent): PartState["kind"] {
  switch (event.type) {
    case "text-start":
      return "text";
    case "refusal-start":
      return "refusal";
    case "tool-input-start":
      return event.custom ? "input" : "arguments";
    case "reasoning-start": {
      const { raw, summary, content } = kept(event);
      return raw === true || (isJsonArray(content) && summary === undefined) ? "raw" : "summary";
    }
  }
}

const thoughtPart = (kind: PartState["kind"], text: string): JsonObject => ({
  type: kind === "raw" ? "reasoning_text" : "summary_text",
  text,
});

const nowhere: JsonObject = {};
const partIndex: Readonly<Record<PartState["kind"], JsonObject>> = {
  text: nowhere,
  refusal: nowhere,
  summary: { summary_index: 0 },
  raw: { content_index: 0 },
  arguments: nowhere,
  input: nowhere,
};
const deltaTypes: Readonly<Record<PartState["kind"], string>> = {
  text: "response.output_text.delta",
  refusal: "response.refusal.delta",
  summary: "response.reasoning_summary_text.delta",
  raw: "response.reasoning_text.delta",
  arguments: "response.function_call_arguments.delta",
  input: "response.custom_tool_call_input.delta",
};
const rawDone = ["response.reasoning_text.done", "response.content_part.done"] as const;
const summaryDone = ["response.reasoning_summary_text.done", "response.reasoning_summary_part.done"] as const;
const doneTypes = {
  arguments: "response.function_call_arguments.done",
  input: "response.custom_tool_call_input.done",
} as const;
