import type { Buffer } from "node:buffer";
import type { Config } from "../config/config.ts";
import type { Settings } from "../config/settings.ts";
import type { derivedKey } from "../identity/secret.ts";
import { addressGroup } from "../identity/client-address.ts";
import type { Call } from "../pipeline/call.ts";
import { type ContentLog, createContentLog } from "../pipeline/content/log.ts";
import { createIdempotency } from "../pipeline/idempotency.ts";
import { InUse } from "../pipeline/in-use.ts";
import { limitBook, storedRules } from "../pipeline/limit-book.ts";
import { targetLoads } from "../pipeline/loads.ts";
import { goByLoad, modelTable } from "../pipeline/models.ts";
import { keptRatios, type KeptRatios } from "../pipeline/ratios.ts";
import type { Services } from "../pipeline/services.ts";
import { tokenizerThread } from "../pipeline/tokenizer/tokenizer.ts";
import { noShadows } from "../pipeline/shadow.ts";
import { createVault } from "../pipeline/vault.ts";
import type { Plugins } from "../plugin/setup.ts";
import type { Database } from "../storage/database.ts";
import { attemptParts, gatewaySettings } from "./attempt-parts.ts";
import type { LiveSettings } from "./live-settings.ts";

/** What the boot has before there are services for calls. */
interface ServiceParts extends Pick<
  Services,
  "watch" | "overload" | "logger" | "now" | "newId" | "keepOpen" | "closeIdle"
> {
  readonly database: Database;
  readonly live: LiveSettings;
  /** A clock in ms that never steps. */
  readonly elapsed: () => number;
  /** A key of its own for each purpose. */
  readonly keyFor: (purpose: Parameters<typeof derivedKey>[1]) => Buffer;
  readonly addressOf: (request: Request) => string | null;
}

/** What calls go through that is the same whatever the config: all that is counted, learned or kept of them. */
export async function lastingServices({ database, live, elapsed, keyFor, addressOf, ...given }: ServiceParts) {
  const { logger, now } = given;
  const limits = limitBook();
  // Here and not with the admin API, which is loaded when calls are served already.
  limits.adopt(storedRules(database.limits.all()));
  return {
    ...given,
    ...attemptParts(live, { now, elapsed }),
    database,
    limits,
    addressGroupOf(request: Request) {
      const address = addressOf(request);
      return address === null ? null : addressGroup(address);
    },
    tokenizer: tokenizerThread(),
    vault: createVault({ key: keyFor("signatures"), storage: database.namespace("core/signatures"), logger, now }),
    idempotency: createIdempotency({
      settings: live.idempotency,
      answers: database.answers,
      sealKey: keyFor("answers"),
      nameKey: keyFor("answer-names"),
      logger,
      now,
      elapsed,
    }),
    content: createContentLog({
      settings: live.content,
      repository: database.content,
      key: keyFor("content"),
      logger,
      now,
    }),
    ratios: await keptRatios({ storage: database.namespace("core/ratios"), logger }),
    loads: targetLoads(elapsed),
    shadows: noShadows(),
    random: Math.random,
    draining: { value: false },
    open: new Set<Call>(),
    drains: new Set<Call>(),
  };
}
export type LastingServices = Awaited<ReturnType<typeof lastingServices>>;

/** With what the boot starts, saves and ends of them. */
export interface CallServices extends Services {
  readonly content: ContentLog;
  readonly ratios: KeptRatios;
}

/** All that a call of one config goes through. */
export function callServices(
  lasting: LastingServices,
  {
    plugins,
    config,
    settings,
    ...given
  }: Pick<Services, "providers" | "transport"> & {
    readonly plugins: Plugins;
    readonly config: Config;
    readonly settings: Settings;
  },
): CallServices {
  const loads = goByLoad(config.models) ? lasting.loads : null;
  return {
    ...lasting,
    ...given,
    inUse: new InUse(),
    settings: gatewaySettings(settings),
    loads,
    idempotency: settings.idempotency.maxKeys === 0 ? null : lasting.idempotency,
    models: modelTable(config.models, given.providers, plugins.billing?.slot ?? null, { loads, now: lasting.now }),
    auth: plugins.auth,
    rateLimit: plugins.rateLimit,
    billing: plugins.billing,
    observers: plugins.observer.filter(({ slot }) => slot.callEnded !== undefined || slot.metrics !== undefined),
  };
}
