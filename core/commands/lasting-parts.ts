import type { CredentialParts } from "../api/credential-service.ts";
import type { FileLimit } from "../config/config.ts";
import { createTakenForms, type TakenForms } from "../dashboard/taken-forms.ts";
import { type Admin, adminOf } from "../identity/admin.ts";
import { createRequestAudit, type RequestAudit } from "../identity/request-audit.ts";
import { createSessions, type Sessions } from "../identity/sessions.ts";
import { type Throttles, throttlesOf } from "../identity/throttle.ts";
import { type LiveOutbox, liveOutbox } from "../outbox/live.ts";
import type { Plugins } from "../plugin/setup.ts";
import type { Database } from "../storage/database.ts";
import { type LastingServices, lastingServices } from "./call-services.ts";
import { declareKeys } from "./declared-keys.ts";
import { declaredLimits, onKeys } from "./declared-limits.ts";
import { storedCredentials } from "./credentials.ts";
import type { ProcessParts } from "./process-parts.ts";
import type { Wanted } from "./wanted.ts";

/** What there is once the database is open, and lasts as long as the process. */
export interface LastingParts {
  readonly parts: ProcessParts;
  readonly database: Database;
  readonly services: LastingServices;
  readonly credentials: CredentialParts;
  readonly outbox: LiveOutbox;
  readonly requestAudit: RequestAudit;
  readonly sessions: Sessions;
  readonly takenForms: TakenForms;
  readonly throttles: Throttles;
  readonly admin: Admin;
}

export async function lastingParts(
  parts: ProcessParts,
  { database, observer }: Plugins,
  { loaded }: Wanted,
): Promise<LastingParts> {
  const { logger, now, newId, env } = parts;
  return {
    parts,
    database,
    services: await lastingServices({
      ...parts,
      database,
      keepOpen: (request) => parts.listening?.keepOpen(request),
      closeIdle: (request) => parts.listening?.closeIdle(request),
    }),
    credentials: storedCredentials(database, parts.secret, { ...parts, breaker: parts.live.breaker }),
    outbox: await liveOutbox({
      observers: observer,
      outbox: database.outbox,
      logger,
      now,
      random: Math.random,
      newId,
      mask: (text) => loaded.source.mask(text),
    }),
    requestAudit: createRequestAudit(database.audit, { logger, now }),
    sessions: createSessions(database.sessions, now),
    takenForms: createTakenForms(parts.elapsed),
    throttles: throttlesOf(parts.elapsed),
    admin: adminOf(database, env.LLM_PROXY_ADMIN_TOKEN, now),
  };
}

/**
 * Makes the keys that the file names, and returns its limits with the ids of those they name. Throws `ConfigError`, and
 * has changed nothing then.
 */
export async function declareFile(
  { config, source }: Wanted["loaded"],
  { parts: { keysFor, now, newId }, database }: Pick<LastingParts, "parts" | "database">,
): Promise<readonly FileLimit[]> {
  const stored = { repository: database.keys, accounts: database.accounts, source };
  const limits = await declaredLimits(config.limits, config.keys, stored);
  const ids = await declareKeys(config.keys, { ...stored, keys: keysFor(database.keys), now, newId });
  return onKeys(limits, ids);
}
