import type { ChatRequest } from "../chat/request.ts";
import type { Admitted } from "./admit.ts";
import type { Call } from "./call.ts";
import type { Asked } from "./decode.ts";
import type { RouteTarget } from "./models.ts";
import type { Timeouts } from "./timeouts.ts";
import type { Services } from "./services.ts";

/** What is known of a call when one of its targets is tried. */
export interface Order {
  readonly call: Call;
  readonly asked: Asked;
  readonly admitted: Admitted;
  readonly target: RouteTarget;
  /** How long this attempt is waited for. */
  readonly limits: Timeouts;
  readonly services: Services;
  /** The chat request in canonical form, decoded once a call and only where it is needed. */
  readonly request: () => ChatRequest;
}

/**
 * The cap on a candidate's output that must be sent to the target, in tokens: what the hold needs, and the operator's own
 * for a request without one. `null`: the request's stands.
 */
export function capOf({ asked, admitted, target }: Pick<Order, "asked" | "admitted" | "target">): number | null {
  const usual = target.parameters?.defaults.maxOutputTokens;
  if (usual === undefined || asked.envelope.maxOutputTokens !== null) return admitted.maxOutputTokens;
  return Math.min(usual, admitted.maxOutputTokens ?? usual);
}
