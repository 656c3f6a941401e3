import type { ChatEvent } from "../../chat/event.ts";
import { isJsonArray, isJsonObject, type Json, type JsonObject } from "../../chat/json.ts";
import type { Part } from "../../chat/request.ts";
import { without } from "../extensions.ts";
import { checkParts } from "../stream-event.ts";
import { keep } from "./kept.ts";
import { decodeOutput } from "./response.ts";
import { separator } from "./reasoning.ts";
import { type Block, closeBlock, deltaOf, type Kind, kindOf, lengthen, openBlock, sayWhole } from "./stream-blocks.ts";
import { decodeToolCall } from "./tools.ts";

/** What the stream has said so far of the answer's items. Never changed in place. */
export interface Output {
  readonly items: readonly Item[];
  /** The index of the next block. */
  readonly nextIndex: number;
  readonly hasCalls: boolean;
}
interface Item {
  /** `output_index`, or the place among the items where the vendor does not say it. */
  readonly place: number;
  readonly id: string;
  /** As it was announced. */
  readonly item: JsonObject;
  readonly blocks: readonly Block[];
  readonly done: boolean;
}

export const noOutput: Output = { items: [], nextIndex: 0, hasCalls: false };

/** A call is opened at once. A message is opened by its parts, and reasoning by its first word, which tells its kind. */
export function addItem(output: Output, frame: JsonObject, events: ChatEvent[]): Output {
  const item = isJsonObject(frame["item"]) ? frame["item"] : {};
  const opened = openSilent(output, events);
  const place = typeof frame["output_index"] === "number" ? frame["output_index"] : opened.items.length;
  if (opened.items.some((known) => known.place === place)) return opened;
  const added: Item = { place, id: text(item["id"]), item, blocks: [], done: false };
  const next = withAdded(opened, added);
  const isCall = item["type"] === "function_call" || item["type"] === "custom_tool_call";
  // One without a name is opened when it is known.
  return isCall && text(item["name"]) !== "" ? withBlock(next, next.items.length - 1, "tool-input", 0, events) : next;
}

export function openPart(output: Output, frame: JsonObject, events: ChatEvent[]): Output {
  const part = isJsonObject(frame["part"]) ? frame["part"] : {};
  const kind = kindOf(part["type"]);
  if (kind === null) return output;
  const [known, at] = findItem(output, frame);
  const place = kind === "raw" ? 0 : number(frame["content_index"]);
  const item = known.items[at];
  return item?.blocks.some((block) => block.place === place) ? known : withBlock(known, at, kind, place, events);
}

export function addDelta(output: Output, type: string, frame: JsonObject, events: ChatEvent[]): Output {
  const { kind, partField } = deltaOf(type);
  const delta = text(frame["delta"]);
  const [found, at] = findItem(output, frame);
  // A call whose name is not known yet is said when it is.
  if (kind === "tool-input" && text(found.items[at]?.item["name"]) === "") return found;
  const isThought = kind === "raw" || kind === "summary";
  const part = number(frame[partField]);
  const place = isThought || kind === "tool-input" ? 0 : part;
  const known = positionOf(found.items[at], place);
  const next = known >= 0 ? found : withBlock(found, at, kind, place, events);
  const item = next.items[at];
  const position = known >= 0 ? known : positionOf(item, place);
  const block = item?.blocks[position];
  // Thoughts that are told both as they are and in summary are told once.
  if (delta === "" || item === undefined || block === undefined || block.kind !== kind || block.done) return next;
  const separated = isThought && block.length > 0 && part > block.part ? separator + delta : delta;
  const longer = lengthen(block, separated, part, frame["logprobs"], events);
  return { ...next, items: next.items.with(at, { ...item, blocks: item.blocks.with(position, longer) }) };
}

/** Citations count where the vendor repeats them with the whole text; some tell them only here. */
export function addAnnotation(output: Output, frame: JsonObject): Output {
  const { annotation } = frame;
  const at = indexOfItem(output, frame);
  if (at < 0 || !isJsonObject(annotation)) return output;
  const place = number(frame["content_index"]);
  return withItem(output, at, (item) => ({
    ...item,
    blocks: item.blocks.map((block) =>
      block.place === place ? { ...block, annotations: [...block.annotations, annotation] } : block,
    ),
  }));
}

export function finishItem(output: Output, frame: JsonObject, events: ChatEvent[]): Output {
  const item = isJsonObject(frame["item"]) ? frame["item"] : {};
  const known = indexOfItem(output, { item_id: item["id"], ...frame });
  const added = known < 0 ? addItem(output, frame, events) : output;
  const at = known < 0 ? indexOfItem(added, frame) : known;
  return closeItem(added, at < 0 ? added.items.length - 1 : at, item, events);
}

/** `whole`: all items, as the end of the stream repeats them. */
export function finishItems(output: Output, whole: Json | undefined, events: ChatEvent[]): Output {
  let next = openSilent(output, events);
  const items = isJsonArray(whole) ? whole : [];
  for (const [place, item] of items.entries()) {
    if (!isJsonObject(item)) continue;
    const id = text(item["id"]);
    const isKnown = next.items.some((known) => (id !== "" && known.id === id) || known.place === place);
    if (!isKnown) next = finishItem(next, { output_index: place, item }, events);
  }
  for (const [at, { done, id, place }] of next.items.entries()) {
    if (done) continue;
    const item = items.find((last) => isJsonObject(last) && id !== "" && last["id"] === id) ?? items[place];
    next = closeItem(next, at, isJsonObject(item) ? item : null, events);
  }
  return next;
}

/** `whole`: the item in full; what of it was not said yet is said now. `null`: it is not known. */
function closeItem(output: Output, at: number, whole: JsonObject | null, events: ChatEvent[]): Output {
  const before = output.items[at];
  if (before === undefined || before.done) return output;
  const parts = whole === null ? [] : decodeOutput([whole]);
  let { nextIndex } = output;
  for (const [place, part] of parts.entries()) {
    const block = before.blocks.find((known) => known.place === place);
    if (block !== undefined) closeBlock(block, part, events);
    else nextIndex = sayWhole(nextIndex, part, events);
  }
  for (const block of before.blocks) if (parts[block.place] === undefined) closeBlock(block, null, events);
  const called = parts.some((part) => part.type === "tool-call");
  const finished = withItem({ ...output, nextIndex }, at, (item) => ({
    ...item,
    blocks: item.blocks.map((b) => ({ ...b, done: true })),
    done: true,
  }));
  return called ? { ...finished, hasCalls: true } : finished;
}

/** The item that a frame is about, which is opened when it was not announced. */
function findItem(output: Output, frame: JsonObject): readonly [Output, number] {
  const at = indexOfItem(output, frame);
  if (at >= 0) return [output, at];
  const place = typeof frame["output_index"] === "number" ? frame["output_index"] : output.items.length;
  const added: Item = { place, id: text(frame["item_id"]), item: {}, blocks: [], done: false };
  return [withAdded(output, added), output.items.length];
}

function withAdded(output: Output, added: Item): Output {
  checkParts(output.items.length + 1);
  return { ...output, items: [...output.items, added] };
}

function indexOfItem({ items }: Output, { output_index: place, item_id: id }: JsonObject): number {
  if (typeof place === "number") return items.findLastIndex((item) => item.place === place);
  if (typeof id === "string") return items.findLastIndex((item) => item.id === id);
  return items.length - 1;
}

const positionOf = (item: Item | undefined, place: number): number =>
  item?.blocks.findLastIndex((block) => block.place === place) ?? -1;

/** Reasoning that has said nothing has its turn among the blocks all the same. */
function openSilent(output: Output, events: ChatEvent[]): Output {
  const at = output.items.findIndex(
    ({ item, blocks, done }) => item["type"] === "reasoning" && blocks.length === 0 && !done,
  );
  return at < 0 ? output : withBlock(output, at, "summary", 0, events);
}

function withBlock(output: Output, at: number, kind: Kind, place: number, events: ChatEvent[]): Output {
  const item = output.items[at]?.item ?? {};
  const block = openBlock(output.nextIndex, kind, place, startFields(item, kind, place), events);
  const next = withItem(output, at, (known) => ({ ...known, blocks: [...known.blocks, block] }));
  return { ...next, nextIndex: output.nextIndex + 1, hasCalls: output.hasCalls || kind === "tool-input" };
}

/** What a block's start says: of a call its id and name, and for this dialect alone the fields of the item. */
function startFields(item: JsonObject, kind: Kind, place: number): Part {
  if (kind === "tool-input") return decodeToolCall(item);
  if (kind === "text" || kind === "refusal") {
    return { type: kind, text: "", ...(place === 0 ? keep({ item: without(item, messageKeys) }) : {}) };
  }
  const own = { ...without(item, thoughtKeys), ...(kind === "raw" ? { raw: true } : {}) };
  return { type: "reasoning", text: "", ...keep(own) };
}

function withItem(output: Output, at: number, change: (item: Item) => Item): Output {
  const item = output.items[at];
  return item === undefined ? output : { ...output, items: output.items.with(at, change(item)) };
}

const text = (value: Json | undefined): string => (typeof value === "string" ? value : "");
const number = (value: Json | undefined): number => (typeof value === "number" ? value : 0);

const messageKeys = new Set(["type", "role", "content"]);
const thoughtKeys = new Set(["type", "summary", "content", "encrypted_content"]);
