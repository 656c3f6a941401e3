import { GatewayError } from "../../chat/error.ts";
import type { ChatRequest } from "../../chat/request.ts";
import type { DialectName } from "../../dialects/dialect.ts";

const notCarried = "not_carried";

/**
 * Throws for what only a target of the client's own dialect can give; everything less becomes a warning later. Offers
 * that agents make in every call and do without (Codex's web search without access to the web) are not among them: their
 * codec knows.
 */
export function refuseNativeOnly(request: ChatRequest, client: DialectName): void {
  const [first] = request.nativeOnly;
  if (first === undefined) return;
  throw new GatewayError(
    "invalid-request",
    `'${first.param}' asks for ${first.what}, which this model's provider cannot be asked for: it needs a provider that speaks ${client}`,
    { code: notCarried, param: first.param },
  );
}

/** Throws for a message of which nothing is left but what was lost: sent empty, it would be refused or misunderstood. */
export function refuseEmptied(lost: ReadonlySet<string>, client: DialectName): never {
  const what = lost.size === 0 ? "parts of its own protocol" : [...lost].join(", ");
  throw new GatewayError(
    "invalid-request",
    `a message has nothing but ${what}, which this model's provider cannot be asked for: it needs a provider that speaks ${client}`,
    { code: notCarried },
  );
}

/** The request was not sent, because this target cannot carry it; another one may. */
export const isNotCarried = (error: unknown): boolean =>
  error instanceof GatewayError && error.details.code === notCarried;
