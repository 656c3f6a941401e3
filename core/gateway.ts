import { GatewayError } from "./chat/error.ts";
import { noTerms, treeTerms } from "./pipeline/account-terms.ts";
import { admit } from "./pipeline/admit.ts";
import { nothingMetered } from "./pipeline/answer.ts";
import { authenticate } from "./pipeline/authenticate.ts";
import { type Call, openCall } from "./pipeline/call.ts";
import { decode } from "./pipeline/decode.ts";
import { dispatch } from "./pipeline/dispatch.ts";
import { leaveLists, stopWaiting } from "./pipeline/disconnect.ts";
import type { Route, RouteTarget } from "./pipeline/models.ts";
import { respond, respondError } from "./pipeline/respond.ts";
import { permit } from "./pipeline/permit.ts";
import { openLine } from "./pipeline/scopes.ts";
import type { Endpoint, Services } from "./pipeline/services.ts";
import { stoppedStatus } from "./pipeline/timeouts.ts";
import { type Outcome, refuse, settle } from "./pipeline/settle.ts";

/** One client call from first byte to last. The order of these lines is the order of the pipeline. */
export async function handle(request: Request, endpoint: Endpoint, services: Services): Promise<Response> {
  const call = openCall(request, endpoint, services);
  services.open.add(call);
  services.inUse.enter();
  try {
    services.overload.admitCall(services.open.size);
    call.principal = await authenticate(request, call, services); //                        Request      → Principal
    const { database } = services;
    const terms = database.accountTerms.isAnySet()
      ? await treeTerms(call.principal, database, call.startedMs)
      : noTerms;
    permit(call.principal, endpoint.operation, request.url, terms);
    const asked = await decode(request, call, services); //                                 bytes        → Asked
    call.envelope = asked.envelope;
    services.keepOpen(request);
    const route = services.models.resolve(asked.envelope.model, call.principal, services.random, terms, {
      endpoint, //                                                                           name         → Route
      accountId: call.principal.accountId,
      envelope: asked.envelope,
      body: asked.body,
      headers: request.headers,
    });
    const idempotencyKey = services.idempotency && request.headers.get("idempotency-key");
    if (idempotencyKey !== null) {
      // An answer that is kept is for who could make the call now; `admit` looks again.
      await openLine(call, call.principal, services);
      const replayed = await services.idempotency?.begin(idempotencyKey, call, call.principal, asked);
      if (replayed) return leave(call, replayed, services);
    }
    call.admitted = await admit(call, call.principal, asked, route, services); //  RESERVE   Claim        → Holds
    call.content = services.content.begin(call, asked.text);
    const dispatched = await dispatch(call, asked, call.admitted, services); //    DISPATCH  Target       → Answer
    return await respond(call, dispatched, services); //                           SETTLE    Answer       → Response
  } catch (thrown) {
    return await fail(call, thrown, services);
  } finally {
    stopWaiting(call, services);
  }
}

/** It was made and recorded before, under the id that the answer bears. */
function leave(call: Call, replayed: Response, services: Services): Response {
  call.ended = true;
  leaveLists(call, services);
  services.inUse.leave();
  return replayed;
}

/** However a call failed before its first byte: one record, every hold ended, an error in the caller's dialect. */
async function fail(call: Call, thrown: unknown, services: Services): Promise<Response> {
  const error = gatewayError(call, thrown, services);
  if (call.admitted) {
    await settle(
      call,
      {
        status: statusOf(call, error),
        httpStatus: error.status,
        target: lastTried(call, call.admitted.route),
        metered: call.spoilt ?? nothingMetered,
        error,
      },
      services,
    );
  } else {
    await refuse(call, error, services);
  }
  return respondError(call, error, services.now());
}

/** No target could be asked for it: that is a refusal of ours, and no failure of theirs. */
function statusOf(call: Call, error: GatewayError): Outcome["status"] {
  if (call.clientGone) return "client_aborted";
  if (call.stopped) return stoppedStatus(call.stopped);
  return call.attempts.length === 0 && error.status < 500 ? "refused" : "upstream_error";
}

const lastTried = (call: Call, { targets }: Route): RouteTarget => {
  const last = call.attempts.at(-1);
  return (
    targets.find(({ provider, model }) => provider === last?.provider && model === last.upstreamModel) ?? targets[0]
  );
};

function gatewayError(call: Call, thrown: unknown, services: Services): GatewayError {
  if (thrown instanceof GatewayError) return thrown;
  services.logger.error({ callId: call.id, error: thrown }, "a call failed for a reason of our own");
  return new GatewayError("internal", "Internal error.", { cause: thrown });
}
