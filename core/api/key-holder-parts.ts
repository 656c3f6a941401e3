import { createKeySessions, type KeySessions } from "../identity/key-sessions.ts";
import type { Keys } from "../identity/keys.ts";
import type { SelfService } from "../identity/self.ts";
import type { Database } from "../storage/database.ts";
import { selfService, type SelfServiceDependencies } from "./self-service.ts";

export interface KeyHolderParts {
  readonly sessions: KeySessions;
  readonly self: SelfService;
}

/** All that is about holders of keys, for `/v1/me` and for their page. */
export const keyHolderParts = (
  dependencies: SelfServiceDependencies &
    Pick<KeySessions, "takesKeys"> & { readonly database: Database; readonly keys: Keys },
): KeyHolderParts => ({
  sessions: createKeySessions({ ...dependencies, storage: dependencies.database.namespace("core/key-sessions") }),
  self: selfService(dependencies),
});
