import type { Scope } from "../chat/error.ts";
import { alertTypes, usageTypes } from "./events.ts";
import { areLimits } from "./limit-rules.ts";
import type { BillingPolicy, Kind } from "./plugin.ts";
import { ofEveryKind, property } from "./shape.ts";

/**
 * What is wrong with the parts of a slot that core would trip over only when a call comes, in words for an error; `null`:
 * nothing. Plugins may be plain JavaScript. What a slot cannot be without is not asked here.
 */
export function slotTrouble(kind: Kind, slot: unknown): string | null {
  const parts = partsOf(slot);
  const odd = [...(optional[kind] ?? []), ...ofEveryKind].find((hook) => !isFunctionOrAbsent(parts(hook)));
  return odd === undefined ? (troubles[kind]?.(parts) ?? null) : `its ${odd} is no function`;
}

/** The hooks of each kind that it may leave out. */
const optional: { readonly [K in Kind]?: readonly string[] } = {
  "rate-limit": ["preview", "use"],
  billing: ["models", "facts", "factsAhead", "adopt", "prices", "authorize"],
  observer: ["callEnded", "mail", "metrics"],
};

type Parts = (name: string) => unknown;

const troubles: { readonly [K in Kind]?: (parts: Parts) => string | null } = {
  provider(parts) {
    const [models, vendor] = [parts("models"), parts("vendor")];
    if (models !== undefined && !isListOf(models, isText)) return "its models are no list of texts";
    return vendor === undefined || isText(vendor) ? null : "its vendor is no text";
  },
  "rate-limit"(parts) {
    const own = parts("own");
    if (own === undefined) return null;
    const part = partsOf(own);
    if (!isScope(part("scope"))) return `the scope of its own limits is none of ${ownScopes.join(", ")}`;
    if (!areLimits(part("limits"))) return "its own limits are no limits by their names, each an amount above 0";
    return isOneOf([undefined, true, false], part("enforce"))
      ? null
      : "enforce of its own limits is neither true nor false";
  },
  billing(parts) {
    const policy = parts("policy");
    // That there is none is told otherwise.
    if (typeof policy !== "object" || policy === null) return null;
    const part = partsOf(policy);
    for (const [name, words] of Object.entries(policyWords))
      if (!isOneOf(words, part(name))) return `its policy.${name} is none of ${words.join(", ")}`;
    const cap = part("uncappedOutputTokens");
    return Number.isSafeInteger(cap) && Number(cap) >= 1
      ? null
      : "its policy.uncappedOutputTokens is no whole number from 1";
  },
  observer(parts) {
    const events = partsOf(parts("receiver"))("events");
    if (events === undefined || isListOf(events, (name) => isOneOf(eventTypes, name))) return null;
    return `its receiver.events are no list of ${eventTypes.join(", ")}`;
  },
};

const policyWords: Readonly<Record<Exclude<keyof BillingPolicy, "uncappedOutputTokens">, readonly string[]>> = {
  unpriced: ["refuse", "allow"],
  interrupted: ["input", "full", "release"],
};

const ownScopes: readonly Scope["kind"][] = ["key", "account", "model", "provider", "global"];

const eventTypes = [...alertTypes, ...usageTypes, "test"];

const isScope = (value: unknown): boolean => isOneOf(ownScopes, value);

const isText = (value: unknown): boolean => typeof value === "string" && value !== "";

const isOneOf = (values: readonly unknown[], value: unknown): boolean => values.includes(value);

const isListOf = (value: unknown, isItem: (item: unknown) => boolean): boolean =>
  Array.isArray(value) && value.every(isItem);

const isFunctionOrAbsent = (value: unknown): boolean => value === undefined || typeof value === "function";

const partsOf =
  (value: unknown): Parts =>
  (name) =>
    property(value, name);
