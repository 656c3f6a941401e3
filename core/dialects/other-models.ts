import { isJsonArray, isJsonObject, type Json, type JsonObject, objectsIn } from "../chat/json.ts";
import { invalid, isGiven } from "./fields.ts";
import { otherCaseOf } from "./json-text.ts";

/** A model that a request has its provider run beside, or instead of, the one that it asks for. */
export interface OtherModel {
  /** The field that says so. */
  readonly param: string;
  /** `null`: the provider's choice, or with a cap of its own. */
  readonly name: string | null;
}

/**
 * None in nearly every request. What vendors have:
 *
 * - `models`: OpenRouter answers with one of them, at the price of that one
 *   (https://openrouter.ai/docs/guides/routing/model-fallbacks).
 * - `fallbacks`: Anthropic's have caps of their own, or are what it recommends
 *   (https://platform.claude.com/docs/en/build-with-claude/refusals-and-fallback).
 * - `model` of a tool or a plugin: Anthropic's advisor and OpenRouter's are billed at the price of that model
 *   (https://platform.claude.com/docs/en/agents-and-tools/tool-use/advisor-tool).
 *
 * Throws for a tool or a plugin that says in another case what it runs, as `parseJsonBody` does at the top.
 */
export function otherModels(body: JsonObject): readonly OtherModel[] {
  // Nearly every request: nothing is made to find it out.
  if (!isGiven(body["tools"]) && !isGiven(body["plugins"]) && !isGiven(body["models"]) && !isGiven(body["fallbacks"]))
    return none;
  for (const field of runners) objectsIn(body[field]).forEach((runner, i) => refuseOtherCase(runner, field, i));
  const { models, fallbacks } = body;
  if (!isGiven(models) && !isGiven(fallbacks) && !runners.some((field) => objectsIn(body[field]).some(namesModel)))
    return none;
  const found = isGiven(models) ? readNames(models, "models") : [];
  if (isGiven(fallbacks)) found.push({ param: "fallbacks", name: null });
  for (const field of runners) {
    for (const [i, runner] of objectsIn(body[field]).entries())
      if (namesModel(runner)) found.push({ param: `${field}[${i}].model`, name: modelOf(runner) });
  }
  return found;
}

const none: readonly OtherModel[] = [];
const runners = ["tools", "plugins"] as const;
const maxNames = 100;

function refuseOtherCase(runner: JsonObject, field: string, i: number): void {
  for (const key in runner)
    if (decisive.has(otherCaseOf(key) ?? "")) throw invalid(`${field}[${i}].${key}`, "must be in lower case");
  const { parameters } = runner;
  if (!isJsonObject(parameters)) return;
  // A function's are a schema, in which a `Model` would be no name of one.
  for (const key in parameters)
    if (otherCaseOf(key) === "model" && typeof parameters[key] === "string")
      throw invalid(`${field}[${i}].parameters.${key}`, "must be in lower case");
}

/** What a tool or a plugin runs. `type` and `tools` also say whether the client runs it. */
const decisive: ReadonlySet<string> = new Set(["type", "model", "parameters", "tools"]);

function readNames(value: Json | undefined, param: string): OtherModel[] {
  if (!isJsonArray(value) || value.length > maxNames)
    throw invalid(param, `must be a list of at most ${maxNames} names`);
  return value.map((name) => {
    if (typeof name !== "string") throw invalid(param, "must be a list of names");
    return { param, name };
  });
}

/** OpenAI makes images with a model of its own whether it is named or not, and counts none of it as tokens of the answer. */
const namesModel = (runner: JsonObject): boolean => runner["type"] !== "image_generation" && modelOf(runner) !== null;

/** OpenRouter's tools have their settings under `parameters`. */
function modelOf({ model, parameters }: JsonObject): string | null {
  if (typeof model === "string") return model;
  const named = isJsonObject(parameters) ? parameters["model"] : null;
  return typeof named === "string" ? named : null;
}
