import { isDeepStrictEqual } from "node:util";
import type { TSchema } from "@sinclair/typebox";
import type { LoadedConfig } from "../config/config.ts";
import { describeProblem, reasonOf } from "../config/problem.ts";
import type { Database } from "../storage/database.ts";
import { checkedBiller } from "./checked-biller.ts";
import { type Cleanups, createCleanups } from "./cleanups.ts";
import { type Host, pluginContext, storageContext } from "./context.ts";
import { within } from "./deadline.ts";
import type { Origin } from "./find.ts";
import { guardedBiller } from "./guarded-biller.ts";
import { guardedLimiter } from "./guarded-limiter.ts";
import { describeInstance, maskOptions, optionProblem, type ResolvedPlugin } from "./load.ts";
import type { Awaitable, Contexts, Kind, Logger, PriceRow, Provider } from "./plugin.ts";
import { canProbe, hasWebhook, hooksIn, isBiller, isProvider, isRateLimiter, isStorage, needs } from "./shape.ts";
import { slotTrouble } from "./slot-trouble.ts";
import { collectSlots, type Slots } from "./slots.ts";
import { type Webhook, type Webhooks, webhooksOf } from "./webhooks.ts";

/** Everything the config named, set up. */
export interface Plugins extends Slots {
  readonly database: Database;
  readonly instances: readonly InstanceFacts[];
  readonly upstreams: readonly UpstreamAccount[];
  readonly webhooks: Webhooks;
  /** What a later config may keep, in the order of `setup`. */
  readonly held: readonly HeldPlugin[];
  /**
   * Last set up first, the database last of all; what another config has kept stays. Logs what fails and goes on; a second
   * call does nothing.
   */
  dispose(): Promise<void>;
}
/** A plugin that was set up, and how many configs hold it. */
export interface HeldPlugin {
  readonly plugin: ResolvedPlugin;
  readonly slot: unknown;
  readonly upstream: UpstreamAccount | null;
  readonly cleanups: Cleanups;
  /** The rows of `prices:` that its `setup` saw. */
  readonly prices: readonly PriceRow[];
  /** Accounts that its `setup` asked for: what it was told may be another answer when it is set up again. */
  readonly accountsAsked: readonly string[];
  /** That it fills, by name. */
  readonly hooks: readonly string[];
  /** `null`: it has none. */
  readonly webhook: Webhook | null;
  /** Covers what its config has from outside. */
  readonly mask: (text: string) => string;
  holders: number;
}
/** A `provider` instance, as stored keys may be used in it. */
export interface UpstreamAccount {
  readonly name: string;
  readonly plugin: string;
  readonly slot: Provider;
  /** The option of that name; `null`: it has none. */
  readonly baseUrl: string | null;
  /** The option `apiKey`; `null`: it is not set. */
  readonly apiKey: string | null;
  /** Sets up the same instance with another `apiKey`; `null`: the plugin has no such option. */
  readonly withKey: ((apiKey: string) => Promise<Provider>) | null;
}
/** What is loaded, for pages and `plugins`. */
export interface InstanceFacts {
  readonly kind: Kind;
  readonly name: string;
  readonly plugin: string;
  readonly origin: Origin;
  readonly description: string | null;
}

/** Whether more than one `auth` instance tells callers without a key of ours; only the built-in `api-key` never does. */
export const hasSeveralIssuers = (instances: readonly InstanceFacts[]): boolean =>
  instances.filter(({ kind, plugin, origin }) => kind === "auth" && !(plugin === "api-key" && origin === "built-in"))
    .length > 1;

/** Whether a key of ours may be a credential: every `auth` plugin may look keys up, and the built-in `jwt` alone never does. */
export const mayTakeKeys = (instances: readonly InstanceFacts[]): boolean =>
  instances.some(({ kind, plugin, origin }) => kind === "auth" && !(plugin === "jwt" && origin === "built-in"));

/**
 * Names the instance, or the option that is wrong, with its place; `cause` is the plugin's own error, with secrets in it
 * if the plugin put them there.
 */
export class SetupError extends Error {
  override readonly name = "SetupError";
}

/** What a reload builds upon: the plugins in use, of which the storage and those that are the same are kept. */
export interface Before {
  readonly plugins: Plugins;
  readonly database: Database;
}

/**
 * Sets up all plugins in order, or disposes those it had and throws `SetupError`. With `before`, what has the same plugin
 * and options is kept as it is, and the storage always; what is new must pass its own `probe`.
 */
export async function setupPlugins(
  loaded: LoadedConfig,
  resolved: readonly ResolvedPlugin[],
  host: Host,
  before: Before | null = null,
): Promise<Plugins> {
  const held: HeldPlugin[] = [];
  const { prices } = loaded.config;
  const { mask } = loaded.source;
  try {
    const [storage, ...others] = resolved;
    if (storage === undefined) throw new SetupError("no storage");
    const database = before?.database ?? (await open(storage));
    if (before) hold(before.plugins.held[0]);
    const { put, slots } = collectSlots();
    for (const plugin of others) {
      const kept = before?.plugins.held.find((one) => isSame(one, plugin, prices));
      const one = kept ? hold(kept) : await added(plugin, database);
      if (!put(plugin, one.slot)) throw lacking(plugin);
    }
    return {
      ...slots(),
      database,
      instances: held.map(({ plugin }) => factsOf(plugin)),
      upstreams: held.flatMap(({ upstream }) => upstream ?? []),
      webhooks: webhooksOf(
        held.flatMap(({ webhook }) => webhook ?? []),
        loaded,
      ),
      held,
      dispose: letterGo(held),
    };
  } catch (error) {
    await letGo(held);
    throw error;
  }

  function hold<Held extends HeldPlugin | undefined>(one: Held): Held {
    if (one) {
      one.holders += 1;
      held.push(one);
    }
    return one;
  }

  function unset(plugin: ResolvedPlugin, cleanups: Cleanups): Omit<HeldPlugin, "holders"> {
    return { plugin, slot: null, upstream: null, cleanups, prices, accountsAsked: [], ...noExtras, mask };
  }

  async function open(plugin: ResolvedPlugin): Promise<Database> {
    const { cleanups, parts, setUp } = workOn(plugin, loaded, host);
    const opening = { ...unset(plugin, cleanups), holders: 1 };
    held.push(opening);
    const storage = await setUp(plugin, storageContext(parts));
    if (!isStorage(storage)) throw lacking(plugin);
    held[held.length - 1] = { ...opening, ...extrasOf(plugin, storage, mask) };
    // Without a deadline, like `close`: the upgrade of a big database takes as long as it takes.
    const database = await named(plugin, loaded, "open", () => storage.open());
    cleanups.add(plugin, () => database.close(), null);
    return database;
  }

  async function added(plugin: ResolvedPlugin, database: Database): Promise<HeldPlugin> {
    const { cleanups, parts, setUp, deadlineMs } = workOn(plugin, loaded, host);
    const asked = new Set<string>();
    let isSetUp = false;
    const context = pluginContext(parts, database, prices, (word) => void (isSetUp || asked.add(word)));
    const failing: HeldPlugin = { ...unset(plugin, cleanups), holders: 1 };
    held.push(failing);
    const slot = await setUp(plugin, context);
    isSetUp = true;
    const accountsAsked = [...asked];
    const extras = extrasOf(plugin, slot, mask);
    if (before && canProbe(slot)) await named(plugin, loaded, "probe", () => within(deadlineMs, () => slot.probe()));
    const upstream = plugin.kind === "provider" && isProvider(slot) ? accountOf(plugin, slot, setUp, context) : null;
    const used = guarded(plugin, slot, parts.host.logger(plugin));
    const one = { ...failing, slot: used, upstream, accountsAsked, ...extras };
    held[held.length - 1] = one;
    return one;
  }
}

/** As core uses it. Built-in ones leave what they are given as it is, and keep nothing of what they tell. */
function guarded(plugin: ResolvedPlugin, slot: unknown, logger: Logger): unknown {
  const isOthers = plugin.origin !== "built-in";
  if (plugin.kind === "billing" && isBiller(slot))
    return checkedBiller(plugin, isOthers ? guardedBiller(slot) : slot, logger);
  return isOthers && plugin.kind === "rate-limit" && isRateLimiter(slot) ? guardedLimiter(slot) : slot;
}

/** What one plugin is set up with, and cleaned up by. */
function workOn(plugin: ResolvedPlugin, loaded: LoadedConfig, host: Host) {
  const cleanups = createCleanups(host.logger);
  const deadlineMs = host.deadlineMs ?? 10_000;
  const { kind, name, options } = plugin;
  const onDispose = (run: () => Awaitable<void>) => cleanups.add(plugin, run, deadlineMs);
  return {
    cleanups,
    deadlineMs,
    parts: { kind, name, options, host, onDispose },
    // Options of its own: whoever writes into them must not be another instance at each reload.
    setUp: (one: ResolvedPlugin, context: Contexts[Kind]): Promise<unknown> =>
      named(one, loaded, "setup", () =>
        within(deadlineMs, () => one.plugin.setup(structuredClone(one.options), context)),
      ),
  };
}

const noExtras: Pick<HeldPlugin, "hooks" | "webhook"> = { hooks: [], webhook: null };

/** What there is to know of a slot beside what its kind needs. */
function extrasOf(plugin: ResolvedPlugin, slot: unknown, mask: HeldPlugin["mask"]): typeof noExtras {
  const { kind, name } = plugin;
  const trouble = slotTrouble(kind, slot);
  if (trouble !== null) throw new SetupError(`${describeInstance(plugin)}: setup returned no ${kind}: ${trouble}`);
  const answering = hasWebhook(slot) ? slot : null;
  return {
    hooks: hooksIn(kind, slot),
    webhook: answering && {
      kind,
      name,
      answer: (request) => answering.webhook(request),
      mask: (text) => maskOptions(mask(text), plugin),
    },
  };
}

/** Made here, because a function made in `setupPlugins` would keep its `before`, and that the one before it, for ever. */
const letterGo = (held: HeldPlugin[]) => () => letGo(held);

async function letGo(held: HeldPlugin[]): Promise<void> {
  for (let one = held.pop(); one !== undefined; one = held.pop()) {
    one.holders -= 1;
    if (one.holders === 0) await one.cleanups.run();
  }
}

/**
 * A changed file is another plugin object; only `billing` sees the prices. One that asked for accounts asks again: `auth`
 * asks with each call.
 */
const isSame = (held: HeldPlugin, plugin: ResolvedPlugin, prices: readonly PriceRow[]): boolean =>
  held.plugin.kind === plugin.kind &&
  held.plugin.name === plugin.name &&
  held.plugin.plugin === plugin.plugin &&
  isDeepStrictEqual(held.plugin.options, plugin.options) &&
  held.accountsAsked.length === 0 &&
  (plugin.kind !== "billing" || isDeepStrictEqual(held.prices, prices));

function accountOf(
  plugin: ResolvedPlugin,
  slot: Provider,
  setUp: (again: ResolvedPlugin, context: Contexts[Kind]) => Promise<unknown>,
  context: Contexts[Kind],
): UpstreamAccount {
  const { baseUrl, apiKey } = plugin.options;
  const schemas: Readonly<Record<string, TSchema>> = plugin.plugin.config.properties ?? {};
  return {
    name: plugin.name,
    plugin: plugin.plugin.name,
    slot,
    baseUrl: typeof baseUrl === "string" ? baseUrl : null,
    apiKey: typeof apiKey === "string" && apiKey !== "" ? apiKey : null,
    withKey: schemas.apiKey
      ? async (other) => {
          const again = { ...plugin, options: { ...plugin.options, apiKey: other } };
          const made = await setUp(again, context);
          if (!isProvider(made)) throw lacking(plugin);
          return made;
        }
      : null,
  };
}

async function named<T>(
  plugin: ResolvedPlugin,
  loaded: LoadedConfig,
  what: string,
  work: () => Awaitable<T>,
): Promise<T> {
  try {
    return await work();
  } catch (error) {
    const masked = maskOptions(loaded.source.mask(reasonOf(error)), plugin);
    const problem = optionProblem(masked, plugin, loaded.source);
    throw new SetupError(
      problem ? describeProblem(problem) : `${describeInstance(plugin)}: ${what} failed: ${masked}`,
      {
        cause: error,
      },
    );
  }
}

const lacking = (plugin: ResolvedPlugin): SetupError =>
  new SetupError(`${describeInstance(plugin)}: setup returned no ${plugin.kind}: it needs ${needs[plugin.kind]}`);

const factsOf = ({ kind, name, plugin, origin }: ResolvedPlugin): InstanceFacts => ({
  kind,
  name,
  plugin: plugin.name,
  origin,
  description: plugin.description ?? null,
});
