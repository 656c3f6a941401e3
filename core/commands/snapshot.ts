import { isDeepStrictEqual } from "node:util";
import type { ConfigService } from "../api/config-service.ts";
import type { PeopleParts, peopleParts } from "../api/people-parts.ts";
import { publicUrlOf, type Settings } from "../config/settings.ts";
import { dialects } from "../dialects/index.ts";
import { fileRules, type LimitRule } from "../pipeline/limit-book.ts";
import { namedModels } from "../pipeline/named-models.ts";
import { hasSeveralIssuers, mayTakeKeys, type Plugins, SetupError } from "../plugin/setup.ts";
import { transportOf, type Transport } from "../runtime/transport.ts";
import { type Answerer, frontOf } from "../front.ts";
import { accountsIn } from "./accounts-in-file.ts";
import { type CallServices, callServices } from "./call-services.ts";
import { declareFile, type LastingParts } from "./lasting-parts.ts";
import { become, liveSettings } from "./live-settings.ts";
import type { ProcessParts } from "./process-parts.ts";
import type { SurfaceParts } from "./surface.ts";
import type { Wanted } from "./wanted.ts";

/** Everything that is made of one config, ready to answer. */
export interface Snapshot extends Wanted {
  readonly plugins: Plugins;
  readonly services: CallServices;
  readonly answer: Answerer;
  /** Loads what is no call: the pages and the admin API. Until then those who ask for it wait. */
  readonly complete: () => Promise<unknown>;
  readonly people: () => Promise<PeopleParts>;
  readonly transport: Transport;
  /** Makes in the database what the file declares, before `adopt`. Throws `ConfigError`, and has changed nothing then. */
  readonly declare: () => Promise<void>;
  /** Makes what lasts follow this config; in one turn of the event loop. May be called again, to go back to it. */
  readonly adopt: () => void;
  /** Of one that was never adopted; its plugins are for whoever set them up. */
  readonly discard: () => void;
}

export interface SnapshotParts {
  readonly lasting: LastingParts;
  readonly version: string;
  readonly config: ConfigService;
  /** Why the process cannot serve now; empty: it can. */
  readonly troubles: () => readonly string[];
}

/** What the next snapshot may use as it is; `null`: it makes its own. */
export interface Kept {
  readonly people: Snapshot["people"] | null;
  readonly transport: Transport | null;
}

/** Throws what is wrong with the config; nothing that lasts has changed then. */
export async function snapshotOf(
  { loaded, settings, resolved, files }: Wanted,
  plugins: Plugins,
  { lasting, version, config: service, troubles }: SnapshotParts,
  // Not the snapshot before: functions made here would keep it, and it the one before, for ever.
  kept: Kept,
): Promise<Snapshot> {
  const { parts, database, outbox, requestAudit, sessions, takenForms, throttles, admin } = lasting;
  const { config } = loaded;
  const { now, addressOf, keyFor, logger, newId, egress } = parts;
  checkDialects(plugins);
  const biller = plugins.billing?.slot ?? null;
  let entries = database.book.entries();
  biller?.adopt?.(entries);
  const live = await liveSettings(settings);
  const credentials = await lasting.credentials.prepare(plugins.upstreams);
  try {
    const transport =
      kept.transport ??
      transportOf(settings.transport, {
        egress,
        connectTimeoutMs: settings.timeouts.connectMs,
        now: parts.elapsed,
        env: parts.env,
      });
    const services = callServices(lasting.services, {
      plugins,
      config,
      settings,
      providers: credentials.slots,
      transport,
    });
    const named = namedModels({
      aliases: config.models,
      prices: config.prices,
      providers: plugins.providers,
      biller,
    });
    let fileLimits: readonly LimitRule[] = [];
    const people =
      kept.people ??
      loadedPeople(
        {
          database,
          sessions,
          login: settings.login,
          egress,
          keyOf: keyFor,
          throttles,
          observers: plugins.observer,
          logger,
          now,
          newId,
        },
        settings,
        parts,
      );
    const surface: Omit<SurfaceParts, "people" | "publicUrl"> = {
      services,
      database,
      keys: parts.keysFor(database.keys),
      admin,
      credentials: lasting.credentials.service,
      content: services.content,
      config: service,
      outbox,
      requestAudit,
      takenForms,
      throttles,
      enforces: { limits: plugins.rateLimit.length > 0, budgets: plugins.billing !== null },
      severalIssuers: hasSeveralIssuers(plugins.instances),
      takesKeys: mayTakeKeys(plugins.instances),
      accountsInFile: accountsIn(config, plugins),
      version,
      addressOf,
    };
    const beside = { services, lag: parts.lag, strays: parts.strays, outbox, troubles, webhooks: plugins.webhooks };
    const rest = once(async () => {
      const [{ wholeServer }, itsPeople] = await Promise.all([import("./whole-server.ts"), people()]);
      return wholeServer({ ...surface, people: itsPeople, publicUrl: listeningUrl(settings, parts) }, beside);
    });
    return {
      loaded,
      settings,
      resolved,
      files,
      plugins,
      services,
      people,
      transport,
      answer: frontOf({ services, troubles }, rest),
      async complete() {
        await rest();
        // The first call would have to wait for what the price book loads.
        services.models.targets();
      },
      async declare() {
        fileLimits = fileRules(await declareFile(loaded, lasting));
      },
      adopt() {
        // Prices may have been set meanwhile, and were told to the biller of before. First, because a plugin may throw.
        if (entries !== database.book.entries()) biller?.adopt?.((entries = database.book.entries()));
        credentials.adopt();
        services.limits.fix(fileLimits);
        become(parts.live, live);
        parts.follow(settings, named);
      },
      discard: () => credentials.discard(),
    };
  } catch (error) {
    credentials.discard();
    throw error;
  }
}

/** No call needs them. Holds nothing but what it is given. */
const loadedPeople = (
  dependencies: Omit<Parameters<typeof peopleParts>[0], "publicUrl">,
  settings: Settings,
  parts: Pick<ProcessParts, "listening">,
): Snapshot["people"] =>
  once(async () =>
    (await import("../api/people-parts.ts")).peopleParts({
      ...dependencies,
      publicUrl: listeningUrl(settings, parts),
    }),
  );

/** Whoever asks for it does so over the port that is listened on. */
const listeningUrl = (settings: Settings, { listening }: Pick<ProcessParts, "listening">): string =>
  publicUrlOf(settings, listening?.port ?? settings.port);

function once<Made>(make: () => Promise<Made>): () => Promise<Made> {
  let made: Promise<Made> | null = null;
  return () => (made ??= make());
}

export const keptOf = (before: Snapshot, { settings }: Wanted, plugins: Plugins): Kept => ({
  people: isSamePeople(before, settings, plugins) ? before.people : null,
  transport:
    before.settings.timeouts.connectMs === settings.timeouts.connectMs &&
    before.settings.transport === settings.transport
      ? before.transport
      : null,
});

/** Else whoever signs in would have to begin anew. */
const isSamePeople = (before: Snapshot, { login, publicUrl }: Wanted["settings"], { observer }: Plugins): boolean =>
  before.settings.publicUrl === publicUrl &&
  isDeepStrictEqual(before.settings.login, login) &&
  before.plugins.observer.length === observer.length &&
  observer.every(({ slot }, at) => slot === before.plugins.observer[at]?.slot);

/** A provider that no client's dialect reaches would fail each call: better to say so now. */
function checkDialects({ providers }: Plugins) {
  for (const [name, slot] of providers)
    if (!("chat" in slot) && !slot.dialects.some((dialect) => dialects.has(dialect)))
      throw new SetupError(
        `provider "${name}": speaks ${slot.dialects.join(", ")}; this version knows ${[...dialects.keys()].join(", ")}`,
      );
}
