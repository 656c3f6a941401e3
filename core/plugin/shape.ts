import type {
  Authenticator,
  Biller,
  Guardrail,
  Kind,
  Observer,
  Provider,
  RateLimiter,
  ResponseCache,
  Storage,
} from "./plugin.ts";
import type { SlotExtras } from "./slot-extras.ts";

/** What keeps a value from being a plugin, or `null`. */
export function pluginTrouble(value: unknown): string | null {
  if (typeof value !== "object" || value === null)
    return "the default export is no plugin; write export default definePlugin({ … })";
  const { kind, name, api, config, setup }: Partial<Record<string, unknown>> = { ...value };
  if (typeof kind !== "string" || !Object.hasOwn(needs, kind))
    return `its kind is none of ${Object.keys(needs).join(", ")}`;
  if (typeof name !== "string" || name === "") return "it has no name";
  if (api !== 1)
    return `"${name}" was written for plugin interface ${JSON.stringify(api) ?? "(none)"}; this version has 1`;
  if (typeof config !== "object" || config === null || Reflect.get(config, "type") !== "object")
    return `the config of "${name}" is no t.Object schema`;
  return typeof setup === "function" ? null : `"${name}" has no setup function`;
}

/** What a slot of each kind must have, in words for an error. */
export const needs: Readonly<Record<Kind, string>> = {
  storage: "open()",
  provider: "dialects and request(), or chat()",
  auth: "authenticate()",
  "rate-limit": "acquire()",
  billing: "rate() and policy",
  guardrail: "input() or output()",
  cache: "get() and set()",
  observer: "callEnded(), or a receiver with events and deliver()",
};

// Plugins may be plain JavaScript, so what `setup` returned is looked at, not trusted.
export const isStorage = (slot: unknown): slot is Storage => has(slot, "open");
export const isProvider = (slot: unknown): slot is Provider =>
  has(slot, "chat") || (has(slot, "request") && isNonEmptyList(property(slot, "dialects")));
export const isAuthenticator = (slot: unknown): slot is Authenticator => has(slot, "authenticate");
export const isRateLimiter = (slot: unknown): slot is RateLimiter => has(slot, "acquire");
export const isBiller = (slot: unknown): slot is Biller => has(slot, "rate") && isObject(property(slot, "policy"));
export const isGuardrail = (slot: unknown): slot is Guardrail => has(slot, "input") || has(slot, "output");
export const isCache = (slot: unknown): slot is ResponseCache => has(slot, "get") && has(slot, "set");
export const isObserver = (slot: unknown): slot is Observer => {
  const receiver = property(slot, "receiver");
  if (receiver === undefined) return has(slot, "callEnded");
  return has(receiver, "deliver") && isNonEmptyList(property(receiver, "events"));
};
/** What a slot of each kind may fill; the tallies of what it fills say how often that ran. */
const fillable: { readonly [K in Kind]: readonly string[] } = {
  storage: ["open"],
  provider: ["request", "chat"],
  auth: ["authenticate"],
  "rate-limit": ["acquire", "preview", "use"],
  billing: ["rate", "models", "facts", "factsAhead", "adopt", "prices", "authorize"],
  guardrail: ["input", "output"],
  cache: ["get", "set"],
  observer: ["callEnded", "receiver", "mail", "metrics"],
};
/** What an instance of any kind may have. */
export const ofEveryKind = ["probe", "webhook"];

/** The hooks that a slot fills, by name. */
export const hooksIn = (kind: Kind, slot: unknown): readonly string[] =>
  [...fillable[kind], ...ofEveryKind].filter(
    (hook) => has(slot, hook) || (hook === "receiver" && property(slot, hook)),
  );

export const hasWebhook = (slot: unknown): slot is Required<Pick<SlotExtras, "webhook">> => has(slot, "webhook");
export const canProbe = (slot: unknown): slot is { probe(): unknown } => has(slot, "probe");

const has = (slot: unknown, method: string): boolean => typeof property(slot, method) === "function";

/** Methods of a class are there too. */
export const property = (slot: unknown, name: string): unknown =>
  isObject(slot) ? Reflect.get(slot, name) : undefined;

const isObject = (value: unknown): value is object => typeof value === "object" && value !== null;

const isNonEmptyList = (value: unknown): boolean => Array.isArray(value) && value.length > 0;
