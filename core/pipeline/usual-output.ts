import type { Target } from "../plugin/plugin.ts";
import { targetName } from "./target-name.ts";

/**
 * How much a model usually writes: what limits in tokens reserve for a call that sets no cap on its output. Corrected at
 * the call's end, so being wrong moves the moment of counting, never the sum.
 */
export interface UsualOutput {
  /** Tokens of one call. */
  of(target: Pick<Target, "provider" | "model">): number;
  learn(target: Pick<Target, "provider" | "model">, tokens: number): void;
}

/** While nothing is known of a model. */
const usualTokens = 256;
/** Each call moves the mean by this part of the way. */
const weight = 1 / 16;
/** Names of models come from clients; the one that came first goes first. */
const maxModels = 1_000;

export function usualOutput(): UsualOutput {
  const means = new Map<string, number>();
  return {
    of: (target) => means.get(targetName(target)) ?? usualTokens,
    learn(target, tokens) {
      const place = targetName(target);
      const mean = means.get(place);
      if (mean === undefined && means.size >= maxModels) means.delete(means.keys().next().value ?? place);
      means.set(place, (mean ?? usualTokens) * (1 - weight) + tokens * weight);
    },
  };
}
