import { GatewayError } from "../chat/error.ts";
import { nothingMetered } from "./answer.ts";
import type { Call } from "./call.ts";
import type { Route, RouteTarget } from "./models.ts";
import type { Services } from "./services.ts";
import { type Outcome, settle } from "./settle.ts";
import { stoppedStatus } from "./timeouts.ts";

/** The record of a call that was admitted and failed before its first byte, and the end of all its holds. */
export async function settleFailed(call: Call, { targets }: Route, error: GatewayError, services: Services) {
  await settle(
    call,
    {
      status: statusOf(call, error),
      httpStatus: error.status,
      target: lastTried(call, targets),
      metered: call.spoilt ?? nothingMetered,
      error,
    },
    services,
  );
}

export function gatewayError(call: Call, thrown: unknown, { logger }: Pick<Services, "logger">): GatewayError {
  if (thrown instanceof GatewayError) return thrown;
  logger.error({ callId: call.id, error: thrown }, "a call failed for a reason of our own");
  return new GatewayError("internal", "Internal error.", { cause: thrown });
}

/** No target could be asked for it: that is a refusal of ours, and no failure of theirs. */
function statusOf(call: Call, error: GatewayError): Outcome["status"] {
  if (call.clientGone) return "client_aborted";
  if (call.stopped) return stoppedStatus(call.stopped);
  return call.attempts.length === 0 && error.status < 500 ? "refused" : "upstream_error";
}

const lastTried = (call: Call, targets: Route["targets"]): RouteTarget => {
  const last = call.attempts.at(-1);
  return (
    targets.find(({ provider, model }) => provider === last?.provider && model === last.upstreamModel) ?? targets[0]
  );
};
