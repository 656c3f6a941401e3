import { GatewayError } from "../chat/error.ts";
import { openaiChat } from "../dialects/openai-chat/index.ts";
import { authenticate } from "../pipeline/authenticate.ts";
import { openCall } from "../pipeline/call.ts";
import type { ListedModel } from "../pipeline/models.ts";
import type { Services } from "../pipeline/services.ts";
import { errorAnswer } from "./process.ts";

/** `GET /v1/models`: what the caller may call, in OpenAI's shape. */
export const listModels = (request: Request, services: Services): Promise<Response> =>
  answer(request, services, (models) => ({ object: "list", data: models.map(entry) }));

/** `GET /v1/models/*`: the id comes raw or with `%2F`. A model the caller may not use looks like one that does not exist. */
export const getModel = (request: Request, path: string, services: Services): Promise<Response> =>
  answer(request, services, (models) => {
    const id = decoded(path);
    const model = models.find((listed) => listed.id === id);
    if (!model) throw new GatewayError("model-not-found", "no such model");
    return entry(model);
  });

async function answer(
  request: Request,
  services: Services,
  body: (models: readonly ListedModel[]) => object,
): Promise<Response> {
  // Not a call: it costs nothing and leaves no record; only its id and hook timings are used.
  const call = openCall({ dialect: openaiChat, operation: "chat" }, services);
  try {
    const principal = await authenticate(request, call, services);
    return Response.json(body(services.models.list(principal)), {
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
