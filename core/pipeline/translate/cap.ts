import type { Dialect } from "../../dialects/dialect.ts";
import { capOf, type Order } from "../order.ts";

/** The cap on output that a target of another dialect is asked with, and the sentences for what is not as `asked`. */
export function capFor(
  order: Order,
  asked: number | null,
  { name }: Dialect,
): { readonly tokens: number | null; readonly warnings: readonly string[] } {
  const { target, services } = order;
  const tokens = capOf(order) ?? asked;
  if (tokens === null) return { tokens, warnings: [] };
  const most = services.billing?.slot.facts?.(target, services.now())?.maxOutputTokens ?? tokens;
  if (tokens > most)
    return {
      tokens: most,
      warnings: [`max output tokens lowered from ${tokens} to ${most}, the most that ${target.model} can write`],
    };
  if (name !== "openai-responses" || tokens >= leastCap || isHeldFor(order)) return { tokens, warnings: [] };
  return {
    tokens: leastCap,
    warnings: [`max output tokens raised from ${tokens} to ${leastCap}, the least that ${name} takes`],
  };
}

/** https://platform.openai.com/docs/api-reference/responses/create: "integer below minimum value. Expected a value >= 16". */
export const leastCap = 16;

/** Money was held for as many tokens as were asked for; the provider's refusal of so few costs nothing. */
const isHeldFor = ({ admitted }: Order): boolean =>
  admitted.held.length > 0 || admitted.holds.some(({ kind }) => kind === "billing");
