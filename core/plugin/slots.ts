import type { ResolvedPlugin } from "./load.ts";
import type { Authenticator, Biller, Guardrail, Observer, Provider, RateLimiter, ResponseCache } from "./plugin.ts";
import * as shape from "./shape.ts";

/** A slot that is in use. */
export interface Instance<Slot> {
  readonly name: string;
  readonly slot: Slot;
}

export interface ObserverInstance extends Instance<Observer> {
  /** A built-in one leaves its records as they are; any other gets a copy of its own. */
  readonly isBuiltIn?: boolean;
}

/** The slots of every kind but storage, in file order. */
export interface Slots {
  readonly providers: ReadonlyMap<string, Provider>;
  readonly auth: readonly Instance<Authenticator>[];
  readonly rateLimit: readonly Instance<RateLimiter>[];
  readonly billing: Instance<Biller> | null;
  readonly guardrail: readonly Instance<Guardrail>[];
  readonly cache: readonly Instance<ResponseCache>[];
  readonly observer: readonly ObserverInstance[];
}

/** Sorts what each `setup` returned to its kind. `put` says `false` when it lacks what the kind needs. */
export function collectSlots() {
  const providers = new Map<string, Provider>();
  const auth: Instance<Authenticator>[] = [];
  const rateLimit: Instance<RateLimiter>[] = [];
  const billing: Instance<Biller>[] = [];
  const guardrail: Instance<Guardrail>[] = [];
  const cache: Instance<ResponseCache>[] = [];
  const observer: ObserverInstance[] = [];

  const put = ({ kind, name, origin }: ResolvedPlugin, slot: unknown): boolean => {
    switch (kind) {
      case "provider":
        return shape.isProvider(slot) && providers.set(name, slot).has(name);
      case "auth":
        return shape.isAuthenticator(slot) && auth.push({ name, slot }) > 0;
      case "rate-limit":
        return shape.isRateLimiter(slot) && rateLimit.push({ name, slot }) > 0;
      case "billing":
        return shape.isBiller(slot) && billing.push({ name, slot }) > 0;
      case "guardrail":
        return shape.isGuardrail(slot) && guardrail.push({ name, slot }) > 0;
      case "cache":
        return shape.isCache(slot) && cache.push({ name, slot }) > 0;
      case "observer":
        return shape.isObserver(slot) && observer.push({ name, slot, isBuiltIn: origin === "built-in" }) > 0;
      case "storage":
        return false;
    }
  };
  const slots = (): Slots => ({ providers, auth, rateLimit, billing: billing[0] ?? null, guardrail, cache, observer });
  return { put, slots };
}
