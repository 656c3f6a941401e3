import type { ChatRequest, Reasoning } from "./request.ts";

/**
 * Settings of a chat call that an operator may leave out for one target, under one name for all protocols. The cap on
 * output is none of them: holds go by it.
 */
export const parameterNames = [
  "temperature",
  "topP",
  "topK",
  "frequencyPenalty",
  "presencePenalty",
  "seed",
  "stop",
  "reasoning",
  "parallelToolCalls",
  "logprobs",
  "verbosity",
  "serviceTier",
  "user",
  "metadata",
  "cacheKey",
] as const;
export type ParameterName = (typeof parameterNames)[number];

/** What is said for a client that does not say it. */
export interface ParameterDefaults {
  readonly temperature?: number;
  readonly topP?: number;
  readonly topK?: number;
  readonly frequencyPenalty?: number;
  readonly presencePenalty?: number;
  readonly seed?: number;
  readonly stop?: readonly string[];
  readonly reasoning?: { readonly effort?: string; readonly budgetTokens?: number };
  readonly verbosity?: string;
  readonly serviceTier?: string;
  /** A hold may cover more than this, never less. */
  readonly maxOutputTokens?: number;
}

/** What an operator changes in the calls of one target. What is both dropped and set has the set value, whoever calls. */
export interface Parameters {
  readonly drop: readonly ParameterName[];
  readonly defaults: ParameterDefaults;
}

/** Both, where they do not contradict each other; else the second. */
export const joinParameters = (one: Parameters, other: Parameters): Parameters => ({
  drop: [...new Set([...one.drop, ...other.drop])],
  defaults: { ...one.defaults, ...other.defaults },
});

export const leftOut = (name: ParameterName): string => `${name} is left out, as the operator says for this target`;

/** The request as its target is to see it, and the sentences for what it lost. The cap on output is set elsewhere. */
export function withParameters(
  request: ChatRequest,
  { drop, defaults }: Parameters,
): { readonly request: ChatRequest; readonly warnings: readonly string[] } {
  const { request: left, dropped } = withoutParameters(request, drop);
  const { cacheKey, verbosity, ...kept } = left;
  const verbosityOf = verbosity ?? defaults.verbosity;
  return {
    request: {
      ...kept,
      ...(cacheKey !== undefined && { cacheKey }),
      ...(verbosityOf !== undefined && { verbosity: verbosityOf }),
      temperature: kept.temperature ?? defaults.temperature ?? null,
      topP: kept.topP ?? defaults.topP ?? null,
      topK: kept.topK ?? defaults.topK ?? null,
      frequencyPenalty: kept.frequencyPenalty ?? defaults.frequencyPenalty ?? null,
      presencePenalty: kept.presencePenalty ?? defaults.presencePenalty ?? null,
      seed: kept.seed ?? defaults.seed ?? null,
      stop: kept.stop.length > 0 ? kept.stop : (defaults.stop ?? []),
      reasoning: kept.reasoning ?? reasoningOf(defaults.reasoning),
      serviceTier: kept.serviceTier ?? defaults.serviceTier ?? null,
    },
    warnings: dropped.map(leftOut),
  };
}

/** `dropped`: those of `names` that the request said. */
export function withoutParameters(
  request: ChatRequest,
  names: readonly ParameterName[],
): { readonly request: ChatRequest; readonly dropped: readonly ParameterName[] } {
  const dropped = names.filter((name) => isSaid(request, name));
  return { request: dropped.reduce(without, request), dropped };
}

/** The client did not ask for it, so it does not get to read it. */
const reasoningOf = (wanted: ParameterDefaults["reasoning"]): Reasoning | null =>
  wanted ? { effort: wanted.effort ?? null, budgetTokens: wanted.budgetTokens ?? null, show: false } : null;

function isSaid(request: ChatRequest, name: ParameterName): boolean {
  if (name === "stop") return request.stop.length > 0;
  if (name === "metadata") return Object.keys(request.metadata).length > 0;
  return (request[name] ?? null) !== null;
}

function without(request: ChatRequest, name: ParameterName): ChatRequest {
  if (name === "stop") return { ...request, stop: [] };
  if (name === "metadata") return { ...request, metadata: {} };
  if (name !== "cacheKey" && name !== "verbosity") return { ...request, [name]: null };
  const { [name]: _, ...rest } = request;
  return rest;
}
