import type { TSchema } from "@sinclair/typebox";
import type { LoadedConfig } from "../config/config.ts";
import { reasonOf } from "../config/problem.ts";
import type { Database } from "../storage/database.ts";
import { createCleanups } from "./cleanups.ts";
import { type Host, pluginContext, storageContext } from "./context.ts";
import { within } from "./deadline.ts";
import type { Origin } from "./find.ts";
import { describeInstance, type ResolvedPlugin } from "./load.ts";
import type { Awaitable, Contexts, Kind, Provider } from "./plugin.ts";
import { isProvider, isStorage, needs } from "./shape.ts";
import { collectSlots, type Slots } from "./slots.ts";

/** Everything the config named, set up. */
export interface Plugins extends Slots {
  readonly database: Database;
  readonly instances: readonly InstanceFacts[];
  readonly upstreams: readonly UpstreamAccount[];
  /** Last set up first, the database last of all. Logs what fails and goes on; a second call does nothing. */
  dispose(): Promise<void>;
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

/** Names the instance; `cause` is the plugin's own error, with secrets in it if the plugin put them there. */
export class SetupError extends Error {
  override readonly name = "SetupError";
}

/** Sets up all plugins in order, or disposes those it had and throws `SetupError`. */
export async function setupPlugins(
  loaded: LoadedConfig,
  resolved: readonly ResolvedPlugin[],
  host: Host,
): Promise<Plugins> {
  const cleanups = createCleanups(host.logger);
  const deadlineMs = host.deadlineMs ?? 10_000;
  const partsOf = (plugin: ResolvedPlugin) => ({
    kind: plugin.kind,
    name: plugin.name,
    options: plugin.options,
    host,
    onDispose: (run: () => Awaitable<void>) => cleanups.add(plugin, run, deadlineMs),
  });
  const setUp = (plugin: ResolvedPlugin, context: Contexts[Kind]): Promise<unknown> =>
    named(plugin, loaded, "setup", () => within(deadlineMs, () => plugin.plugin.setup(plugin.options, context)));

  const open = async (plugin: ResolvedPlugin): Promise<Database> => {
    const storage = await setUp(plugin, storageContext(partsOf(plugin)));
    if (!isStorage(storage)) throw lacking(plugin);
    // Without a deadline, like `close`: the upgrade of a big database takes as long as it takes.
    const database = await named(plugin, loaded, "open", () => storage.open());
    cleanups.add(plugin, () => database.close(), null);
    return database;
  };

  try {
    const [storage, ...others] = resolved;
    if (storage === undefined) throw new SetupError("no storage");
    const database = await open(storage);
    const { put, slots } = collectSlots();
    const upstreams: UpstreamAccount[] = [];
    for (const plugin of others) {
      const context = pluginContext(partsOf(plugin), database, loaded.config.prices);
      const slot = await setUp(plugin, context);
      if (!put(plugin, slot)) throw lacking(plugin);
      if (plugin.kind === "provider" && isProvider(slot))
        upstreams.push(accountOf(plugin, slot, (again) => setUp(again, context)));
    }
    return { ...slots(), database, instances: resolved.map(factsOf), upstreams, dispose: cleanups.run };
  } catch (error) {
    await cleanups.run();
    throw error;
  }
}

function accountOf(
  plugin: ResolvedPlugin,
  slot: Provider,
  setUp: (again: ResolvedPlugin) => Promise<unknown>,
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
          const made = await setUp(again);
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
    throw new SetupError(`${describeInstance(plugin)}: ${what} failed: ${masked}`, { cause: error });
  }
}

/** Covers options that are secrets by schema or name: those that stand in the file itself are known by nothing else. */
function maskOptions(text: string, { plugin, options }: ResolvedPlugin): string {
  const schemas: Readonly<Record<string, TSchema>> = plugin.config.properties ?? {};
  return Object.entries(options).reduce((masked, [name, value]) => {
    const secret = schemas[name]?.writeOnly === true || /key|secret|token|password|credential/i.test(name);
    return secret && typeof value === "string" && value.length >= 6 ? masked.replaceAll(value, "***") : masked;
  }, text);
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
