import { GatewayError } from "../chat/error.ts";
import { openaiChat } from "../dialects/openai-chat/index.ts";
import { authenticate } from "../pipeline/authenticate.ts";
import { openCall } from "../pipeline/call.ts";
import type { ListedModel } from "../pipeline/models.ts";
import type { Principal } from "../plugin/plugin.ts";
import type { Services } from "../pipeline/services.ts";
import { errorAnswer } from "./process.ts";

/** `GET /v1/models`: what the caller may call, in OpenAI's shape. */
export const listModels = (request: Request, services: Services): Promise<Response> =>
  answer(request, services, (principal) => ({
    object: "list",
    data: services.models.list(principal).map(entry),
  }));

/**
 * `GET /v1/models/*`: the id comes raw or with `%2F`. Knows every model that can be called, also those that no list names
 * (`instance/any`). A model the caller may not use looks like one that does not exist.
 */
export const getModel = (request: Request, path: string, services: Services): Promise<Response> =>
  answer(request, services, (principal) => {
    const id = decoded(path);
    const listed = services.models.list(principal).find((model) => model.id === id);
    return entry(listed ?? { id, ownedBy: ownerOf(id, principal, services) });
  });

function ownerOf(id: string, principal: Principal, services: Services): string {
  try {
    return services.models.resolve(id, principal, services.random).targets[0].provider;
  } catch {
    throw new GatewayError("model-not-found", "no such model");
  }
}

async function answer(request: Request, services: Services, body: (principal: Principal) => object): Promise<Response> {
  // Not a call: it costs nothing and leaves no record; only its id and hook timings are used.
  const call = openCall(null, { dialect: openaiChat, operation: "chat" }, services);
  try {
    const principal = await authenticate(request, call, services);
    return Response.json(body(principal), {
      headers: { "cache-control": "no-store", "x-request-id": call.id },
    });
  } catch (error) {
    if (!(error instanceof GatewayError))
      services.logger.error({ callId: call.id, error }, "models could not be listed");
    return errorAnswer(error, call.id);
  }
}

/** OpenAI's `created` has no meaning here; SDKs want a number. */
const entry = ({ id, ownedBy }: ListedModel) => ({ id, object: "model", created: 0, owned_by: ownedBy });

function decoded(path: string): string {
  try {
    return decodeURIComponent(path);
  } catch {
    return path;
  }
}
