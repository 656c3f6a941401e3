import { GatewayError } from "../chat/error.ts";
import type { Operation } from "../dialects/dialect.ts";
import type { Principal } from "../plugin/plugin.ts";
import type { TreeTerms } from "./account-terms.ts";
import { meansText } from "./glob.ts";

/** What a caller may ask for at all, before its body is read. Throws `forbidden`. */
export function permit(principal: Principal, operation: Operation, url: string, terms: TreeTerms): void {
  if (principal.operations && !principal.operations.includes(operation))
    throw new GatewayError("forbidden", `this key may not ask for ${operation}`, { code: "operation_not_allowed" });
  for (const { operations } of terms)
    if (operations !== "all" && !operations.includes(operation))
      throw new GatewayError("forbidden", `the account may not ask for ${operation}`, {
        code: "operation_not_allowed",
      });
  permitRoute(principal, url);
}

/** For what is no call: lists of models, say. Throws `forbidden`. */
export function permitRoute({ routes }: Principal, url: string): void {
  if (!routes) return;
  const { pathname } = new URL(url);
  if (!routes.some((route) => meansText(route, pathname)))
    throw new GatewayError("forbidden", "this key may not use this route", { code: "route_not_allowed" });
}
