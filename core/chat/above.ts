import { GatewayError } from "./error.ts";
import type { LimitScope } from "./limit.ts";

/** What is told of a limit or budget to whoever is below it: that there is one. Its figures are of those above. */
export interface AboveLimit {
  readonly scope: Pick<LimitScope, "kind">;
  readonly above: true;
  /** Of a limit; absent: it is a budget. */
  readonly measure?: unknown;
}

/** The same refusal, in a fixed sentence where the limit or budget that refused is not the asker's to see. */
export function toldBelow(error: GatewayError, isTheirs: (scope: LimitScope) => boolean): GatewayError {
  const { limit, use: _, ...details } = error.details;
  if (!limit || isTheirs(limit.scope)) return error;
  const { measure } = limit;
  const above: AboveLimit = {
    scope: { kind: limit.scope.kind },
    above: true,
    ...(measure !== undefined && { measure }),
  };
  return new GatewayError(error.kind, aboveText(limit), { ...details, above });
}

export const aboveText = ({ scope, measure }: { readonly scope: LimitScope; readonly measure?: unknown }): string =>
  `A ${measure === undefined ? "budget" : "limit"} that is set above your account, on ${subjects[scope.kind]}, does not let this call pass.`;

const subjects: Readonly<Record<LimitScope["kind"], string>> = {
  key: "another key",
  account: "an account above it",
  model: "the model",
  provider: "the provider",
  global: "all calls",
  ip: "the address",
};
