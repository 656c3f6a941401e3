import type { ChatEvent } from "../../chat/event.ts";
import { isJsonObject, type Json, type JsonObject } from "../../chat/json.ts";
import type { Citation } from "../../chat/request.ts";
import type { StreamEncoder } from "../dialect.ts";
import { encodeCitations } from "./citations.ts";
import { encodeFinish } from "./finish.ts";
import { kept } from "./kept.ts";
import { encodeLogprobs } from "./logprobs.ts";
import { encodeThought } from "./parts.ts";
import { blockReasonOf, citedFields, encodePart, headOf } from "./response.ts";
import { usageFields } from "./usage.ts";

interface EncodeState {
  /** Fields of every chunk. */
  readonly head: JsonObject;
  readonly candidates: readonly CandidateState[];
  /** Candidates that have ended: they are told in the last chunk, with the usage. */
  readonly ends: readonly JsonObject[];
}
interface CandidateState {
  readonly candidate: number;
  /** Calls that are open: Gemini sends them whole. */
  readonly calls: readonly CallState[];
  /** Said so far, and where its last text started: sources are given by their place in it. */
  readonly text: string;
  readonly textStart: number;
  readonly cited: readonly { readonly text: string; readonly start: number; readonly citations: readonly Citation[] }[];
}
interface CallState {
  readonly block: number;
  readonly id: string;
  readonly name: string;
  readonly input: string;
}

/**
 * Chunks as Gemini sends them: parts as they come, and a last one with the finish reasons, what belongs to the whole
 * answer, and the usage.
 */
export function encodeStream(): StreamEncoder {
  let state: EncodeState = { head: {}, candidates: [], ends: [] };
  return {
    step(event) {
      const [next, chunk] = step(state, event);
      state = next;
      return chunk === null ? "" : `data: ${JSON.stringify(chunk)}\n\n`;
    },
  };
}

function step(state: EncodeState, event: ChatEvent): readonly [EncodeState, JsonObject | null] {
  if (event.type === "response-start") return [{ ...state, head: headOf(event) }, null];
  if (event.type === "response-end") return [state, lastChunk(state, event)];
  const position = state.candidates.findIndex(({ candidate }) => candidate === event.candidate);
  const before = state.candidates[position] ?? newCandidate(event.candidate);
  if (event.type === "candidate-end") return [{ ...state, ends: [...state.ends, endOf(before, event)] }, null];
  const [candidate, parts, more] = encodeEvent(before, event);
  const candidates = position < 0 ? [...state.candidates, candidate] : state.candidates.with(position, candidate);
  const next = candidate === before && position >= 0 ? state : { ...state, candidates };
  if (parts.length === 0) return [next, null];
  const content = { parts, role: "model" };
  return [next, { candidates: [{ content, index: event.candidate, ...more }], ...state.head }];
}

const newCandidate = (candidate: number): CandidateState => ({
  candidate,
  calls: [],
  text: "",
  textStart: 0,
  cited: [],
});

type BlockEvent = Exclude<ChatEvent, { type: "response-start" | "response-end" | "candidate-end" }>;
type Encoded = readonly [CandidateState, parts: readonly JsonObject[], more?: JsonObject];

function encodeEvent(state: CandidateState, event: BlockEvent): Encoded {
  switch (event.type) {
    case "text-start":
      return [{ ...state, textStart: state.text.length }, []];
    case "text-delta":
      return [{ ...state, text: state.text + event.text }, [{ text: event.text }], encodeLogprobs(event.logprobs)];
    case "text-end": {
      const { citations, signature } = event;
      const own = kept(event);
      const said = { text: state.text.slice(state.textStart), start: state.textStart };
      const next = citations === undefined ? state : { ...state, cited: [...state.cited, { ...said, citations }] };
      const tells = signature !== undefined || Object.keys(own).length > 0;
      return [
        next,
        tells ? [{ text: "", ...(signature === undefined ? {} : { thoughtSignature: signature }), ...own }] : [],
      ];
    }
    case "reasoning-delta":
      return [state, [{ text: event.text, thought: true }]];
    case "reasoning-end": {
      const { signature, encrypted, extensions } = event;
      if (signature === undefined && encrypted === undefined && extensions === undefined) return [state, []];
      return [state, encodeThought({ ...event, type: "reasoning", text: "" })];
    }
    case "refusal-delta":
      return [{ ...state, text: state.text + event.text }, [{ text: event.text }]];
    case "tool-input-start": {
      const { index: block, id, name } = event;
      return [{ ...state, calls: [...state.calls, { block, id, name, input: "" }] }, []];
    }
    case "tool-input-delta":
      return [
        {
          ...state,
          calls: state.calls.map((call) =>
            call.block === event.index ? { ...call, input: call.input + event.text } : call,
          ),
        },
        [],
      ];
    case "tool-input-end": {
      const call = state.calls.find(({ block }) => block === event.index);
      if (call === undefined) return [state, []];
      const { type: _type, candidate: _candidate, index: _index, ...end } = event;
      const calls = state.calls.filter((other) => other !== call);
      const { id, name, input } = call;
      return [{ ...state, calls }, encodePart({ type: "tool-call", id, name, input, ...end })];
    }
    case "media":
      return [state, encodePart(event.part)];
    case "other":
      return [state, encodePart({ type: "other", extensions: event.extensions })];
    case "reasoning-start":
    case "refusal-start":
    case "refusal-end":
      return [state, []];
  }
}

function endOf(state: CandidateState, event: ChatEvent & { type: "candidate-end" }): JsonObject {
  const { content: more, ...own } = kept(event);
  return {
    content: { parts: [{ text: "" }], role: "model", ...(isJsonObject(more) ? more : {}) },
    finishReason: encodeFinish(event.finish),
    index: event.candidate,
    ...(citedFields.some((field) => own[field] !== undefined) ? {} : encodeCitations(state.cited, state.text)),
    ...own,
  };
}

function lastChunk(state: EncodeState, event: ChatEvent & { type: "response-end" }): JsonObject {
  const { usageMetadata: rawUsage, ...own }: { readonly [key: string]: Json | undefined } = kept(event);
  const isBlocked = blockReasonOf(own) !== null && state.candidates.length === 0;
  return {
    ...(isBlocked ? {} : { candidates: state.ends }),
    ...usageFields(event.usage, rawUsage),
    ...state.head,
    ...own,
  };
}
