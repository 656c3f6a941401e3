import { GatewayError } from "../chat/error.ts";
import type { TreeTerms } from "../pipeline/account-terms.ts";
import type { Principal } from "../plugin/plugin.ts";
import type { Services } from "../pipeline/services.ts";
import { dialectOf } from "./caller.ts";
import { answered } from "./caller-answer.ts";
import { decoded } from "./endpoints.ts";
import { modelShapes } from "./model-lists.ts";

/** `GET /v1/models`, `GET /v1beta/models`: what the caller may call, in the shape of its dialect. */
export const listModels = (request: Request, services: Services): Promise<Response> =>
  answered(request, services, (principal, terms) =>
    modelShapes[dialectOf(request).name].list(
      services.models.list(principal, terms),
      new URL(request.url).searchParams,
    ),
  );

/**
 * One model; its id comes raw or with `%2F`. Knows every model that can be called, also those that no list names
 * (`instance/any`). A model the caller may not use looks like one that does not exist.
 */
export const getModel = (request: Request, path: string, services: Services): Promise<Response> =>
  answered(request, services, (principal, terms) => {
    const id = decoded(path);
    const listed = services.models.list(principal, terms).find((model) => model.id === id);
    return modelShapes[dialectOf(request).name].entry(
      listed ?? { id, ownedBy: ownerOf(id, principal, terms, services) },
    );
  });

/** A method of a model that does not exist, or not here. */
export const unknownMethod = (request: Request, services: Services): Promise<Response> =>
  answered(request, services, () => {
    throw new GatewayError("not-found", "models have no such method here");
  });

function ownerOf(id: string, principal: Principal, terms: TreeTerms, services: Services): string {
  try {
    return services.models.resolve(id, principal, services.random, terms).targets[0].provider;
  } catch {
    throw new GatewayError("model-not-found", "no such model");
  }
}
