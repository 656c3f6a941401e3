import type { ChatEvent } from "../../chat/event.ts";
import { isJsonObject, type Json, type JsonObject } from "../../chat/json.ts";
import type { Citation, Part } from "../../chat/request.ts";
import { keepRest, without } from "../extensions.ts";
import { answerIds, type CallIds } from "./call-ids.ts";
import { citationsOf } from "./citations.ts";
import { decodeFinish, finishWord } from "./finish.ts";
import { keep } from "./kept.ts";
import { decodeLogprobs } from "./logprobs.ts";
import { withPartialArgs } from "./partial-args.ts";
import { candidateKeys, citedFields, upstreamPart, upstreamParts } from "./response.ts";
import { camelObject, inCamel } from "./spelling.ts";

/** One candidate of a stream so far. `ids` and the open block are its own: a state is not used again. */
export interface CandidateState {
  readonly candidate: number;
  readonly ids: CallIds;
  /** The index of the next block. */
  readonly next: number;
  readonly open: OpenBlock | null;
  /** A call whose arguments come in pieces: its part as it will be. */
  readonly call: JsonObject | null;
  readonly hasCalls: boolean;
  /** All text so far: sources are cited by their place in it. */
  readonly text: string;
  /** Where in it the last block that has any starts. */
  readonly lastText: number;
  /** What texts that have ended cite, by its place in all text: sources may come later than the end. */
  readonly told: readonly Citation[];
  /** The finish word; `null`: none has come. */
  readonly finish: string | null;
  /** Its own fields, the last of each. */
  readonly kept: JsonObject;
}

interface OpenBlock {
  readonly kind: "text" | "reasoning";
  readonly index: number;
  /** Where in all of the text it starts. */
  readonly start: number;
  readonly end: Pick<Part & { type: "reasoning" }, "signature" | "encrypted" | "extensions">;
}

export const newCandidate = (candidate: number, responseId: string): CandidateState => ({
  candidate,
  ids: answerIds(responseId, candidate),
  next: 0,
  open: null,
  call: null,
  hasCalls: false,
  text: "",
  lastText: 0,
  told: [],
  finish: null,
  kept: {},
});

/** What one chunk says of a candidate; `chunk` in camel case. */
export function decodeChunk(state: CandidateState, chunk: JsonObject, events: ChatEvent[]): CandidateState {
  const content = camelObject(chunk["content"]);
  const hasMore = Object.keys(content).some((key) => !contentKeys.has(key));
  // Before the parts: a text that ends here may have its sources here.
  const said = hasMore ? { ...chunk, own: without(content, contentKeys) } : chunk;
  const kept = keepRest(state.kept, said, candidateAndLogprobs);
  let next = kept === state.kept ? state : { ...state, kept };
  let logprobs = decodeLogprobs(chunk["logprobsResult"]);
  for (const part of upstreamParts(content)) {
    next = withPart(next, part, logprobs, events);
    if (next.open?.kind === "text") logprobs = undefined;
  }
  if (logprobs !== undefined) next = { ...next, kept: { ...next.kept, logprobsResult: chunk["logprobsResult"] } };
  const finish = finishWord(chunk["finishReason"]);
  return finish === null ? next : { ...next, finish };
}

export function endCandidate(before: CandidateState): readonly ChatEvent[] {
  const events: ChatEvent[] = [];
  const whole = before.call === null ? before : endCall(before, before.call, events);
  const state = withLateSources(closed(whole, events, true), whole, events);
  const { own, ...kept } = state.kept;
  return [
    ...events,
    {
      type: "candidate-end",
      candidate: state.candidate,
      finish: decodeFinish(state.finish ?? undefined, state.hasCalls),
      ...keep({ ...kept, ...(own === undefined ? {} : { content: own }) }),
    },
  ];
}

function withPart(
  state: CandidateState,
  part: JsonObject,
  logprobs: Json | undefined,
  events: ChatEvent[],
): CandidateState {
  const { functionCall } = part;
  if (isJsonObject(functionCall)) {
    const call = inCamel(functionCall);
    const isPartial = state.call !== null || call["willContinue"] === true || call["partialArgs"] !== undefined;
    if (isPartial) return withPartialCall(state, part, call, events);
  }
  const decoded = upstreamPart(part, state.ids);
  if (decoded.type === "text" || decoded.type === "reasoning") return withProse(state, decoded, logprobs, events);
  const before = closed(state, events, false);
  const at = { candidate: before.candidate, index: before.next };
  const after = { ...before, next: before.next + 1 };
  if (decoded.type === "tool-call") {
    const { id, name, input, type: _type, cache: _cache, ...end } = decoded;
    events.push({ type: "tool-input-start", ...at, id, name });
    if (input !== "") events.push({ type: "tool-input-delta", ...at, text: input });
    events.push({ type: "tool-input-end", ...at, ...end });
    return { ...after, hasCalls: true };
  }
  if (decoded.type === "media") events.push({ type: "media", ...at, part: decoded });
  else events.push({ type: "other", ...at, extensions: decoded.extensions ?? keep({ part }).extensions ?? {} });
  return after;
}

/** A signature belongs to all that was said before it in one block; often it comes alone, on an empty text. */
function withProse(
  state: CandidateState,
  part: Part & { type: "text" | "reasoning" },
  logprobs: Json | undefined,
  events: ChatEvent[],
): CandidateState {
  const { type: kind, text, signature, extensions } = part;
  const encrypted = part.type === "reasoning" ? part.encrypted : undefined;
  const tells = signature !== undefined || encrypted !== undefined || extensions !== undefined;
  if (text === "" && !tells && logprobs === undefined) return state;
  const { open: before } = state;
  const fits = before?.kind === kind && (before.end === unsigned || (text === "" && !isNextThought(before.end, part)));
  let next = fits ? state : closed(state, events, false);
  const at = { candidate: state.candidate };
  if (next.open === null) {
    next = { ...next, next: next.next + 1, open: { kind, index: next.next, start: next.text.length, end: unsigned } };
    events.push({ type: `${kind}-start`, ...at, index: next.next - 1 });
  }
  const { open } = next;
  if (open === null) return next;
  if (kind === "reasoning" && text !== "") events.push({ type: "reasoning-delta", ...at, index: open.index, text });
  if (kind === "text" && (text !== "" || logprobs !== undefined)) {
    const told = logprobs === undefined ? {} : { logprobs };
    events.push({ type: "text-delta", ...at, index: open.index, text, ...told });
  }
  const said = kind === "text" ? next.text + text : next.text;
  if (!tells) return { ...next, text: said };
  const end = {
    ...open.end,
    ...(signature === undefined ? {} : { signature }),
    ...(encrypted === undefined ? {} : { encrypted }),
    ...(extensions === undefined ? {} : { extensions }),
  };
  return { ...next, open: { ...open, end }, text: said };
}

/** Thoughts that only their vendor can read come one after the other, each without a word. One with both has its signature first. */
function isNextThought(end: OpenBlock["end"], part: Part & { type: "text" | "reasoning" }): boolean {
  if (part.type !== "reasoning") return false;
  const { signature, encrypted } = part;
  if (encrypted !== undefined) return end.encrypted !== undefined && end.encrypted !== encrypted;
  if (signature === undefined) return false;
  return end.encrypted !== undefined || (end.signature !== undefined && end.signature !== signature);
}

/** Nothing has come yet that would end the block. */
const unsigned: OpenBlock["end"] = {};

/** Ends the open block. `isLast`: nothing follows, so the sources of the answer are known. */
function closed(state: CandidateState, events: ChatEvent[], isLast: boolean): CandidateState {
  const { open, candidate } = state;
  if (open === null) return state;
  const at = { candidate, index: open.index };
  if (open.kind === "reasoning") {
    events.push({ type: "reasoning-end", ...at, ...open.end });
  } else {
    const { encrypted: _encrypted, ...end } = open.end;
    const block = { text: state.text.slice(open.start), start: open.start };
    const citations = isCited(state) ? citationsOf(state.kept, state.text, block, isLast && block.text !== "") : [];
    const all = isLast ? [...lateCitations(state, open.start), ...citations] : citations;
    events.push({ type: "text-end", ...at, ...end, ...(all.length > 0 ? { citations: all } : {}) });
    const lastText = block.text === "" ? state.lastText : open.start;
    if (citations.length === 0) return { ...state, open: null, lastText };
    const told = [...state.told, ...citations.map((citation) => moved(citation, open.start))];
    return { ...state, open: null, lastText, told };
  }
  return { ...state, open: null };
}

/** Where no text is open in the end, one without a word has the sources that came after the last one had ended. */
function withLateSources(state: CandidateState, { open }: CandidateState, events: ChatEvent[]): CandidateState {
  const citations = open?.kind === "text" ? [] : lateCitations(state, state.text.length);
  if (citations.length === 0) return state;
  const at = { candidate: state.candidate, index: state.next };
  events.push({ type: "text-start", ...at }, { type: "text-end", ...at, citations });
  return { ...state, next: state.next + 1 };
}

/** Of the texts before `start`, which had ended when their sources came; offsets from there. */
function lateCitations(state: CandidateState, start: number): readonly Citation[] {
  if (start === 0 || !isCited(state)) return [];
  const told = new Set(state.told.map(placeOf));
  const before = { text: state.text.slice(0, start), start: 0 };
  return citationsOf(state.kept, state.text, before, start === state.text.length)
    .filter((late) => !told.has(placeOf(late)))
    .map((late) =>
      // What points at no piece of the text is a source of its last block.
      late.start === null ? { ...late, start: state.lastText - start, end: 0 } : moved(late, -start),
    );
}

const placeOf = ({ url, title, start }: Citation): string => JSON.stringify([url, title, start]);
const isCited = ({ kept }: CandidateState): boolean => citedFields.some((field) => kept[field] !== undefined);

const moved = ({ start, end, ...citation }: Citation, by: number): Citation => ({
  ...citation,
  start: start === null ? null : start + by,
  end: end === null ? null : end + by,
});

function withPartialCall(
  state: CandidateState,
  part: JsonObject,
  call: JsonObject,
  events: ChatEvent[],
): CandidateState {
  const known = camelObject(state.call?.["functionCall"]);
  const args = withPartialArgs(camelArgs(known["args"]), call["partialArgs"]);
  const { partialArgs: _pieces, willContinue, args: whole, ...named } = call;
  const merged = {
    ...state.call,
    ...part,
    functionCall: { ...known, ...named, args: isJsonObject(whole) ? { ...args, ...whole } : args },
  };
  return willContinue === true ? { ...state, call: merged } : endCall(state, merged, events);
}

const camelArgs = (args: Json | undefined): JsonObject => (isJsonObject(args) ? args : {});

const endCall = (state: CandidateState, call: JsonObject, events: ChatEvent[]): CandidateState =>
  withPart({ ...state, call: null }, call, undefined, events);

const candidateAndLogprobs = new Set([...candidateKeys, "logprobsResult"]);
const contentKeys = new Set(["parts", "role"]);
