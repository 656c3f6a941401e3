import type { ChatEvent } from "../../chat/event.ts";
import { isJsonObject, type JsonObject } from "../../chat/json.ts";
import type { Citation } from "../../chat/request.ts";
import { isEmpty, keepRest } from "../extensions.ts";
import { decodeAnnotations } from "./citations.ts";
import { decodeFinish } from "./finish.ts";
import { decodeImages } from "./images.ts";
import { keep, kept } from "./kept.ts";
import { decodeAudio } from "./messages.ts";
import { closeProse, noReasoning, type Prose, proseDeltas, type ReasoningState, say } from "./stream-prose.ts";
import { addToTool, endTools, toolDeltas, type ToolState } from "./stream-tools.ts";

/** What is known of one of the answers. Never changed in place. */
export interface CandidateState {
  readonly candidate: number;
  /** The vendor's id of the answer, from which ids of calls are made when it gives none. */
  readonly responseId: string;
  /** The index of the next block. */
  readonly nextIndex: number;
  /** The open block of text, reasoning or refusal; tools stay open to the end, because their pieces may interleave. */
  readonly prose: Prose | null;
  readonly reasoning: ReasoningState;
  readonly citations: readonly Citation[];
  readonly tools: readonly ToolState[];
  readonly audio: JsonObject;
  /** The vendor's first word; `null` until one came. */
  readonly finish: string | null;
  /** Fields of the choice and its deltas without a canonical name, the last of each. */
  readonly kept: JsonObject;
}

export const newCandidate = (candidate: number, responseId: string): CandidateState => ({
  candidate,
  responseId,
  nextIndex: 0,
  prose: null,
  reasoning: noReasoning,
  citations: [],
  tools: [],
  audio: {},
  finish: null,
  kept: {},
});

type Step = readonly [CandidateState, readonly ChatEvent[]];

export function decodeChoice(state: CandidateState, choice: JsonObject): Step {
  const events: ChatEvent[] = [];
  const delta = isJsonObject(choice["delta"])
    ? choice["delta"]
    : isJsonObject(choice["message"])
      ? choice["message"]
      : {};
  const word = choice["finish_reason"];
  const finish = state.finish ?? (typeof word === "string" ? word : null);
  const rest = keepRest(state.kept, choice, choiceKeys);
  let next = finish === state.finish && rest === state.kept ? state : { ...state, finish, kept: rest };
  const { audio, annotations } = delta;
  if (isJsonObject(audio)) next = { ...next, audio: joinAudio(state.audio, audio) };
  const citations = decodeAnnotations(annotations);
  if (citations.length > 0) next = { ...next, citations: [...state.citations, ...citations] };
  for (const piece of proseDeltas(delta, choice["logprobs"])) next = say(next, piece, events);
  for (const part of decodeImages(delta["images"])) {
    next = closeProse(next, events);
    events.push({ type: "media", candidate: next.candidate, index: next.nextIndex, part });
    next = { ...next, nextIndex: next.nextIndex + 1 };
  }
  const calls = toolDeltas(delta);
  if (calls.length > 0) next = closeProse(next, events);
  for (const call of calls) next = addToTool(next, call, events);
  return [next, events];
}

/**
 * A candidate without a finish reason stopped if the stream came to its own end, and was cut off if not. `sources`: of the
 * whole answer, told with the text that is open where nothing else is.
 */
export function endCandidate(
  state: CandidateState,
  isDone: boolean,
  sources: readonly Citation[],
): readonly ChatEvent[] {
  const events: ChatEvent[] = [];
  const isUncited = state.prose?.kind === "text" && state.citations.length === 0;
  const told = isUncited ? { ...state, citations: sources } : state;
  const closed = endTools(closeProse(told, events), events);
  const audio = isEmpty(closed.audio) ? null : decodeAudio(closed.audio);
  if (audio !== null) events.push({ type: "media", candidate: closed.candidate, index: closed.nextIndex, part: audio });
  const message = {
    ...(audio !== null || isEmpty(closed.audio) ? {} : { audio: closed.audio }),
    ...(closed.citations.length === 0 ? {} : { annotations: closed.citations.map(kept) }),
  };
  events.push({
    type: "candidate-end",
    candidate: closed.candidate,
    finish: { ...decodeFinish(closed.finish ?? (isDone ? "stop" : null), closed.tools.length > 0), raw: closed.finish },
    ...keep({ ...closed.kept, ...(isEmpty(message) ? {} : { message }) }),
  });
  return events;
}

/** Data and transcript come in pieces, the id and the expiry once. */
function joinAudio(audio: JsonObject, piece: JsonObject): JsonObject {
  const join = (field: string): JsonObject => {
    const text = [audio[field], piece[field]].filter((part) => typeof part === "string");
    return text.length === 0 ? {} : { [field]: text.join("") };
  };
  return { ...audio, ...piece, ...join("data"), ...join("transcript") };
}

const choiceKeys = new Set(["index", "delta", "message", "text", "finish_reason", "logprobs"]);
