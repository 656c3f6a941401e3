import { credentialParts, type CredentialServiceDependencies } from "../api/credential-service.ts";
import { derivedKey, type MasterSecret } from "../identity/secret.ts";
import type { Database } from "../storage/database.ts";
import { keyRing } from "../runtime/seal.ts";

/** The stored keys of providers: under the master secret itself, so that a change of it seals them anew. */
export const storedCredentials = (
  database: Database,
  { value, previous }: MasterSecret,
  process: Pick<CredentialServiceDependencies, "logger" | "now" | "elapsed" | "newId" | "breaker">,
) =>
  credentialParts({
    ...process,
    repository: database.credentials,
    ring: keyRing(derivedKey(value, "credentials"), previous === null ? [] : [derivedKey(previous, "credentials")]),
    random: Math.random,
  });
