import type { JsonObject } from "../../chat/json.ts";
import { budgetOf, effortOf } from "../../chat/reasoning.ts";
import type { Reasoning } from "../../chat/request.ts";
import { readBoolean, readInteger } from "../fields.ts";
import { budgetsOf, generationOf, type Level, levelsOf } from "./model.ts";
import { enumWord } from "./spelling.ts";
import type { Warn } from "./warn.ts";

const path = "generationConfig.thinkingConfig";

/** `config`: `thinkingConfig` in camel case. */
export function decodeThinking(config: JsonObject): Reasoning | null {
  const level = enumWord(config["thinkingLevel"], levelNumbers)?.toLowerCase() ?? null;
  const effort = level === "thinking_level_unspecified" ? null : level;
  const budgetTokens = readInteger(config["thinkingBudget"], `${path}.thinkingBudget`, -1, 2 ** 31);
  const show = readBoolean(config["includeThoughts"], `${path}.includeThoughts`);
  return effort === null && budgetTokens === null && show === null ? null : { effort, budgetTokens, show };
}

export const thinkingFields = ["thinkingLevel", "thinkingBudget", "includeThoughts"];

/** As a request of this dialect had it. */
export const encodeThinkingAsSent = ({ effort, budgetTokens, show }: Reasoning): JsonObject => ({
  ...(effort === null ? {} : { thinkingLevel: effort.toUpperCase() }),
  ...(budgetTokens === null ? {} : { thinkingBudget: budgetTokens }),
  ...(show === null ? {} : { includeThoughts: show }),
});

/**
 * As the model wants it: a level from generation 3 on, a budget before; where the name does not tell, what the client gave.
 * Whoever asks another vendor for reasoning gets to read it, unless it says that it does not want to.
 */
export function encodeThinking(reasoning: Reasoning, model: string, warn: Warn): JsonObject {
  const generation = generationOf(model);
  if (generation !== null && generation < firstThinking) {
    if (effortOf(reasoning) !== "none") warn("reasoning, which this model does not do");
    return {};
  }
  const wantsLevel = generation === null ? reasoning.budgetTokens === null : generation >= 3;
  const amount = wantsLevel ? levelField(reasoning, model, warn) : budgetField(reasoning, model, generation, warn);
  const isOff = effortOf(reasoning) === "none";
  const show = reasoning.show ?? !isOff;
  return { ...amount, ...(show || reasoning.show !== null ? { includeThoughts: show } : {}) };
}

function levelField(reasoning: Reasoning, model: string, warn: Warn): JsonObject {
  const effort = effortOf(reasoning);
  if (effort === null) return {};
  const wanted = levels.get(effort);
  if (wanted === undefined) {
    warn(`the reasoning effort '${effort}'`);
    return {};
  }
  const known = levelsOf(model);
  // The next higher one: less thought than asked for would be worse than more.
  const level = known.find((candidate) => order.indexOf(candidate) >= order.indexOf(wanted)) ?? "HIGH";
  const asked = `asked for ${level.toLowerCase()}`;
  if (effort === "none") warn("no reasoning at all", asked);
  else if (level !== wanted || effort === "xhigh" || effort === "max") warn(`the reasoning effort '${effort}'`, asked);
  else if (reasoning.budgetTokens !== null && reasoning.budgetTokens > 0) warn("a budget of reasoning tokens", asked);
  return { thinkingLevel: level };
}

function budgetField(reasoning: Reasoning, model: string, generation: number | null, warn: Warn): JsonObject {
  const wanted = budgetOf(reasoning);
  if (wanted === null) return {};
  if (generation === null || wanted === -1) return { thinkingBudget: wanted };
  const { least, most, off } = budgetsOf(model);
  const budget = wanted === 0 && off ? 0 : Math.min(Math.max(wanted, least), most);
  if (budget !== wanted) warn(`${wanted} tokens of reasoning`, `asked for ${budget}`);
  return { thinkingBudget: budget };
}

/** Before it Google refuses any word about thinking. */
const firstThinking = 2.5;

const order: readonly Level[] = ["MINIMAL", "LOW", "MEDIUM", "HIGH"];
const levels: ReadonlyMap<string, Level> = new Map([
  ["none", "MINIMAL"],
  ["minimal", "MINIMAL"],
  ["low", "LOW"],
  ["medium", "MEDIUM"],
  ["high", "HIGH"],
  ["xhigh", "HIGH"],
  ["max", "HIGH"],
]);
const levelNumbers = ["THINKING_LEVEL_UNSPECIFIED", "LOW", "HIGH", "MEDIUM", "MINIMAL"];
