import { GatewayError, type Scope } from "../chat/error.ts";
import { globalFault } from "../config/limit-fault.ts";

/** What limits and budgets are on. `param`: where its id was given. Throws `invalid-request`. */
export function scopeOf(kind: string, id: string | undefined, param: "scope.id" | "scopeId"): Scope {
  const bad = (name: string, why: string) => new GatewayError("invalid-request", `${name}: ${why}`, { param: name });
  const fault = globalFault({ kind, id });
  if (fault) throw bad(param, fault);
  if (kind === "global") return { kind, id: "global" };
  if (kind !== "key" && kind !== "account" && kind !== "model" && kind !== "provider")
    throw bad("scopeKind", "expected key, account, model, provider or global");
  if (id === undefined) throw bad(param, "missing");
  return { kind, id };
}
