import type { Principal } from "../plugin/plugin.ts";
import { type Choice, fractionOf, stickyKey } from "./strategy.ts";

/** A share of the callers of an alias for whom a target goes first; it is there for nobody else. */
export interface Canary {
  /** From 0 to 100. */
  readonly percent: number;
  /** What stays on one side: a caller (a key, or who has a token) or a conversation. */
  readonly by: "caller" | "conversation";
}

/**
 * Where a caller stands among all of them, in percent, for one target of one alias. It stands there whatever the share is,
 * so that a larger share takes callers in and sends none away.
 */
export function standingOf(
  alias: string,
  target: string,
  { by }: Pick<Canary, "by">,
  principal: Pick<Principal, "keyId" | "auth" | "name">,
  choice: Choice,
): number {
  const who = by === "conversation" ? stickyKey(choice) : callerOf(principal);
  return fractionOf(JSON.stringify(["canary", alias, target, who])) * 100;
}

/** A key keeps its id when its secret changes; two issuers may give one name to two people. */
const callerOf = ({ keyId, auth = "", name }: Pick<Principal, "keyId" | "auth" | "name">): string =>
  keyId ?? JSON.stringify([auth, name]);
