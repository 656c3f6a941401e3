import type { ChatEvent } from "../../chat/event.ts";
import { isJsonArray, isJsonObject, type Json, type JsonObject } from "../../chat/json.ts";
import type { StreamDecoder } from "../dialect.ts";
import { parseBody } from "../exact-json.ts";
import { keepRest } from "../extensions.ts";
import { checkParts, type DecoderStep, streamDecoder, streamFault } from "../stream-event.ts";
import { decodeError } from "./error.ts";
import { keep } from "./kept.ts";
import { blockReasonOf, candidatesOf, decodeCreated, notAnAnswer, withoutAnswer } from "./response.ts";
import { camelObject, inCamel } from "./spelling.ts";
import { type CandidateState, decodeChunk, endCandidate, newCandidate } from "./stream-candidate.ts";
import { decodeUsage, hasCounts, searchesIn, withSearches } from "./usage.ts";

/** What is known of a stream so far. */
export interface StreamState {
  readonly started: boolean;
  /** `finish` was called: nothing follows. */
  readonly ended: boolean;
  readonly candidates: readonly CandidateState[];
  /** The last totals, as they came; most are of no use, so none is read before the end. */
  readonly totals: JsonObject | null;
  /** Of the web; the most that a chunk named. */
  readonly searches: number;
  /** The last report does not count all that has come. */
  readonly uncounted: boolean;
  /** Fields of the chunks without a canonical name, the last of each. */
  readonly kept: JsonObject;
}

const initialState: StreamState = {
  started: false,
  ended: false,
  candidates: [],
  totals: null,
  searches: 0,
  uncounted: false,
  kept: {},
};

type Step = DecoderStep<StreamState>;

/** One chunk. Nothing says that it is the last: signatures, sources and usage may follow a finish reason. */
function step(state: StreamState, data: string, event: string | null): Step {
  if (state.ended || data.trim() === "") return [state, []];
  const chunk = readChunk(data);
  if (event === "error" || isGiven(chunk["error"])) throw streamFault(decodeError(chunk));

  const events: ChatEvent[] = [];
  const said = candidatesOf(chunk);
  const id = wordOr(chunk["responseId"], "");
  const starts = !state.started && (said.length > 0 || id !== "" || blockReasonOf(chunk) !== null);
  if (starts) {
    const createdMs = decodeCreated(chunk["createTime"]);
    events.push({ type: "response-start", id, model: wordOr(chunk["modelVersion"], ""), createdMs });
  }
  let { candidates } = state;
  for (const candidate of said) candidates = withCandidate(candidates, candidate, id, events);
  const { usageMetadata } = chunk;
  const totals = isJsonObject(usageMetadata) && hasCounts(inCamel(usageMetadata)) ? usageMetadata : state.totals;
  return [
    {
      started: state.started || starts,
      ended: false,
      candidates,
      totals,
      searches: Math.max(
        state.searches,
        said.reduce((sum, candidate) => sum + searchesIn(candidate, chunk["modelVersion"]), 0),
      ),
      uncounted: isUncounted(chunk, said) ?? state.uncounted,
      kept: keepRest(state.kept, chunk, totals === usageMetadata ? chunkAndTotals : chunkKeys),
    },
    events,
  ];
}

/** Closes what is open. */
function finish(state: StreamState): Step {
  if (state.ended) return [state, []];
  const ended = { ...state, ended: true };
  if (!state.started) return [ended, []];
  const events = state.candidates.flatMap(endCandidate);
  // A prompt that was blocked has no answer.
  const none = withoutAnswer(blockReasonOf(state.kept));
  if (events.length === 0) events.push({ type: "candidate-end", candidate: 0, finish: none.finish });
  const usage = withSearches(decodeUsage(state.totals ?? undefined), state.searches);
  const kept = state.totals === null ? state.kept : { ...state.kept, usageMetadata: state.totals };
  return [ended, [...events, { type: "response-end", usage, ...keep(kept) }]];
}

export const decodeStream = (): StreamDecoder =>
  streamDecoder(initialState, step, (state) => {
    const { candidates } = state;
    const complete =
      candidates.length > 0
        ? candidates.every(({ finish: word }) => word !== null)
        : blockReasonOf(state.kept) !== null;
    // Output that is not counted yet would be free of charge.
    return { last: finish(!complete && state.uncounted ? { ...state, totals: null } : state), complete };
  });

/**
 * Whether the chunk brings output that no report counts yet; `null`: it neither brings nor counts any. Reports are of all
 * that came with them and before, but the first ones of a stream do not know the answer, or the thoughts, yet.
 */
export function isUncounted(chunk: JsonObject, candidates: readonly JsonObject[]): boolean | null {
  const { candidatesTokenCount, thoughtsTokenCount } = camelObject(chunk["usageMetadata"]);
  let isSaid = false;
  let isThought = false;
  for (const candidate of candidates) {
    const { parts } = camelObject(candidate["content"]);
    for (const part of isJsonArray(parts) ? parts : [parts]) {
      if (!isJsonObject(part) || part["text"] === "") continue;
      if (part["thought"] === true) isThought = true;
      else isSaid = true;
    }
  }
  if (isSaid) return candidatesTokenCount === undefined;
  if (isThought) return thoughtsTokenCount === undefined && candidatesTokenCount === undefined;
  return candidatesTokenCount === undefined ? null : false;
}

export const isGiven = (error: Json | undefined): boolean => error !== undefined && error !== null;

function readChunk(data: string): JsonObject {
  let chunk: unknown;
  try {
    chunk = parseBody(data);
  } catch {
    throw notAnAnswer(); // The engine's message would quote the answer.
  }
  // An error in the framing of an array.
  if (isJsonArray(chunk) && isJsonObject(chunk[0]) && isGiven(chunk[0]["error"])) return chunk[0];
  if (!isJsonObject(chunk)) throw notAnAnswer();
  return inCamel(chunk);
}

function withCandidate(
  candidates: readonly CandidateState[],
  chunk: JsonObject,
  responseId: string,
  events: ChatEvent[],
): readonly CandidateState[] {
  const index = typeof chunk["index"] === "number" ? chunk["index"] : 0;
  const position = candidates.findIndex(({ candidate }) => candidate === index);
  if (position < 0) checkParts(candidates.length + 1);
  const candidate = decodeChunk(candidates[position] ?? newCandidate(index, responseId), chunk, events);
  return position < 0 ? [...candidates, candidate] : candidates.with(position, candidate);
}

const wordOr = (value: Json | undefined, other: string): string => (typeof value === "string" ? value : other);

const chunkKeys = new Set(["candidates", "modelVersion", "responseId"]);
const chunkAndTotals = new Set([...chunkKeys, "usageMetadata"]);
