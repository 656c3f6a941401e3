import type { Capability } from "../chat/capability.ts";
import type { JsonObject } from "../chat/json.ts";
import type { ChatRequest, Part } from "../chat/request.ts";
import type { Endpoint } from "./services.ts";

/**
 * What a call asks of a model beside text. A body that the protocol does not allow asks for nothing: it is the provider's
 * to refuse.
 */
export function needsOf({ dialect, operation, inPath }: Endpoint, body: JsonObject): ReadonlySet<Capability> {
  const codec = operation === "chat" ? dialect : operation === "count-tokens" ? dialect.operations[operation] : null;
  if (!codec) return nothing;
  try {
    return needsIn(codec.decodeRequest(body, inPath));
  } catch {
    return nothing;
  }
}

const nothing: ReadonlySet<Capability> = new Set();

function needsIn({ messages, tools, reasoning, format }: ChatRequest): ReadonlySet<Capability> {
  const needs = new Set<Capability>();
  for (const { parts } of messages) for (const part of parts) addMedia(needs, part);
  if (tools.length > 0) needs.add("tools");
  if (format.type === "json-schema") needs.add("structuredOutput");
  const { effort = null, budgetTokens = null } = reasoning ?? {};
  if (effort === null ? budgetTokens !== null && budgetTokens !== 0 : effort !== "none") needs.add("reasoning");
  return needs;
}

function addMedia(needs: Set<Capability>, part: Part): void {
  if (part.type === "media") needs.add(part.kind === "image" ? "images" : part.kind === "audio" ? "audio" : "files");
  else if (part.type === "tool-result") for (const inner of part.parts) addMedia(needs, inner);
}
