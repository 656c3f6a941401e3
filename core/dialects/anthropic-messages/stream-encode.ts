import type { ChatEvent } from "../../chat/event.ts";
import { isJsonObject, type JsonObject } from "../../chat/json.ts";
import { sameJson, without } from "../extensions.ts";
import type { StreamEncoder } from "../dialect.ts";
import { encodeFinish } from "./finish.ts";
import { kept } from "./kept.ts";
import { frame, noBlock, type OpenBlock, writeBlock } from "./stream-block-encode.ts";
import { encodeUsage } from "./usage.ts";

type BlockEvent = Exclude<ChatEvent, { type: "response-start" | "response-end" | "candidate-end" }>;
type CandidateEnd = ChatEvent & { type: "candidate-end" };

interface EncodeState {
  /** The block that is being written; blocks of this protocol never overlap. */
  readonly open: OpenBlock;
  /** Blocks that began meanwhile, in order, each with its events so far. */
  readonly waiting: readonly (readonly BlockEvent[])[];
  /** What `message_start` said besides. */
  readonly head: JsonObject;
  readonly end: CandidateEnd | null;
}

/** Events as Anthropic sends them. Usage is known at the end, so it is told whole in `message_delta`. */
export function encodeStream(): StreamEncoder {
  let state: EncodeState = { open: noBlock, waiting: [], head: {}, end: null };
  return {
    step(event) {
      const [next, text] = step(state, event);
      state = next;
      return text;
    },
  };
}

type Step = readonly [EncodeState, string];

function step(state: EncodeState, event: ChatEvent): Step {
  switch (event.type) {
    case "response-start":
      return start(state, event);
    case "response-end":
      return [state, end(state, event)];
    case "candidate-end":
      return [event.candidate === 0 ? { ...state, end: event } : state, ""];
    default:
      // The protocol has one answer.
      return event.candidate === 0 ? addBlockEvent(state, event) : [state, ""];
  }
}

function addBlockEvent(state: EncodeState, event: BlockEvent): Step {
  const { open } = state;
  if (open.block >= 0 && event.index !== open.block) return [wait(state, event), ""];
  const [next, text] = writeBlock(open, event);
  if (next.block >= 0) return [next === open ? state : { ...state, open: next }, text];
  return resume({ ...state, open: next }, text);
}

/** Writes what waited, up to a block that has not come to its end. */
function resume(state: EncodeState, before: string): Step {
  let { open } = state;
  let text = before;
  for (const [i, events] of state.waiting.entries()) {
    for (const event of events) {
      const [next, more] = writeBlock(open, event);
      open = next;
      text += more;
    }
    if (open.block >= 0) return [{ ...state, open, waiting: state.waiting.slice(i + 1) }, text];
  }
  return [{ ...state, open, waiting: [] }, text];
}

function wait(state: EncodeState, event: BlockEvent): EncodeState {
  const position = state.waiting.findIndex(([first]) => first?.index === event.index);
  const queue = state.waiting[position];
  const waiting = queue === undefined ? [...state.waiting, [event]] : state.waiting.with(position, added(queue, event));
  return { ...state, waiting };
}

/** Pieces that follow each other are one: a long input would be copied over and over. */
function added(queue: readonly BlockEvent[], event: BlockEvent): readonly BlockEvent[] {
  const last = queue.at(-1);
  if (last === undefined || !("text" in last) || !("text" in event) || last.type !== event.type)
    return [...queue, event];
  return queue.with(-1, { ...last, text: last.text + event.text });
}

function start(state: EncodeState, event: ChatEvent & { type: "response-start" }): Step {
  const { usage, ...own } = kept(event);
  const message = {
    id: event.id,
    type: "message",
    role: "assistant",
    model: event.model,
    content: [],
    stop_reason: null,
    stop_sequence: null,
    stop_details: null,
    ...own,
    usage: usage ?? unknownUsage,
  };
  return [{ ...state, head: own }, frame("message_start", { type: "message_start", message })];
}

/** Clients take the numbers from here until those of `message_delta` come. */
const unknownUsage: JsonObject = {
  input_tokens: 0,
  cache_creation_input_tokens: 0,
  cache_read_input_tokens: 0,
  output_tokens: 0,
  service_tier: "standard",
};

function end({ end: candidate, head }: EncodeState, event: ChatEvent & { type: "response-end" }): string {
  const { usage: rawUsage, stop_details: details, container, ...own } = kept(event);
  const finish = candidate?.finish ?? { reason: "other", raw: null };
  const delta = {
    stop_reason: encodeFinish(finish),
    stop_sequence: finish.stopSequence ?? null,
    ...(details === undefined ? {} : { stop_details: details }),
    ...(container === undefined ? {} : { container }),
    ...kept(candidate ?? undefined),
  };
  const more = Object.entries(own).filter(([key, value]) => !sameJson(value, head[key]));
  const usage = deltaUsage(encodeUsage(event.usage, rawUsage));
  return (
    frame("message_delta", { type: "message_delta", delta, usage, ...Object.fromEntries(more) }) +
    frame("message_stop", { type: "message_stop" })
  );
}

/** The totals. That some cache writes live for an hour is told in `message_start` where it is known there. */
function deltaUsage(usage: JsonObject): JsonObject {
  const { cache_creation: created, ...totals } = without(usage, startKeys);
  const hasHour = isJsonObject(created) && (created["ephemeral_1h_input_tokens"] ?? 0) !== 0;
  return hasHour ? { ...totals, cache_creation: created } : totals;
}

const startKeys = new Set(["service_tier", "inference_geo", "speed"]);
