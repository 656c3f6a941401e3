import { isJsonObject, type Json, type JsonObject } from "../../chat/json.ts";
import { budgetOf, effortOf } from "../../chat/reasoning.ts";
import type { ChatRequest, Reasoning } from "../../chat/request.ts";
import { without } from "../extensions.ts";
import type { ModelTraits } from "./models.ts";
import type { Warn } from "./parts.ts";

/** `thinking` and `output_config.effort`; `rest` is what of them has no canonical name. */
export function decodeReasoning(body: JsonObject): { readonly reasoning: Reasoning | null; readonly rest: JsonObject } {
  const thinking = isJsonObject(body["thinking"]) ? body["thinking"] : {};
  const config = isJsonObject(body["output_config"]) ? body["output_config"] : {};
  const budgetTokens = budgetIn(thinking);
  // Effort also says how much to write. With thinking turned off it says nothing of reasoning.
  const effort = typeof config["effort"] === "string" && budgetTokens !== 0 ? config["effort"] : null;
  const show = displays.get(thinking["display"]) ?? null;
  const known = budgetTokens === null ? noKeys : show === null ? thinkingKeys : displayKeys;
  const moreThinking = without(thinking, known);
  const moreConfig = without(config, effort === null ? noKeys : effortKeys);
  return {
    reasoning: budgetTokens === null && effort === null ? null : { effort, budgetTokens, show },
    rest: {
      ...(Object.keys(moreThinking).length === 0 ? {} : { thinking: moreThinking }),
      ...(Object.keys(moreConfig).length === 0 ? {} : { output_config: moreConfig }),
    },
  };
}

/** For a client that spoke this dialect: as it said it. `rest` as above. */
export function encodeOwnReasoning({ reasoning }: ChatRequest, rest: JsonObject): JsonObject {
  const { effort = null, budgetTokens = null, show = null } = reasoning ?? {};
  const display = show === null || budgetTokens === null ? {} : { display: show ? "summarized" : "omitted" };
  const thinking = {
    ...(budgetTokens === null ? {} : sayBudget(budgetTokens)),
    ...display,
    ...object(rest["thinking"]),
  };
  const config = { ...(effort === null ? {} : { effort }), ...object(rest["output_config"]) };
  return {
    ...(Object.keys(thinking).length === 0 ? {} : { thinking }),
    ...(Object.keys(config).length === 0 ? {} : { output_config: config }),
  };
}

interface Thought {
  /** `thinking` and `output_config.effort`. */
  readonly fields: JsonObject;
  /** Thinking is on because we turned it on. */
  readonly isOn: boolean;
  readonly maxTokens: number;
}

/** For other clients: as the model takes it, and never so that it refuses the request for it. */
export function encodeReasoning(request: ChatRequest, model: ModelTraits, warn: Warn): Thought {
  const { reasoning, maxOutputTokens } = request;
  const cap = maxOutputTokens ?? Math.min(uncapped, model.outputLimit);
  const off: Thought = { fields: {}, isOn: false, maxTokens: cap };
  if (reasoning === null) return off;
  const effort = effortOf(reasoning);
  if (effort === "none" || (effort === null && reasoning.budgetTokens === 0)) return turnOff(off, model, warn);
  if (effort === null && reasoning.budgetTokens === null) return off; // Only whether to show it was said.
  const isBudget = reasoning.budgetTokens !== null && reasoning.budgetTokens > 0;
  const isAdaptive = model.thinking === "adaptive" || (model.thinking === "either" && !isBudget);
  const cannot = whyNot(request, model, isAdaptive);
  if (cannot !== null) {
    warn(`reasoning ${cannot}`);
    return off;
  }
  if (isAdaptive) {
    const display = reasoning.show === null ? {} : { display: reasoning.show ? "summarized" : "omitted" };
    if (isBudget) warn("a budget of reasoning tokens");
    const config = effort === null ? {} : { output_config: { effort: takenEffort(effort, model) } };
    return { fields: { thinking: { type: "adaptive", ...display }, ...config }, isOn: true, maxTokens: cap };
  }
  const wanted = budgetOf(reasoning) ?? -1;
  return withBudget(off, request, model, wanted < 0 ? budgetAsItFinds : wanted, warn);
}

/** Tokens of an answer that nobody capped, as far as the model goes: the protocol wants a cap. */
const uncapped = 16_384;
/** For "as the model finds right", where the model must be told. */
const budgetAsItFinds = 8_192;
const leastBudget = 1_024;
/** Tokens that thinking leaves for the answer where the cap is tight. */
const answerRoom = 4_096;

/** The budget must be below the cap. A cap that the client did not set makes room for it. */
function withBudget(off: Thought, request: ChatRequest, model: ModelTraits, wanted: number, warn: Warn): Thought {
  const maxTokens =
    request.maxOutputTokens ?? Math.min(Math.max(wanted, leastBudget) + off.maxTokens, model.outputLimit);
  if (maxTokens <= leastBudget) {
    warn(`reasoning within ${maxTokens} output tokens`);
    return off;
  }
  const budget = Math.max(leastBudget, Math.min(wanted, Math.max(leastBudget, maxTokens - answerRoom)));
  if (request.reasoning?.budgetTokens === wanted && budget !== wanted)
    warn(`${wanted} tokens of reasoning`, `asked for ${budget}`);
  return { fields: { thinking: { type: "enabled", budget_tokens: budget } }, isOn: true, maxTokens };
}

function turnOff(off: Thought, model: ModelTraits, warn: Warn): Thought {
  if (model.thinking === "none" || model.thinking === "budget") return off; // Off is their default.
  if (!model.alwaysThinks) return { ...off, fields: { thinking: { type: "disabled" } } };
  warn("no reasoning at all", "asked for low");
  return { ...off, fields: { output_config: { effort: "low" } } };
}

/** `null`: the API takes thinking with this request. */
function whyNot(request: ChatRequest, model: ModelTraits, isAdaptive: boolean): string | null {
  const { toolChoice: choice } = request;
  if (model.thinking === "none") return "with this model";
  if (choice?.type === "tool" || choice?.type === "required") return "together with a forced tool choice";
  return !isAdaptive && isUnthoughtLoop(request) ? "amid calls of tools that came without it" : null;
}

/** With a budget, the turn of the assistant that is to be gone on with must start with a thinking block of its own. */
function isUnthoughtLoop({ messages }: ChatRequest): boolean {
  const last = messages.findLast(({ role }) => role !== "system" && role !== "developer");
  const goesOn = last?.role === "assistant" || last?.parts.some(({ type }) => type === "tool-result") === true;
  if (!goesOn) return false;
  const user = messages.findLastIndex(
    ({ role, parts }) => role === "user" && parts.some(({ type }) => type === "text"),
  );
  const turn = messages.slice(user + 1).flatMap(({ role, parts }) => (role === "assistant" ? parts : []));
  const first = turn.find(({ type }) => type !== "other");
  if (first === undefined) return false;
  return first.type !== "reasoning" || (first.signature === undefined && first.encrypted === undefined);
}

function takenEffort(effort: string, model: ModelTraits): string {
  if (effort === "minimal") return "low";
  if (effort === "xhigh" || effort === "max") return model.thinking === "adaptive" ? effort : model.mostEffort;
  return effort === "low" || effort === "medium" ? effort : "high";
}

/** -1: as much as the model finds right, 0: off; `null`: of another type, or not said. */
function budgetIn(thinking: JsonObject): number | null {
  const { type, budget_tokens: tokens } = thinking;
  if (type === "disabled") return 0;
  if (type === "adaptive") return -1;
  return type === "enabled" && typeof tokens === "number" && tokens > 0 ? tokens : null;
}

function sayBudget(budget: number): JsonObject {
  if (budget === 0) return { type: "disabled" };
  return budget < 0 ? { type: "adaptive" } : { type: "enabled", budget_tokens: budget };
}

const object = (value: Json | undefined): JsonObject => (isJsonObject(value) ? value : {});
const displays: ReadonlyMap<Json | undefined, boolean> = new Map([
  ["summarized", true],
  ["omitted", false],
]);
const noKeys: ReadonlySet<string> = new Set();
const effortKeys = new Set(["effort"]);
const thinkingKeys = new Set(["type", "budget_tokens"]);
const displayKeys = new Set([...thinkingKeys, "display"]);
