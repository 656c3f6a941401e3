import { GatewayError, type Scope } from "../chat/error.ts";
import { globalFault } from "../config/limit-fault.ts";
import type { LimitScope } from "../plugin/plugin.ts";
import type { Database } from "../storage/database.ts";

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

/** A limit or budget on a key or account that does not exist would count nothing, which nobody wants. */
export async function mustExist(
  { kind, id }: { readonly kind: LimitScope["kind"]; readonly id: string | null },
  database: Pick<Database, "accounts" | "keys">,
): Promise<void> {
  if (id === null || (kind !== "key" && kind !== "account")) return;
  const found = kind === "key" ? await database.keys.get(id) : await database.accounts.find(id);
  if (!found) throw new GatewayError("not-found", `scope.id: no ${kind} has this id`, { param: "scope.id" });
}
