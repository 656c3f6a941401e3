import { withParameters } from "../../chat/parameters.ts";
import type { ChatRequest } from "../../chat/request.ts";
import type { Dialect } from "../../dialects/dialect.ts";
import type { UpstreamProvider } from "../../plugin/plugin.ts";
import type { Order } from "../order.ts";
import { asModelTakes, spokenFor } from "./openai-model.ts";
import { translateRequest, type TranslatedRequest } from "./request.ts";
import { asUpstreamTakes } from "./upstream.ts";

export interface Carried extends TranslatedRequest {
  readonly spoken: Dialect;
}

/**
 * A request as its target takes it in the first of these dialects, or another that its model asks for; its cap aside. What
 * counts a request counts this one too: names, tools and kept reasoning are not as the client sent them.
 */
export async function carriedTo(
  slot: UpstreamProvider,
  dialects: readonly [Dialect, ...Dialect[]],
  original: ChatRequest,
  { call, target, services }: Pick<Order, "call" | "target" | "services">,
): Promise<Carried> {
  const told = asTold(original, target);
  const fit = asModelTakes(told.request, target.model, dialects[0]);
  const spoken = spokenFor(fit.request, target.model, dialects);
  const { request, warnings, restore } = await translateRequest(fit.request, {
    client: call.endpoint.dialect,
    target: spoken,
    accountId: call.principal?.accountId ?? "",
    vault: services.vault,
    opening: { id: call.id, createdMs: services.now() },
  });
  const taken = asUpstreamTakes(request, slot, spoken);
  return {
    request: taken.request,
    warnings: [...told.warnings, ...fit.warnings, ...warnings, ...taken.warnings],
    restore,
    spoken,
  };
}

/** With what the operator drops and sets for the target. */
export const asTold = (request: ChatRequest, { parameters }: Order["target"]) =>
  parameters ? withParameters(request, parameters) : { request, warnings: nothing };
const nothing: readonly string[] = [];
