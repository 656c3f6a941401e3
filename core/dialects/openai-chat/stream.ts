import type { ChatEvent } from "../../chat/event.ts";
import { isJsonArray, isJsonObject, type Json, type JsonObject } from "../../chat/json.ts";
import type { ReportedUsage } from "../../chat/usage.ts";
import type { StreamDecoder } from "../dialect.ts";
import { keepRest } from "../extensions.ts";
import { decodeError } from "../vendor-error.ts";
import { checkParts, type DecoderStep, readStreamEvent, streamDecoder, streamFault } from "../stream-event.ts";
import { sourcesOf } from "./citations.ts";
import { keep } from "./kept.ts";
import { decodeCreated } from "./response.ts";
import { type CandidateState, decodeChoice, endCandidate, newCandidate } from "./stream-candidate.ts";
import { decodeUsage, isInterimUsage } from "./usage.ts";

/** What is known of a stream so far. Never changed in place. */
export interface StreamState {
  readonly started: boolean;
  /** `[DONE]` came, or the stream ended: nothing follows. */
  readonly ended: boolean;
  readonly candidates: readonly CandidateState[];
  readonly usage: ReportedUsage | null;
  /** Fields of the chunks without a canonical name, the last of each. */
  readonly kept: JsonObject;
}

export const initialState: StreamState = { started: false, ended: false, candidates: [], usage: null, kept: {} };

type Step = DecoderStep<StreamState>;

/**
 * One frame's data. The answer ends with `[DONE]` or with `finish`, not with the first finish reason: usage, a second
 * finish chunk or signatures may follow it.
 */
export function step(state: StreamState, data: string, event: string | null): Step {
  if (state.ended || data.trim() === "") return [state, []];
  if (data.trim() === "[DONE]") return finish(state, true);
  const chunk = readStreamEvent(data, "is not a chat completion chunk");
  if (event === "error" || isGiven(chunk["error"])) throw streamFault(decodeError(chunk));

  const events: ChatEvent[] = [];
  const choices = isJsonArray(chunk["choices"]) ? chunk["choices"].filter(isJsonObject) : [];
  // Azure opens with a chunk about the prompt that has neither id, model nor choices.
  const starts = !state.started && (choices.length > 0 || isWord(chunk["id"]));
  if (starts) events.push(start(chunk));
  let { candidates } = state;
  for (const choice of choices) candidates = withChoice(candidates, choice, chunk["id"], events);
  const usage = readUsage(chunk);
  const kept = keepRest(state.kept, chunk, chunkKeys);
  return [
    {
      started: state.started || starts,
      ended: false,
      candidates,
      usage: usage === null ? state.usage : decodeUsage(usage, chunk["service_tier"] ?? state.kept["service_tier"]),
      kept: usage === null ? kept : { ...kept, usage },
    },
    events,
  ];
}

/** Closes what is open. `isDone`: the vendor said that this is the end. */
function finish(state: StreamState, isDone: boolean): Step {
  if (state.ended) return [state, []];
  const ended = { ...state, ended: true };
  if (!state.started) return [ended, []];
  const sources = sourcesOf(state.kept);
  const events = state.candidates.flatMap((candidate) => endCandidate(candidate, isDone, sources));
  return [ended, [...events, { type: "response-end", usage: state.usage, ...keep(state.kept) }]];
}

export const decodeStream = (): StreamDecoder =>
  streamDecoder(initialState, step, (state) => {
    const finished = state.candidates.length > 0 && state.candidates.every(({ finish: word }) => word !== null);
    const complete = state.ended || finished;
    // Output that is not counted yet would be free of charge.
    const isInterim = !complete && isJsonObject(state.kept["usage"]) && isInterimUsage(state.kept["usage"]);
    return { last: finish(isInterim ? { ...state, usage: null } : state, false), complete };
  });

/** Usage of a chunk; Groq has a place of its own for it. `null` when there is none. */
export function readUsage(chunk: JsonObject): JsonObject | null {
  const { usage, x_groq: groq } = chunk;
  if (isJsonObject(usage)) return usage;
  return isJsonObject(groq) && isJsonObject(groq["usage"]) ? groq["usage"] : null;
}

export const isGiven = (error: Json | undefined): boolean => error !== undefined && error !== null;

function start(chunk: JsonObject): ChatEvent {
  const { id, model, created } = chunk;
  return {
    type: "response-start",
    id: isWord(id) ? id : "",
    model: isWord(model) ? model : "",
    createdMs: decodeCreated(created),
  };
}

function withChoice(
  candidates: readonly CandidateState[],
  choice: JsonObject,
  id: Json | undefined,
  events: ChatEvent[],
): readonly CandidateState[] {
  const index = typeof choice["index"] === "number" ? choice["index"] : 0;
  const position = candidates.findIndex(({ candidate }) => candidate === index);
  if (position < 0) checkParts(candidates.length + 1);
  const [candidate, more] = decodeChoice(candidates[position] ?? newCandidate(index, isWord(id) ? id : ""), choice);
  events.push(...more);
  return position < 0 ? [...candidates, candidate] : candidates.with(position, candidate);
}

const isWord = (value: Json | undefined): value is string => typeof value === "string" && value !== "";

/** `obfuscation` and `p` are padding against traffic analysis. */
const chunkKeys = new Set(["id", "object", "created", "model", "choices", "usage", "obfuscation", "p"]);
