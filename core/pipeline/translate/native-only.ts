import { GatewayError } from "../../chat/error.ts";
import type { ChatRequest, NativeOnly } from "../../chat/request.ts";
import type { DialectName } from "../../dialects/dialect.ts";

const notCarried = "not_carried";

/**
 * Throws for what only a target of the client's own dialect can give; everything less becomes a warning later. Agents
 * offer tools that the provider runs (a web search) beside their own in every call, and do without: such an offer is
 * left out with the codec's warning. A call that has no other tools, or demands one of these, is about them.
 */
export function refuseNativeOnly(request: ChatRequest, client: DialectName): void {
  const { tools, toolChoice } = request;
  const plain = new Set(tools.flatMap((tool) => (tool.type === "server" ? [] : tool.name)));
  const isForced = toolChoice?.type === "tool" && !plain.has(toolChoice.name);
  const mayLeaveTools = plain.size > 0 && !isForced;
  const first = request.nativeOnly.find((needed) => !(mayLeaveTools && isTool(needed)));
  if (first === undefined) return;
  throw new GatewayError(
    "invalid-request",
    `'${first.param}' asks for ${first.what}, which this model's provider cannot be asked for: it needs a provider that speaks ${client}`,
    { code: notCarried, param: first.param },
  );
}

const isTool = ({ param }: NativeOnly): boolean => param.startsWith("tools");

/** The request was not sent, because this target cannot carry it; another one may. */
export const isNotCarried = (error: unknown): boolean =>
  error instanceof GatewayError && error.details.code === notCarried;
