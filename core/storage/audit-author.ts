import { AsyncLocalStorage } from "node:async_hooks";
import type { Author } from "./audit.ts";

/** Somebody who asks for something. */
export interface Asker {
  readonly author: Author;
  /** A change that they asked for is in the log. */
  told: boolean;
}

/**
 * Who asks for what happens now. It goes along with the work by itself, so that no service and no repository has to hand
 * it on, and none can forget to.
 */
const askers = new AsyncLocalStorage<Asker>();

/** Whatever `work` changes, and what it starts, is written down as done by the author. */
export const asAuthor = <T>(author: Author, work: (asker: Asker) => T): T => {
  const asker = { author, told: false };
  return askers.run(asker, () => work(asker));
};

export const currentAsker = (): Asker => askers.getStore() ?? { author: authorOf("process", "llm-proxy"), told: false };

/** One that is no person. */
export const authorOf = (kind: Author["kind"], name: string): Author => ({
  kind,
  id: null,
  name,
  role: null,
  accountId: null,
  address: null,
  route: null,
});
