import { noTerms, treeTerms } from "./pipeline/account-terms.ts";
import { admit } from "./pipeline/admit.ts";
import { authenticate } from "./pipeline/authenticate.ts";
import { type Call, openCall } from "./pipeline/call.ts";
import { decode } from "./pipeline/decode.ts";
import { dispatch } from "./pipeline/dispatch.ts";
import { leaveLists, stopWaiting } from "./pipeline/disconnect.ts";
import { gatewayError, settleFailed } from "./pipeline/fail.ts";
import { respond, respondError } from "./pipeline/respond.ts";
import { permit } from "./pipeline/permit.ts";
import { openLine } from "./pipeline/scopes.ts";
import type { Endpoint, Services } from "./pipeline/services.ts";
import { refuse } from "./pipeline/settle.ts";
import { withShadow } from "./pipeline/shadow.ts";
import { arrivals } from "./runtime/turn.ts";

/** One client call from first byte to last. The order of these lines is the order of the pipeline. */
export async function handle(request: Request, endpoint: Endpoint, services: Services): Promise<Response> {
  const call = openCall(request, endpoint, services);
  services.open.add(call);
  services.inUse.enter();
  try {
    services.overload.admitCall(services.open.size);
    // Most know at once: an `await` for what is there takes a turn of its own.
    const known = authenticate(request, call, services); //                                 Request      → Principal
    call.principal = known instanceof Promise ? await known : known;
    // Not before: who shows no key that holds is answered at once.
    await arrivals();
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
    if (route.shadow)
      return await withShadow(route.shadow, call, asked, services, () => respond(call, dispatched, services));
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
    await settleFailed(call, call.admitted.route, error, services);
  } else {
    await refuse(call, error, services);
  }
  return respondError(call, error, services.now());
}
