import type { ChatEvent } from "../../chat/event.ts";
import { isJsonObject, type Json, type JsonObject } from "../../chat/json.ts";
import type { ChatRequest } from "../../chat/request.ts";
import { isEmpty } from "../extensions.ts";
import { kept } from "./kept.ts";
import { encodeImage } from "./output.ts";
import { encodeCarried } from "./reasoning.ts";
import { completeItem, withNamespace } from "./response.ts";
import { delta, endPart, type Frame, type PartState, startPart, wholePart } from "./stream-encode-parts.ts";

export type { Frame } from "./stream-encode-parts.ts";

/** The items written so far. Never changed in place. */
export interface OutputState {
  readonly responseId: string;
  readonly asked: ChatRequest | undefined;
  readonly items: readonly ItemState[];
}
interface ItemState {
  /** As it was announced, without content. */
  readonly item: JsonObject;
  /** Blocks of a message; the one block of any other item. */
  readonly parts: readonly PartState[];
  /** Another item has begun: no more parts come. */
  readonly closing: boolean;
  /** The item in full; `null` while it is open. */
  readonly whole: JsonObject | null;
}

type BlockEvent = Exclude<ChatEvent, { type: "response-start" | "response-end" | "candidate-end" }>;
type Step = readonly [OutputState, readonly Frame[]];

export const newOutput = (responseId: string, asked: ChatRequest | undefined): OutputState => ({
  responseId,
  asked,
  items: [],
});

/** All items, those that are still open as far as they came. */
export const outputItems = ({ items }: OutputState): readonly JsonObject[] =>
  items.map(({ item, whole }) => whole ?? item);

export function encodeBlock(state: OutputState, event: BlockEvent): Step {
  switch (event.type) {
    case "text-start":
    case "refusal-start":
      return startContent(state, event);
    case "reasoning-start":
      return startItem(state, { ...thoughtFields(kept(event)), type: "reasoning", summary: [] }, event);
    case "tool-input-start": {
      const input = event.custom ? { input: "" } : { arguments: "" };
      const type = event.custom ? "custom_tool_call" : "function_call";
      const call = { ...kept(event), type, status: "in_progress", call_id: event.id, name: event.name, ...input };
      return startItem(state, withNamespace(ownName(call), state.asked), event);
    }
    case "text-delta":
    case "refusal-delta":
    case "reasoning-delta":
    case "tool-input-delta":
      return addDelta(state, event);
    case "text-end":
    case "refusal-end":
    case "reasoning-end":
    case "tool-input-end":
      return endBlock(state, event);
    case "media": {
      const image = encodeImage(event.part);
      return image === null ? [state, []] : addWhole(state, image);
    }
    case "other": {
      const { whole, part, item } = kept(event);
      if (isJsonObject(whole)) return addWhole(state, whole);
      return isJsonObject(part) ? addPart(state, part, item) : [state, []];
    }
  }
}

/** Ends the messages that might have gone on. */
export function finishAll(state: OutputState, status: string): Step {
  let next = state;
  const frames: Frame[] = [];
  for (const at of state.items.keys()) {
    const [after, more] = finishMessage(next, at, at === state.items.length - 1 ? status : "completed");
    next = after;
    frames.push(...more);
  }
  return [next, frames];
}

/** Texts in a row are parts of one message, unless they came as several. */
function startContent(state: OutputState, event: BlockEvent & { type: "text-start" | "refusal-start" }): Step {
  const { item } = kept(event);
  const [opened, frames] = openMessage(state, item);
  const at = opened.items.length - 1;
  const message = opened.items[at];
  if (message === undefined) return [opened, frames];
  const started = startPart(event, { ...placeOf(message.item, at), content_index: message.parts.length });
  const next = withItem(opened, at, { ...message, parts: [...message.parts, started.part] });
  return [next, [...frames, ...started.frames]];
}

/** `fields`: those of a message that begins here; anything else may be a part of the message that is open. */
function openMessage(state: OutputState, fields: Json | undefined): Step {
  const last = state.items.at(-1);
  const isOpen = last?.item["type"] === "message" && last.whole === null && !last.closing;
  if (isOpen && !isJsonObject(fields)) return [state, []];
  const own = isJsonObject(fields) ? fields : {};
  return announce(state, { ...own, type: "message", status: "in_progress", role: "assistant", content: [] }, []);
}

function startItem(
  state: OutputState,
  item: JsonObject,
  event: BlockEvent & { type: "reasoning-start" | "tool-input-start" },
): Step {
  const [opened, frames] = announce(state, item, []);
  const at = opened.items.length - 1;
  const begun = opened.items[at];
  if (begun === undefined) return [opened, frames];
  const { part } = startPart(event, placeOf(begun.item, at));
  return [withItem(opened, at, { ...begun, parts: [part] }), frames];
}

/** An item begins: the message before it has all its parts. */
function announce(state: OutputState, item: JsonObject, parts: readonly PartState[]): Step {
  const [closed, frames] = closeLast(state);
  const at = closed.items.length;
  const complete = completeItem(item, at, state.responseId, "in_progress");
  const added: ItemState = { item: complete, parts, closing: false, whole: null };
  const frame = { type: "response.output_item.added", output_index: at, item: complete };
  return [{ ...closed, items: [...closed.items, added] }, [...frames, frame]];
}

function closeLast(state: OutputState): Step {
  const at = state.items.length - 1;
  const last = state.items[at];
  if (last === undefined || last.whole !== null || last.item["type"] !== "message") return [state, []];
  if (last.parts.every(({ whole }) => whole !== null)) return finishMessage(state, at, "completed");
  return [withItem(state, at, { ...last, closing: true }), []];
}

function addDelta(state: OutputState, event: BlockEvent & { readonly text: string }): Step {
  const at = indexOfBlock(state, event.index);
  const item = state.items[at];
  if (item === undefined || event.text === "") return [state, []];
  const position = item.parts.findIndex(({ block }) => block === event.index);
  const before = item.parts[position];
  if (before === undefined) return [state, []];
  const { part, frames } = delta(before, event.text, event.type === "text-delta" ? event.logprobs : undefined);
  return [withItem(state, at, { ...item, parts: item.parts.with(position, part) }), frames];
}

function endBlock(
  state: OutputState,
  event: BlockEvent & { type: "text-end" | "refusal-end" | "reasoning-end" | "tool-input-end" },
): Step {
  const at = indexOfBlock(state, event.index);
  const item = state.items[at];
  const position = item?.parts.findIndex(({ block }) => block === event.index) ?? -1;
  const before = item?.parts[position];
  if (item === undefined || before === undefined || before.whole !== null) return [state, []];
  const { part, frames } = endPart(before, event);
  const ended = withItem(state, at, { ...item, parts: item.parts.with(position, part) });
  const isMessage = item.item["type"] === "message";
  const [next, more] = isMessage
    ? item.closing && ended.items[at]?.parts.every(({ whole }) => whole !== null)
      ? finishMessage(ended, at, "completed")
      : [ended, []]
    : finishItem(ended, at, { ...item.item, ...part.whole, id: item.item["id"] });
  if (event.type === "refusal-end" || event.type === "reasoning-end" || event.signature === undefined) {
    return [next, [...frames, ...more]];
  }
  const callId = item.item["call_id"];
  const carried = encodeCarried(
    event.signature,
    event.type === "tool-input-end" && typeof callId === "string" ? callId : null,
  );
  const [last, extra] = addWhole(next, carried);
  return [last, [...frames, ...more, ...extra]];
}

function finishMessage(state: OutputState, at: number, status: string): Step {
  const message = state.items[at];
  if (message === undefined || message.whole !== null || message.item["type"] !== "message") return [state, []];
  const content = message.parts.map((part) => part.whole ?? wholePart(part));
  const fields = message.parts.map(({ fields: own }) => own).find((own) => !isEmpty(own)) ?? {};
  return finishItem(state, at, { ...message.item, status, ...fields, content });
}

function finishItem(state: OutputState, at: number, whole: JsonObject): Step {
  const item = state.items[at];
  if (item === undefined) return [state, []];
  const frame = { type: "response.output_item.done", output_index: at, item: whole };
  return [withItem(state, at, { ...item, whole }), [frame]];
}

function addWhole(state: OutputState, item: JsonObject): Step {
  const [added, frames] = announce(state, item, []);
  const at = added.items.length - 1;
  const [next, more] = finishItem(added, at, added.items[at]?.item ?? item);
  return [next, [...frames, ...more]];
}

/** A content part that is only this dialect's own. */
function addPart(state: OutputState, part: JsonObject, fields: Json | undefined): Step {
  const [opened, frames] = openMessage(state, fields);
  const at = opened.items.length - 1;
  const message = opened.items[at];
  if (message === undefined) return [opened, frames];
  const place = { ...placeOf(message.item, at), content_index: message.parts.length };
  const whole: PartState = {
    block: -1,
    kind: "text",
    place,
    text: "",
    logprobs: [],
    begun: true,
    whole: part,
    fields: {},
  };
  const next = withItem(opened, at, { ...message, parts: [...message.parts, whole] });
  const told = ["response.content_part.added", "response.content_part.done"].map((type) => ({ type, ...place, part }));
  return [next, [...frames, ...told]];
}

/** The latest first: nearly all deltas are for it. */
const indexOfBlock = ({ items }: OutputState, block: number): number =>
  items.findLastIndex(({ parts }) => parts.some((part) => part.block === block));

const withItem = (state: OutputState, at: number, item: ItemState): OutputState => ({
  ...state,
  items: state.items.with(at, item),
});

const placeOf = (item: JsonObject, at: number): JsonObject => ({ item_id: item["id"] ?? "", output_index: at });

function thoughtFields(own: JsonObject): JsonObject {
  const { raw: _raw, summary: _summary, content: _content, ...fields } = own;
  return fields;
}

/** A call that came with its namespace has its own name behind it. */
function ownName(call: JsonObject): JsonObject {
  const { namespace, name } = call;
  if (typeof namespace !== "string" || typeof name !== "string") return call;
  return { ...call, name: name.startsWith(`${namespace}__`) ? name.slice(namespace.length + 2) : name };
}
