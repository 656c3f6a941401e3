import type { ChatEvent } from "../../chat/event.ts";
import type { JsonObject } from "../../chat/json.ts";
import type { ChatRequest } from "../../chat/request.ts";
import type { ErrorBody, StreamEncoder } from "../dialect.ts";
import { tierField } from "../openai-chat/usage.ts";
import { answerFields } from "./answer.ts";
import { encodeStreamError, errorEvent, failure } from "./error.ts";
import { encodeFinish } from "./finish.ts";
import { kept } from "./kept.ts";
import { endFields, usageField } from "./response.ts";
import { encodeBlock, finishAll, type Frame, newOutput, type OutputState, outputItems } from "./stream-encode-items.ts";

interface EncodeState {
  /** `sequence_number` of the next frame. */
  readonly sequence: number;
  readonly start: (ChatEvent & { type: "response-start" }) | null;
  readonly output: OutputState;
  /** `status`, `error` and `incomplete_details`; of an answer without a candidate, those of an empty one. */
  readonly ended: JsonObject;
}

/**
 * Frames as OpenAI sends them, each with its type in the `event:` line too and numbered from 0: the answer without output,
 * its items as they come, the whole answer with its usage. There is no `[DONE]`.
 */
export function encodeStream({ asked }: { readonly asked?: ChatRequest }): StreamEncoder {
  const ended = encodeFinish({ reason: "other", raw: null });
  let state: EncodeState = { sequence: 0, start: null, output: newOutput("", asked), ended };
  return {
    step(event) {
      const [next, frames] = step(state, event, asked);
      state = { ...next, sequence: state.sequence + frames.length };
      return written(frames, state.sequence - frames.length);
    },
    error(error) {
      const { start, sequence } = state;
      if (start === null) return encodeStreamError(error);
      // The service itself sends both: some clients look for the one, some for the other.
      return written([errorEvent(error), failed(state, start, error, asked)], sequence);
    },
  };
}

function step(
  state: EncodeState,
  event: ChatEvent,
  asked: ChatRequest | undefined,
): readonly [EncodeState, readonly Frame[]] {
  if (event.type === "response-start") {
    const started = { ...state, start: event, output: newOutput(event.id, asked) };
    const response = answer(event, asked, kept(event), { status: "in_progress" }, [], null);
    const frames = ["response.created", "response.in_progress"].map((type) => ({ type, response }));
    return [started, frames];
  }
  const { start } = state;
  if (start === null) return [state, []];
  if (event.type === "response-end") {
    const own = kept(event);
    const ended = endFields(state.ended, own);
    const usage = usageField(event.usage, own["usage"]);
    const told = { ...tierField(event.usage), ...kept(start), ...own };
    const response = answer(start, asked, told, ended, outputItems(state.output), usage);
    const { status } = ended;
    const type = status === "failed" || status === "incomplete" ? `response.${status}` : "response.completed";
    return [state, [{ type, response }]];
  }
  if (event.candidate !== 0) return [state, []]; // There is no word for a second answer.
  if (event.type === "candidate-end") {
    const ended = encodeFinish(event.finish);
    const [output, frames] = finishAll(state.output, ended["status"] === "incomplete" ? "incomplete" : "completed");
    return [{ ...state, output, ended }, frames];
  }
  const [output, frames] = encodeBlock(state.output, event);
  return [output === state.output ? state : { ...state, output }, frames];
}

function failed(
  state: EncodeState,
  start: NonNullable<EncodeState["start"]>,
  error: ErrorBody,
  asked: ChatRequest | undefined,
): Frame {
  const ended = { status: "failed", error: failure(error), incomplete_details: null };
  const [output] = finishAll(state.output, "incomplete");
  return {
    type: "response.failed",
    response: answer(start, asked, kept(start), ended, outputItems(output), null),
  };
}

const answer = (
  start: NonNullable<EncodeState["start"]>,
  asked: ChatRequest | undefined,
  own: JsonObject,
  ended: JsonObject,
  output: readonly JsonObject[],
  usage: JsonObject[string],
): JsonObject => ({ ...answerFields(start, asked, own), ...ended, output, usage });

/** The number goes behind the type, which is a frame's first member and never needs an escape. */
function written(frames: readonly Frame[], sequence: number): string {
  let text = "";
  for (const [i, frame] of frames.entries()) {
    const { type } = frame;
    const members = JSON.stringify(frame).slice('{"type":""'.length + type.length);
    text += `event: ${type}\ndata: {"type":"${type}","sequence_number":${sequence + i}${members}\n\n`;
  }
  return text;
}
