import type { Awaitable } from "./plugin.ts";

/** What a slot of each kind may have beside its own. */
export interface Probed {
  /**
   * Asked before a reload puts the instance into use; a throw keeps the config of before, all of it. It may use the network,
   * within 10 s. A start does not ask: there is nothing to fall back to, and what is down then may come back.
   */
  probe?(): Awaitable<void>;
}
