import type { ChatEvent } from "../../chat/event.ts";
import { isJsonArray, isJsonObject, type JsonObject } from "../../chat/json.ts";
import { checkParts } from "../stream-event.ts";
import type { CandidateState } from "./stream-candidate.ts";
import { inputText, signatureOf } from "./tools.ts";

/** One call that the answer makes. */
export interface ToolState {
  /** The place of the call by the vendor; `null` with vendors that send whole calls without one. */
  readonly place: number | null;
  readonly id: string;
  readonly name: string;
  readonly isCustom: boolean;
  /** The block's index; `null` until its name is known, and then `held` waits. */
  readonly index: number | null;
  readonly held: string;
  readonly signature: string | null;
}

/** The pieces of calls in a delta, as members of `tool_calls`. */
export function toolDeltas(delta: JsonObject): readonly JsonObject[] {
  const { tool_calls: calls, function_call: legacy } = delta;
  if (!isJsonArray(calls) && !isJsonObject(legacy)) return nothing;
  const plain = isJsonArray(calls) ? calls.filter(isJsonObject) : [];
  return isJsonObject(legacy) ? [...plain, { index: legacyPlace, function: legacy }] : plain;
}

const nothing: readonly JsonObject[] = [];

export function endTools(state: CandidateState, events: ChatEvent[]): CandidateState {
  let next = state;
  for (const [i, tool] of state.tools.entries()) {
    if (tool.index === null) next = openTool(next, i, events);
    const index = next.tools[i]?.index ?? 0;
    const { signature } = tool;
    events.push({
      type: "tool-input-end",
      candidate: state.candidate,
      index,
      ...(signature === null ? {} : { signature }),
    });
  }
  return next;
}

/** A `function_call` has no place; below all that have. */
const legacyPlace = -1;

/** Adds a piece to its call, or opens one. */
export function addToTool(state: CandidateState, call: JsonObject, events: ChatEvent[]): CandidateState {
  const piece = readPiece(call);
  const found = findTool(state.tools, piece);
  if (found < 0 && piece.id === "" && piece.name === "" && piece.input === "") return state;
  if (found < 0) checkParts(state.tools.length + 1);
  const position = found < 0 ? state.tools.length : found;
  const before = state.tools[position] ?? newTool(piece.place);
  const tool: ToolState = {
    ...before,
    id: before.id || piece.id,
    name: before.name || piece.name,
    isCustom: before.isCustom || piece.isCustom,
    held: before.index === null ? before.held + piece.input : "",
    signature: piece.signature ?? before.signature,
  };
  const next = { ...state, tools: found < 0 ? [...state.tools, tool] : state.tools.with(position, tool) };
  if (tool.index === null) return tool.name === "" ? next : openTool(next, position, events);
  if (piece.input !== "") {
    events.push({ type: "tool-input-delta", candidate: state.candidate, index: tool.index, text: piece.input });
  }
  return next;
}

interface ToolPiece {
  readonly place: number | null;
  readonly id: string;
  readonly name: string;
  readonly input: string;
  readonly isCustom: boolean;
  readonly signature: string | null;
}

function readPiece(call: JsonObject): ToolPiece {
  const { index, id } = call;
  const isCustom = call["type"] === "custom" || (isJsonObject(call["custom"]) && !isJsonObject(call["function"]));
  const value = isCustom ? call["custom"] : call["function"];
  const body = isJsonObject(value) ? value : {};
  return {
    place: typeof index === "number" ? index : null,
    id: typeof id === "string" ? id : "",
    name: typeof body["name"] === "string" ? body["name"] : "",
    input: inputText(isCustom ? body["input"] : body["arguments"]),
    isCustom,
    signature: signatureOf(call).signature ?? null,
  };
}

/**
 * The call a piece belongs to, or -1 for a new one: by its place, where a new id with a name is a new call all the same
 * (some vendors give every call the place 0); without a place by its id; without either the last one, unless it has a name.
 */
function findTool(tools: readonly ToolState[], piece: ToolPiece): number {
  const opensNew = (tool: ToolState | undefined) =>
    tool !== undefined && piece.name !== "" && piece.id !== "" && tool.id !== "" && tool.id !== piece.id;
  if (piece.place !== null) {
    const found = tools.findLastIndex((tool) => tool.place === piece.place);
    return opensNew(tools[found]) ? -1 : found;
  }
  if (piece.id !== "") return tools.findLastIndex((tool) => tool.id === piece.id);
  return piece.name === "" ? tools.length - 1 : -1;
}

const newTool = (place: number | null): ToolState => ({
  place,
  id: "",
  name: "",
  isCustom: false,
  index: null,
  held: "",
  signature: null,
});

function openTool(state: CandidateState, position: number, events: ChatEvent[]): CandidateState {
  const tool = state.tools[position];
  if (tool === undefined) return state;
  const index = state.nextIndex;
  const at = { candidate: state.candidate, index };
  // Results are matched by id, so a call must have one (OpenAI takes 40 characters); only a `function_call` has none.
  const id =
    tool.id !== "" || tool.place === legacyPlace
      ? tool.id
      : `call_${state.responseId.slice(-20)}_${state.candidate}_${position}`;
  events.push({ type: "tool-input-start", ...at, id, name: tool.name, ...(tool.isCustom ? { custom: true } : {}) });
  if (tool.held !== "") events.push({ type: "tool-input-delta", ...at, text: tool.held });
  return { ...state, nextIndex: index + 1, tools: state.tools.with(position, { ...tool, id, index, held: "" }) };
}
