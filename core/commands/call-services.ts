import type { Buffer } from "node:buffer";
import { compiledPatterns } from "../config/patterns.ts";
import type { Config } from "../config/config.ts";
import type { Settings } from "../config/settings.ts";
import { addressGroup } from "../identity/client-address.ts";
import { type ContentLog, createContentLog } from "../pipeline/content/log.ts";
import { createIdempotency } from "../pipeline/idempotency.ts";
import { fileRules, limitBook } from "../pipeline/limit-book.ts";
import { keptRatios, type KeptRatios } from "../pipeline/ratios.ts";
import type { Services } from "../pipeline/services.ts";
import { createVault } from "../pipeline/vault.ts";
import type { Plugins } from "../plugin/setup.ts";
import type { derivedKey } from "../identity/secret.ts";
import { attemptParts, gatewaySettings } from "./attempt-parts.ts";
import { servicesOf } from "./plugin-services.ts";

/** What the boot has before there are services for calls. */
export interface CallServiceParts extends Pick<
  Services,
  "transport" | "watch" | "overload" | "logger" | "now" | "newId" | "open" | "providers" | "keepOpen" | "closeIdle"
> {
  readonly plugins: Plugins;
  readonly config: Config;
  readonly settings: Settings;
  /** A key of its own for each purpose. */
  readonly keyFor: (purpose: Parameters<typeof derivedKey>[1]) => Buffer;
  readonly addressOf: (request: Request) => string | null;
}

/** With what the boot starts, saves and ends of them. */
export interface CallServices extends Services {
  readonly content: ContentLog;
  readonly ratios: KeptRatios;
}

/** All that a call goes through, with what is kept of calls on the way. */
export async function callServices({
  plugins,
  config,
  settings,
  keyFor,
  addressOf,
  providers,
  ...given
}: CallServiceParts): Promise<CallServices> {
  const { database } = plugins;
  const { logger, now } = given;
  return {
    ...given,
    ...servicesOf(plugins, providers, config.models, now),
    ...attemptParts(settings, now),
    limits: limitBook(fileRules(config.limits)),
    addressGroupOf(request) {
      const address = addressOf(request);
      return address === null ? null : addressGroup(address);
    },
    settings: gatewaySettings(settings),
    vault: createVault({ key: keyFor("signatures"), storage: database.namespace("core/signatures"), logger, now }),
    idempotency:
      settings.idempotency.maxKeys === 0
        ? null
        : createIdempotency({
            ...settings.idempotency,
            answers: database.answers,
            sealKey: keyFor("answers"),
            nameKey: keyFor("answer-names"),
            logger,
            now,
          }),
    content: createContentLog({
      ...settings.content,
      repository: database.content,
      key: keyFor("content"),
      patterns: await compiledPatterns(settings.content.redact),
      logger,
      now,
    }),
    ratios: await keptRatios({ storage: database.namespace("core/ratios"), logger }),
    random: Math.random,
    draining: { value: false },
    drains: new Set(),
  };
}
