import type { ChatEvent } from "../../chat/event.ts";
import { isJsonObject, type Json, type JsonObject } from "../../chat/json.ts";
import type { StreamDecoder } from "../dialect.ts";
import { without } from "../extensions.ts";
import { decodeError } from "../vendor-error.ts";
import { type DecoderStep, readStreamEvent, streamDecoder, streamFault } from "../stream-event.ts";
import { decodeFinish } from "./finish.ts";
import { keep } from "./kept.ts";
import { decodeCreated } from "./response.ts";
import {
  addAnnotation,
  addDelta,
  addItem,
  finishItem,
  finishItems,
  type Output,
  noOutput,
  openPart,
} from "./stream-items.ts";
import { decodeUsage } from "./usage.ts";

/** What is known of a stream so far. Never changed in place. */
interface StreamState {
  readonly started: boolean;
  /** The answer came to its end; nothing follows. */
  readonly ended: boolean;
  readonly output: Output;
}

const initialState: StreamState = { started: false, ended: false, output: noOutput };

type Step = DecoderStep<StreamState>;

/** One frame's data. What an event is, its `type` says; the `event:` line repeats it, and some vendors leave it out. */
function step(state: StreamState, data: string, event: string | null): Step {
  if (state.ended || data.trim() === "" || data.trim() === "[DONE]") return [state, []];
  const frame = readStreamEvent(data, "is not one of a response");
  const type = typeof frame["type"] === "string" ? frame["type"] : (event ?? "");
  if (type === "error" || type === "response.failed" || (frame["type"] === undefined && isJsonObject(frame["error"]))) {
    throw streamFault(decodeError(isJsonObject(frame["response"]) ? frame["response"] : frame));
  }
  const events: ChatEvent[] = [];
  const started = state.started ? state : start(state, frame["response"], type, events);
  if (type === "response.completed" || type === "response.incomplete" || type === "response.cancelled") {
    return finish(started, frame["response"], events);
  }
  const output = addToOutput(started.output, type, frame, events);
  return [output === started.output ? started : { ...started, output }, events];
}

export const decodeStream = (): StreamDecoder =>
  streamDecoder(initialState, step, (state) => {
    if (state.ended || !state.started) return { last: [state, []], complete: state.ended };
    return { last: finish(state, undefined, []), complete: false };
  });

function addToOutput(output: Output, type: string, frame: JsonObject, events: ChatEvent[]): Output {
  switch (type) {
    case "response.output_text.delta":
    case "response.refusal.delta":
    case "response.reasoning_summary_text.delta":
    case "response.reasoning_text.delta":
    case "response.function_call_arguments.delta":
    case "response.custom_tool_call_input.delta":
      return addDelta(output, type, frame, events);
    case "response.output_item.added":
      return addItem(output, frame, events);
    case "response.content_part.added":
      return openPart(output, frame, events);
    case "response.output_text.annotation.added":
      return addAnnotation(output, frame);
    case "response.output_item.done":
      return finishItem(output, frame, events);
    default: // Progress of tools that the provider runs, and repetitions of what came in pieces.
      return output;
  }
}

/** A stream that was joined late, or whose vendor leaves the beginning out, begins with its first word. */
function start(state: StreamState, response: Json | undefined, type: string, events: ChatEvent[]): StreamState {
  if (!isJsonObject(response) && !type.startsWith("response.")) return state;
  const { id, model, created_at: created, ...own } = isJsonObject(response) ? response : {};
  events.push({
    type: "response-start",
    id: isWord(id) ? id : "",
    model: isWord(model) ? model : "",
    createdMs: decodeCreated(created),
    ...keep(without(own, headKeys)),
  });
  return { ...state, started: true };
}

/** Closes what is open. `response`: the whole answer, as the last event repeats it. */
function finish(state: StreamState, response: Json | undefined, events: ChatEvent[]): Step {
  const whole = isJsonObject(response) ? response : {};
  const output = finishItems(state.output, whole["output"], events);
  events.push({ type: "candidate-end", candidate: 0, finish: decodeFinish(whole, output.hasCalls) });
  const usage = decodeUsage(whole["usage"], whole["service_tier"], whole["output"]);
  events.push({ type: "response-end", usage, ...keep(without(whole, wholeKeys)) });
  return [{ ...state, ended: true, output }, events];
}

const isWord = (value: Json | undefined): value is string => typeof value === "string" && value !== "";

const headKeys = new Set(["object", "output", "usage"]);
const wholeKeys = new Set(["id", "object", "created_at", "model", "output"]);
