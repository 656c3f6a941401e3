import type { ChatEvent } from "../../chat/event.ts";
import { isJsonObject, type Json, type JsonObject } from "../../chat/json.ts";
import type { MediaPart } from "../../chat/request.ts";
import { without } from "../extensions.ts";
import type { Dialect, StreamEncoder } from "../dialect.ts";
import { encodeAnnotations, type Span } from "./citations.ts";
import { encodeFinish } from "./finish.ts";
import { kept } from "./kept.ts";
import { encodeShown } from "./images.ts";
import { encodeAudio, isAudio } from "./messages.ts";
import { encodeDetail } from "./reasoning.ts";
import { isLegacyRequest } from "./request.ts";
import { encodeCreated, usageFields } from "./response.ts";
import { signatureFields } from "./tools.ts";
import { tierField } from "./usage.ts";

interface EncodeState {
  readonly includeUsage: boolean;
  /** The client waits for a `function_call`. */
  readonly isLegacy: boolean;
  /** Fields of every chunk. */
  readonly head: JsonObject;
  readonly candidates: readonly CandidateState[];
}
interface CandidateState {
  readonly candidate: number;
  readonly isLegacy: boolean;
  /** Blocks that are calls, in order; a call's place in the list is its `index` on the wire. */
  readonly tools: readonly ToolState[];
  /** The last text, as far as it came. */
  readonly text: Span;
  /** Shown so far. */
  readonly images: number;
}
interface ToolState {
  readonly block: number;
  readonly isCustom: boolean;
  readonly isLegacy: boolean;
  readonly isEmpty: boolean;
}

const noText: Span = { start: 0, end: 0 };

const initialState = (includeUsage: boolean, isLegacy: boolean): EncodeState => ({
  includeUsage,
  isLegacy,
  head: {},
  candidates: [],
});

/** Chunks as OpenAI sends them: role first, deltas, a chunk with the finish reason, one with the usage if asked for, `[DONE]`. */
export function encodeStream({ includeUsage, asked }: Parameters<Dialect["encodeStream"]>[0]): StreamEncoder {
  let state = initialState(includeUsage, isLegacyRequest(asked));
  return {
    step(event) {
      const [next, chunks] = step(state, event);
      state = next;
      const text = chunks.map((chunk) => `data: ${JSON.stringify(chunk)}\n\n`).join("");
      return event.type === "response-end" ? `${text}data: [DONE]\n\n` : text;
    },
  };
}

function step(state: EncodeState, event: ChatEvent): readonly [EncodeState, readonly JsonObject[]] {
  if (event.type === "response-start") {
    const { id, model, createdMs } = event;
    const head = { id, object: "chat.completion.chunk", created: encodeCreated(createdMs), model };
    return [{ ...state, head }, []];
  }
  if (event.type === "response-end") {
    const { usage: rawUsage, ...own } = kept(event);
    const { usage } = usageFields(event.usage, rawUsage);
    if (!state.includeUsage || usage === undefined) return [state, []];
    const tier = rawUsage === undefined ? tierField(event.usage) : {};
    const told = { ...tier, ...without(own, new Set(["choices"])) };
    return [state, [{ ...state.head, ...told, choices: [], usage }]];
  }
  const known = state.candidates.find(({ candidate }) => candidate === event.candidate);
  const before = known ?? { candidate: event.candidate, isLegacy: state.isLegacy, tools: [], text: noText, images: 0 };
  const [candidate, choices] = encodeEvent(before, event);
  const role = { role: "assistant", content: event.type === "tool-input-start" ? null : "", refusal: null };
  const all = known === undefined ? [{ delta: role }, ...choices] : choices;
  return [
    candidate === known
      ? state
      : { ...state, candidates: [...state.candidates.filter((other) => other !== known), candidate] },
    all.map((choice) => ({
      ...state.head,
      choices: [{ index: event.candidate, delta: {}, logprobs: null, finish_reason: null, ...choice }],
      ...(state.includeUsage ? { usage: null } : {}),
    })),
  ];
}

type BlockEvent = Exclude<ChatEvent, { type: "response-start" | "response-end" }>;

/** The choices that say `event`, each for a chunk of its own. */
function encodeEvent(state: CandidateState, event: BlockEvent): readonly [CandidateState, readonly JsonObject[]] {
  switch (event.type) {
    case "text-start":
      return [{ ...state, text: { start: state.text.end, end: state.text.end } }, []];
    case "text-delta": {
      const text = { start: state.text.start, end: state.text.end + event.text.length };
      return [{ ...state, text }, [{ delta: { content: event.text }, logprobs: event.logprobs ?? null }]];
    }
    case "text-end":
      return [
        state,
        event.citations === undefined
          ? []
          : [{ delta: { annotations: encodeAnnotations(event.citations, state.text) } }],
      ];
    case "reasoning-delta":
      return [state, [{ delta: { reasoning_content: event.text } }]];
    case "reasoning-end": {
      const details = encodeDetail({ ...event, type: "reasoning", text: "" }, event.index);
      const tells = event.signature !== undefined || event.encrypted !== undefined;
      return [state, tells ? [{ delta: { reasoning_details: details } }] : []];
    }
    case "refusal-delta":
      return [state, [{ delta: { refusal: event.text } }]];
    case "tool-input-start":
      return startTool(state, event);
    case "tool-input-delta":
      return [withInput(state, event.index), [{ delta: toolDelta(state, event.index, event.text) }]];
    case "tool-input-end":
      return [state, endTool(state, event)];
    case "candidate-end":
      return [state, [...extras(event), { finish_reason: encodeFinish(event.finish, isLegacyCall(state)) }]];
    case "media":
      if (isAudio(event.part)) return [state, [{ delta: { audio: encodeAudio(event.part) } }]];
      return showImage(state, event.part);
    case "reasoning-start":
    case "refusal-start":
    case "refusal-end":
    case "other":
      return [state, []];
  }
}

function showImage(state: CandidateState, part: MediaPart): readonly [CandidateState, readonly JsonObject[]] {
  const image = encodeShown(part);
  if (image === null) return [state, []];
  // Clients put the pieces of a list together by it.
  const index = state.images;
  return [{ ...state, images: index + 1 }, [{ delta: { images: [{ ...image, index }] } }]];
}

function startTool(state: CandidateState, event: ChatEvent & { type: "tool-input-start" }) {
  const isCustom = event.custom === true;
  const isLegacy = event.id === "" || (state.isLegacy && state.tools.length === 0);
  const tool = { block: event.index, isCustom, isLegacy, isEmpty: true };
  const { name, id } = event;
  const index = state.tools.length;
  const delta = isLegacy
    ? { function_call: { name, arguments: "" } }
    : isCustom
      ? { tool_calls: [{ index, id, type: "custom", custom: { name, input: "" } }] }
      : { tool_calls: [{ index, id, type: "function", function: { name, arguments: "" } }] };
  return [{ ...state, tools: [...state.tools, tool] }, [{ delta }]] as const;
}

/** `more`: what the call says beside its input. */
function toolDelta(state: CandidateState, block: number, text: string, more: JsonObject = {}): JsonObject {
  const index = state.tools.findIndex((tool) => tool.block === block);
  const tool = state.tools[index];
  if (tool?.isLegacy) return { function_call: { arguments: text } };
  return {
    tool_calls: [
      { index, ...(tool?.isCustom ? { custom: { input: text } } : { function: { arguments: text } }), ...more },
    ],
  };
}

function withInput(state: CandidateState, block: number): CandidateState {
  if (!state.tools.some((tool) => tool.block === block && tool.isEmpty)) return state;
  return { ...state, tools: state.tools.map((tool) => (tool.block === block ? { ...tool, isEmpty: false } : tool)) };
}

/** A function without arguments is called with `{}`: clients parse the text. */
function endTool(state: CandidateState, event: ChatEvent & { type: "tool-input-end" }): readonly JsonObject[] {
  const index = state.tools.findIndex((tool) => tool.block === event.index);
  const tool = state.tools[index];
  const signed = signatureFields(event.signature);
  return [
    ...(tool?.isEmpty && !tool.isCustom ? [{ delta: toolDelta(state, event.index, "{}") }] : []),
    ...(Object.keys(signed).length > 0 ? [{ delta: toolDelta(state, event.index, "", signed) }] : []),
  ];
}

const isLegacyCall = (state: CandidateState) => state.tools.some((tool) => tool.isLegacy);

/** Citations that belong to no block. */
function extras(event: ChatEvent & { type: "candidate-end" }): readonly { readonly delta: Json }[] {
  const { message } = kept(event);
  return isJsonObject(message) ? [{ delta: message }] : [];
}
