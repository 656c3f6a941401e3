import { GatewayError } from "../chat/error.ts";
import { lineTerms, type TreeTerms } from "../pipeline/account-terms.ts";
import { answerHeaders } from "../pipeline/answer-headers.ts";
import { authenticate } from "../pipeline/authenticate.ts";
import { openCall } from "../pipeline/call.ts";
import { permitRoute } from "../pipeline/permit.ts";
import { openAccounts } from "../pipeline/scopes.ts";
import type { Services } from "../pipeline/services.ts";
import type { Principal } from "../plugin/plugin.ts";
import { dialectOf } from "./caller.ts";
import { errorAnswer } from "./process.ts";

/** Answers whoever may call, in its dialect, where what it asks is no call: it costs nothing and leaves no record. */
export async function answered(
  request: Request,
  services: Services,
  body: (principal: Principal, terms: TreeTerms) => object | Promise<object>,
  status = 200,
): Promise<Response> {
  const dialect = dialectOf(request);
  // Only its id and hook timings are used.
  const call = openCall(null, { dialect, operation: "chat" }, services);
  const { requestIdHeader } = dialect.traits;
  try {
    const principal = await authenticate(request, call, services);
    permitRoute(principal, request.url);
    const line = await services.database.accounts.lineage(principal.accountId, call.startedMs);
    openAccounts(line, principal, services, call.id);
    return Response.json(await body(principal, lineTerms(line, services.database.accountTerms)), {
      status,
      headers: {
        ...answerHeaders,
        "x-request-id": call.id,
        ...(requestIdHeader !== undefined && { [requestIdHeader]: call.id }),
      },
    });
  } catch (error) {
    if (!(error instanceof GatewayError))
      services.logger.error({ callId: call.id, error }, "a caller could not be answered");
    return errorAnswer(error, call.id, dialect);
  }
}
