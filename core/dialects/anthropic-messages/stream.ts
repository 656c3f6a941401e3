import type { ChatEvent } from "../../chat/event.ts";
import { isJsonArray, isJsonObject, type Json, type JsonObject } from "../../chat/json.ts";
import type { StreamDecoder } from "../dialect.ts";
import { parseBody } from "../exact-json.ts";
import { without } from "../extensions.ts";
import { decodeError } from "../vendor-error.ts";
import { type DecoderStep, notAnEvent, readStreamEvent, streamDecoder, streamFault } from "../stream-event.ts";
import { decodeFinish } from "./finish.ts";
import { keep } from "./kept.ts";
import { responseKeys } from "./response.ts";
import { addDelta, endBlock, noBlocks, type OpenBlocks, startBlock } from "./stream-blocks.ts";
import { decodeUsage, laterUsage } from "./usage.ts";

/** What is known of a stream so far. Never changed in place. */
interface StreamState {
  readonly started: boolean;
  /** `message_stop` came, or the stream ended: nothing follows. */
  readonly ended: boolean;
  readonly blocks: OpenBlocks;
  readonly stopReason: string | null;
  readonly stopSequence: string | null;
  /** All reports of usage, the last of each field. */
  readonly usage: JsonObject;
  /** The usage covers the output: what `message_start` tells is only the beginning of it. */
  readonly isCounted: boolean;
  /** Fields of the message and of `message_delta` without a canonical name, the last of each. */
  readonly kept: JsonObject;
  /** The same of what `message_delta` tells of the message itself. */
  readonly keptDelta: JsonObject;
}

const initialState: StreamState = {
  started: false,
  ended: false,
  blocks: noBlocks,
  stopReason: null,
  stopSequence: null,
  usage: {},
  isCounted: false,
  kept: {},
  keptDelta: {},
};

/** Of an event that is refused. */
const rule = "is none of a message";

type Step = DecoderStep<StreamState>;

/** One frame's data. Events of types that are not known here say nothing and are passed over. */
function step(state: StreamState, data: string, event: string | null): Step {
  if (state.ended || data.trim() === "") return [state, []];
  // A call's input may come whole with the start of its block.
  const said = readStreamEvent(data, rule, parseBody);
  const type = said["type"] ?? event;
  if (type === "error" || event === "error" || (said["type"] === undefined && isJsonObject(said["error"]))) {
    const fault = decodeError(said);
    throw streamFault(fault, fault.code ?? fault.type);
  }
  if (type === "message_start") return start(state, said);
  if (!isOfMessage.has(type)) return [state, []];
  if (!state.started) throw notAnEvent(rule);
  switch (type) {
    case "content_block_start":
      return withBlocks(state, startBlock(state.blocks, placeOf(said), object(said["content_block"])));
    case "content_block_delta":
      return withBlocks(state, addDelta(state.blocks, placeOf(said), object(said["delta"])));
    case "content_block_stop":
      return withBlocks(state, endBlock(state.blocks, placeOf(said)));
    case "message_delta":
      return [withDelta(state, said), []];
    default:
      return finish(state, true);
  }
}

/** Closes what is open. `isDone`: the vendor said that this is the end. */
function finish(state: StreamState, isDone: boolean): Step {
  if (state.ended) return [state, []];
  const ended = { ...state, ended: true };
  if (!state.started) return [ended, []];
  let { blocks } = state;
  const events: ChatEvent[] = [];
  for (const { place } of state.blocks.open) {
    const [next, more] = endBlock(blocks, place);
    blocks = next;
    events.push(...more);
  }
  const reason = state.stopReason ?? (isDone ? "end_turn" : null);
  events.push(
    {
      type: "candidate-end",
      candidate: 0,
      finish: { ...decodeFinish(reason, state.stopSequence, blocks.endsInCall), raw: state.stopReason },
      ...keep(state.keptDelta),
    },
    {
      type: "response-end",
      usage: state.isCounted ? decodeUsage(state.usage) : null,
      ...keep({ ...state.kept, ...(state.isCounted ? { usage: state.usage } : {}) }),
    },
  );
  return [ended, events];
}

export const decodeStream = (): StreamDecoder =>
  streamDecoder(initialState, step, (state) => ({
    last: finish(state, false),
    complete: state.ended || state.stopReason !== null,
  }));

function start(state: StreamState, said: JsonObject): Step {
  if (state.started) throw notAnEvent(rule);
  const message = object(said["message"]);
  const { id, model, usage, content, stop_reason: reason, stop_sequence: sequence } = message;
  const kept = without(message, messageKeys);
  const events: ChatEvent[] = [
    {
      type: "response-start",
      id: typeof id === "string" ? id : "",
      model: typeof model === "string" ? model : "",
      createdMs: 0,
      ...keep({ ...kept, ...(isJsonObject(usage) ? { usage } : {}) }),
    },
  ];
  // A call that code of the provider makes comes whole, with the reason to stop and without any event of its own.
  let blocks = state.blocks;
  for (const [i, block] of (isJsonArray(content) ? content : []).entries()) {
    const [opened, started] = startBlock(blocks, -1 - i, object(block));
    const [closed, ended] = endBlock(opened, -1 - i);
    blocks = closed;
    events.push(...started, ...ended);
  }
  return [
    {
      ...state,
      started: true,
      blocks,
      stopReason: typeof reason === "string" ? reason : null,
      stopSequence: typeof sequence === "string" ? sequence : null,
      usage: laterUsage({}, usage),
      isCounted: typeof reason === "string",
      kept,
    },
    events,
  ];
}

/** Not all of several deltas tell the reason. */
function withDelta(state: StreamState, said: JsonObject): StreamState {
  const delta = object(said["delta"]);
  const { stop_reason: reason, stop_sequence: sequence } = delta;
  return {
    ...state,
    stopReason: typeof reason === "string" ? reason : state.stopReason,
    stopSequence: typeof sequence === "string" ? sequence : state.stopSequence,
    usage: laterUsage(state.usage, said["usage"]),
    isCounted: state.isCounted || tellsOutput(said["usage"]),
    kept: { ...state.kept, ...without(said, deltaEventKeys) },
    keptDelta: { ...state.keptDelta, ...without(delta, deltaKeys) },
  };
}

export const tellsOutput = (usage: Json | undefined): boolean =>
  isJsonObject(usage) && usage["output_tokens"] !== undefined && usage["output_tokens"] !== null;

const withBlocks = (state: StreamState, [blocks, events]: readonly [OpenBlocks, readonly ChatEvent[]]): Step => [
  blocks === state.blocks ? state : { ...state, blocks },
  events,
];

const placeOf = ({ index }: JsonObject): number => (typeof index === "number" ? index : 0);
const object = (value: Json | undefined): JsonObject => (isJsonObject(value) ? value : {});

const isOfMessage: ReadonlySet<Json> = new Set([
  "content_block_start",
  "content_block_delta",
  "content_block_stop",
  "message_delta",
  "message_stop",
]);
const messageKeys = new Set([...responseKeys, "usage"]);
const deltaEventKeys = new Set(["type", "delta", "usage"]);
const deltaKeys = new Set(["stop_reason", "stop_sequence"]);
