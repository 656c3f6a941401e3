import { areLabels } from "./labels.ts";
import { areLimits } from "./limit-rules.ts";
import type { Principal } from "./plugin.ts";

/** It is kept with every call; OpenID Connect gives a `sub` as many. */
const maxNameLength = 255;

/**
 * What keeps a value from being a whole principal, in words; `null`: nothing. A plugin is code from elsewhere: anything else
 * is a refusal, never a guess. Throws what reading it throws.
 */
export function principalTrouble(value: unknown): string | null {
  if (typeof value !== "object" || value === null) return "it is none";
  const told: Partial<Record<keyof Principal, unknown>> = value;
  const { name, keyId, accountId, models, operations, routes, labels } = told;
  if (typeof accountId !== "string" || accountId === "") return "its accountId is no text";
  if (typeof name !== "string" || name.length > maxNameLength)
    return `its name is no text of at most ${maxNameLength} characters`;
  if (keyId !== null && typeof keyId !== "string") return "its keyId is neither a text nor null";
  if (models !== "all" && !areTexts(models)) return 'its models are neither texts nor "all"';
  if (operations !== undefined && !areTexts(operations)) return "its operations are no texts";
  if (routes !== undefined && !areTexts(routes)) return "its routes are no texts";
  if (labels !== undefined && !areLabels(labels)) return "its labels are none";
  return areLimits(told.limits) ? null : "its limits are no limits by their names, each an amount above 0";
}

const areTexts = (value: unknown): boolean => Array.isArray(value) && value.every((text) => typeof text === "string");
