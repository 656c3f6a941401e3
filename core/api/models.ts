import { GatewayError } from "../chat/error.ts";
import { authenticate } from "../pipeline/authenticate.ts";
import { openCall } from "../pipeline/call.ts";
import { permitRoute } from "../pipeline/permit.ts";
import { openAccounts } from "../pipeline/scopes.ts";
import type { Principal } from "../plugin/plugin.ts";
import type { Services } from "../pipeline/services.ts";
import { dialectOf } from "./caller.ts";
import { decoded } from "./endpoints.ts";
import { modelShapes } from "./model-lists.ts";
import { errorAnswer } from "./process.ts";

/** `GET /v1/models`, `GET /v1beta/models`: what the caller may call, in the shape of its dialect. */
export const listModels = (request: Request, services: Services): Promise<Response> =>
  answered(request, services, (principal) =>
    modelShapes[dialectOf(request).name].list(services.models.list(principal), new URL(request.url).searchParams),
  );

/**
 * One model; its id comes raw or with `%2F`. Knows every model that can be called, also those that no list names
 * (`instance/any`). A model the caller may not use looks like one that does not exist.
 */
export const getModel = (request: Request, path: string, services: Services): Promise<Response> =>
  answered(request, services, (principal) => {
    const id = decoded(path);
    const listed = services.models.list(principal).find((model) => model.id === id);
    return modelShapes[dialectOf(request).name].entry(listed ?? { id, ownedBy: ownerOf(id, principal, services) });
  });

/** A method of a model that does not exist, or not here. */
export const unknownMethod = (request: Request, services: Services): Promise<Response> =>
  answered(request, services, () => {
    throw new GatewayError("not-found", "models have no such method here");
  });

function ownerOf(id: string, principal: Principal, services: Services): string {
  try {
    return services.models.resolve(id, principal, services.random).targets[0].provider;
  } catch {
    throw new GatewayError("model-not-found", "no such model");
  }
}

async function answered(
  request: Request,
  services: Services,
  body: (principal: Principal) => object,
): Promise<Response> {
  const dialect = dialectOf(request);
  // Not a call: it costs nothing and leaves no record; only its id and hook timings are used.
  const call = openCall(null, { dialect, operation: "chat" }, services);
  const { requestIdHeader } = dialect.traits;
  try {
    const principal = await authenticate(request, call, services);
    permitRoute(principal, request.url);
    openAccounts(await services.database.accounts.lineage(principal.accountId, call.startedMs), call.id, services);
    return Response.json(body(principal), {
      headers: {
        "cache-control": "no-store",
        "x-request-id": call.id,
        ...(requestIdHeader !== undefined && { [requestIdHeader]: call.id }),
      },
    });
  } catch (error) {
    if (!(error instanceof GatewayError))
      services.logger.error({ callId: call.id, error }, "models could not be listed");
    return errorAnswer(error, call.id, dialect);
  }
}
