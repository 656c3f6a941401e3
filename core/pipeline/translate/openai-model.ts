import { type ParameterName, withoutParameters } from "../../chat/parameters.ts";
import { effortOf } from "../../chat/reasoning.ts";
import type { ChatRequest, Reasoning } from "../../chat/request.ts";
import type { Dialect } from "../../dialects/dialect.ts";
import { efforts, type ModelTraits, modelTraits } from "../../dialects/openai-chat/models.ts";
import { leastCap } from "./cap.ts";
import { isOpenAis, type Taken } from "./upstream.ts";

/** A request of another dialect without what a model of OpenAI's refuses; as it is for all other models. */
export function asModelTakes(asked: ChatRequest, model: string, dialect: Dialect): Taken {
  const traits = isOpenAis(dialect) ? modelTraits(model) : null;
  if (traits === null) return { request: asked, warnings: [] };
  const warnings: string[] = [];
  const reasoning = asked.reasoning && reasoningFor(asked.reasoning, traits, model, warnings);
  const request = { ...asked, reasoning };
  const { request: taken, dropped } = withoutParameters(request, refusedBy(traits, reasons(request, traits)));
  const said = dropped.filter((name) => asked[name] !== defaults[name]);
  return {
    request: taken,
    warnings: [...warnings, ...said.map((name) => `${name} is left out, because ${model} does not take it`)],
  };
}

/**
 * Of the dialects of an upstream the one for the request: the first, but for a model of OpenAI's that cannot be asked so in
 * chat completions, or would forget there, between the calls of its tools, what it thought.
 */
export function spokenFor(
  request: ChatRequest,
  model: string,
  [first, ...others]: readonly [Dialect, ...Dialect[]],
): Dialect {
  const responses = others.find(({ name }) => name === "openai-responses");
  const traits = modelTraits(model);
  if (first.name !== "openai-chat" || responses === undefined || traits === null) return first;
  if (traits.inChat === "never") return responses;
  if (request.tools.length === 0 || (request.reasoning && effortOf(request.reasoning) === "none")) return first;
  const [mayRefuse, isReasoning] = [traits.inChat === "without-functions", reasons(request, traits)];
  if (mayRefuse && isReasoning) return responses;
  return (mayRefuse || isReasoning) && !saysMoreInChat(request) ? responses : first;
}

/** Whether it has what Responses has no word for, or refuses, and models that reason take. */
const saysMoreInChat = ({ candidates, seed, stop, messages, maxOutputTokens }: ChatRequest): boolean =>
  (maxOutputTokens !== null && maxOutputTokens < leastCap) ||
  candidates > 1 ||
  seed !== null ||
  stop.length > 0 ||
  messages.some(({ parts }) => parts.some((part) => part.type === "media" && part.kind === "audio"));

/** Whether a model will reason for this request. */
function reasons({ reasoning }: ChatRequest, traits: ModelTraits): boolean {
  const effort = reasoning && effortOf(reasoning);
  return traits.reasons && (effort === null ? traits.reasonsUnasked : effort !== "none");
}

function refusedBy({ sampling, penalties, stop }: ModelTraits, isReasoning: boolean): readonly ParameterName[] {
  const hasSampling = sampling === "always" || (sampling === "without-reasoning" && !isReasoning);
  return [
    ...(hasSampling ? [] : samplingNames),
    ...(penalties ? [] : (["frequencyPenalty", "presencePenalty"] as const)),
    ...(stop ? [] : (["stop"] as const)),
  ];
}

const samplingNames: readonly ParameterName[] = ["temperature", "topP", "logprobs"];

/** Nothing is lost with these. */
const defaults: Readonly<Partial<Record<ParameterName, number>>> = {
  temperature: 1,
  topP: 1,
  frequencyPenalty: 0,
  presencePenalty: 0,
};

/** With the nearest effort that the model has; it reasons less or more only where it has to, and is off only when asked to be. */
function reasoningFor(asked: Reasoning, traits: ModelTraits, model: string, warnings: string[]): Reasoning | null {
  const effort = effortOf(asked);
  const isOff = effort === "none";
  if (!traits.reasons) {
    if (!isOff) warnings.push(`reasoning is left out, because ${model} does not take it`);
    return null;
  }
  if (effort === null || traits.efforts.includes(effort) || !efforts.includes(effort)) return asked;
  const nearest = nearestOf(isOff ? traits.efforts : traits.efforts.filter((one) => one !== "none"), effort);
  warnings.push(
    nearest === null
      ? `the effort ${effort} is left out, because ${model} takes none`
      : `the effort is ${nearest}, because ${model} does not take ${effort}`,
  );
  // A budget would be said as an effort. Who wants none does not want to read it either.
  const budgetTokens = isOff || nearest === null ? null : asked.budgetTokens;
  return { effort: nearest, budgetTokens, show: isOff ? false : asked.show };
}

function nearestOf(taken: readonly string[], effort: string): string | null {
  const place = efforts.indexOf(effort);
  const away = (one: string) => Math.abs(efforts.indexOf(one) - place);
  return taken.toSorted((one, other) => away(one) - away(other))[0] ?? null;
}
