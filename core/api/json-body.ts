import { GatewayError } from "../chat/error.ts";
import { parseJsonBody } from "../dialects/json-text.ts";
import { textOf, wholeBody } from "../pipeline/whole-body.ts";

/** What the admin API takes in one body. */
const maxBodyBytes = 1024 * 1024;

/** The parsed body of a request that is no call, not yet checked. */
export async function jsonOf(request: Request): Promise<unknown> {
  if (!/^application\/json\s*(?:;|$)/i.test(request.headers.get("content-type") ?? ""))
    throw new GatewayError("unsupported-media-type", "content-type must be application/json");
  return parseJsonBody(textOf(await wholeBody(request, maxBodyBytes)));
}
