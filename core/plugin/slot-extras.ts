import type { Awaitable } from "./plugin.ts";

/** What a slot of each kind may have beside its own. */
export interface SlotExtras {
  /**
   * Asked before a reload puts the instance into use; a throw keeps the config of before, all of it. It may use the network,
   * within 10 s. A start does not ask: there is nothing to fall back to, and what is down then may come back.
   */
  probe?(): Awaitable<void>;
  /**
   * Answers `POST /hooks/NAME`, where NAME is the instance's. Anybody may send there: nobody was asked for a credential, so
   * it must verify the sender's signature over the body itself, and that the message is neither old nor had before. The
   * body is there, whole, and 1 MiB at most. The answer is sent when its body has ended too, within 5 s; after a throw, or
   * later than that, the sender gets a bare 500 or 504, and the log says why. To refuse, return what the sender understands.
   */
  webhook?(request: Request): Awaitable<Response>;
}
