import type { ChatRequest } from "../../chat/request.ts";
import type { Admitted } from "../admit.ts";
import type { Call } from "../call.ts";
import { messageFor } from "../message.ts";
import type { Route, RouteTarget } from "../models.ts";
import type { Services } from "../services.ts";
import { isNotCarried, refuseNativeOnly } from "../translate/native-only.ts";
import { offers } from "../translate/operation.ts";
import { addWarnings } from "../warnings.ts";
import { targetName } from "../target-name.ts";
import { skippedIn } from "../why.ts";
import type { HypotheticalCall } from "./dry-run.ts";
import type { ExplainedTarget } from "./explanation.ts";
import { withExcluded } from "./recorded.ts";

/**
 * Which target would be asked first, which after it, and which not, by what is known of them now. What the translation
 * for the first one would warn of is added to the call's warnings. Throws what the request itself would be refused for.
 */
export async function plannedTargets(
  call: Call,
  given: HypotheticalCall,
  { route, admitted }: { readonly route: Route; readonly admitted: Admitted | null },
  services: Services,
): Promise<readonly ExplainedTarget[]> {
  const planned: ExplainedTarget[] = [];
  let first = admitted !== null;
  for (const target of route.targets) {
    const reason =
      passedOver(target, services) ??
      (admitted && first ? await misfit(target, { call, given, admitted }, services) : null);
    const state = reason !== null ? "passed-over" : !admitted ? "not-asked" : first ? "chosen" : "next";
    if (state === "chosen") first = false;
    const { score = null } = target;
    planned.push({ target: targetName(target), state, reason, words: null, score });
  }
  return withExcluded(planned, route.skipped && skippedIn(route.skipped));
}

function passedOver(target: RouteTarget, { breakers, bulkheads }: Services): string | null {
  if (breakers.leavesAlone(target)) return "breaker_open";
  return bulkheads.isFull(target.provider) ? "provider_busy" : null;
}

interface Planned {
  readonly call: Call;
  readonly given: HypotheticalCall;
  readonly admitted: Admitted;
}

/** Makes the message that would be sent, and leaves it. */
async function misfit(
  target: RouteTarget,
  { call, given, admitted }: Planned,
  services: Services,
): Promise<string | null> {
  const { asked, endpoint } = given;
  const { slot } = target;
  let decoded: ChatRequest | null = null;
  const request = () => (decoded ??= endpoint.dialect.decodeRequest(asked.body, endpoint.inPath));
  const limits = services.settings.timeouts(asked.envelope.model, target);
  try {
    if (!offers(slot, endpoint.operation)) return null;
    if ("chat" in slot) refuseNativeOnly(request(), endpoint.dialect.name);
    else {
      const { warnings } = await messageFor({ call, asked, admitted, target, limits, services, request }, slot);
      addWarnings(call.warnings, warnings);
    }
    return null;
  } catch (error) {
    if (isNotCarried(error)) return "not_carried";
    throw error;
  }
}
