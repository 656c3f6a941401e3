import { GatewayError } from "../chat/error.ts";
import type { JsonObject } from "../chat/json.ts";
import { codecOf } from "../dialects/codec.ts";
import type { Envelope } from "../dialects/dialect.ts";
import { type Member, readJsonBody } from "../dialects/json-text.ts";
import type { Call } from "./call.ts";
import { holdBodyOf } from "./overload.ts";
import type { Services } from "./services.ts";
import { callersTimeouts } from "./timeouts.ts";
import { textOf, wholeBody } from "./whole-body.ts";

/** The request as the stages need it: its exact text for the relay, and its parsed form for everything else. */
export interface Asked {
  readonly text: string;
  readonly body: JsonObject;
  /** Where those of `text` stand, so that it need not be looked through again; absent: not known. */
  readonly members?: readonly Member[];
  readonly envelope: Envelope;
}

export async function decode(request: Request, call: Call, services: Services): Promise<Asked> {
  const { maxBodyBytes } = services.settings;
  refuseByHeaders(request.headers);
  call.ownTimeouts = callersTimeouts(request.headers);
  const { dialect, operation, inPath } = call.endpoint;
  const codec = codecOf(dialect, operation);
  if (codec === null) throw new GatewayError("internal", "a route of an operation that its dialect does not have");
  const bytes = await wholeBody(request, maxBodyBytes, (more) => holdBodyOf(call, more, services.overload));
  const text = textOf(bytes);
  const { body, members } = readJsonBody(text);
  return { text, body, members, envelope: codec.readEnvelope(body, bytes.byteLength, inPath) };
}

/** What can be refused before a byte of the body is read. */
function refuseByHeaders(headers: Headers) {
  const encoding = headers.get("content-encoding");
  if (encoding !== null && encoding.toLowerCase() !== "identity")
    throw new GatewayError("unsupported-media-type", "the body must not be compressed");
  const given = headers.get("content-type");
  if (given === "application/json") return;
  const type = /^application\/(?:[\w.+-]+\+)?json\s*(?:;(.*))?$/i.exec(given?.trim() ?? "");
  if (!type) throw new GatewayError("unsupported-media-type", "content-type must be application/json");
  const charset = /charset\s*=\s*"?([\w-]+)/i.exec(type[1] ?? "")?.[1];
  if (charset !== undefined && charset.toLowerCase() !== "utf-8" && charset.toLowerCase() !== "utf8")
    throw new GatewayError("unsupported-media-type", "the charset must be utf-8");
}
