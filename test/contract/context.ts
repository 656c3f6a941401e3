import type { TSchema } from "@sinclair/typebox";
import { Value } from "@sinclair/typebox/value";
import type { Awaitable, Contexts, Kind, Namespace, Plugin, SlotExtras, Slots } from "llm-proxy/plugin";

/** A clock that goes only when told; starts at a fixed time. */
export interface FakeClock {
  readonly now: () => number;
  advance(ms: number): void;
}
export function fakeClock(startMs = 1_800_000_000_000): FakeClock {
  let nowMs = startMs;
  return { now: () => nowMs, advance: (ms) => void (nowMs += ms) };
}

/** What a plugin did with its context. */
export interface Seen {
  readonly fetched: Request[];
  /** Every log line as JSON, its level first. */
  readonly logged: string[];
  /** Runs what `onDispose` got, last first. */
  dispose(): Promise<void>;
}
/** A context for any kind, with nothing of the outside world behind it: `fetch` records and fails. */
export function fakeContext(
  clock: FakeClock = fakeClock(),
): Contexts[Kind] &
  Contexts["auth"] &
  Contexts["billing"] &
  Contexts["rate-limit"] &
  Contexts["storage"] &
  Contexts["observer"] & { readonly seen: Seen } {
  const cleanups: (() => Awaitable<void>)[] = [];
  const fetched: Request[] = [];
  const logged: string[] = [];
  const log = (level: string) => (fields: object, message?: string) =>
    void logged.push(JSON.stringify({ level, ...fields, message }));
  return {
    name: "test",
    dataDir: "data",
    prices: [],
    keys: { find: () => null },
    accounts: {
      find: (idOrName) => (idOrName === "default" ? "default" : null),
      whyNot: () => "no account has this id or name",
    },
    named: (provider, model) => (provider === model ? "file" : null),
    logger: { debug: log("debug"), info: log("info"), warn: log("warn"), error: log("error") },
    storage: memoryNamespace(clock.now),
    now: clock.now,
    elapsed: clock.now,
    lasting: {},
    fetch(request) {
      fetched.push(request);
      return Promise.reject(new Error("no network in tests"));
    },
    onDispose: (cleanup) => void cleanups.push(cleanup),
    seen: {
      fetched,
      logged,
      async dispose() {
        for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
      },
    },
  };
}

/** Checks and defaults the options as the loader does, then sets the plugin up. Throws what is wrong with them. */
export async function setUp<K extends Kind, C extends TSchema>(
  plugin: Plugin<K, C>,
  options: unknown,
  context: Contexts[K],
): Promise<Slots[K] & SlotExtras> {
  const checked: unknown = Value.Default(plugin.config, Value.Clone(options));
  if (!Value.Check(plugin.config, checked)) {
    const errors = [...Value.Errors(plugin.config, checked)].map(({ path, message }) => `${path}: ${message}`);
    throw new Error(`${plugin.kind} ${plugin.name}: ${errors.join("; ")}`);
  }
  plugin.check?.(checked, { providers: ["echo"], earlier: [] });
  return plugin.setup(checked, context);
}

function memoryNamespace(now: () => number): Namespace {
  const rows = new Map<string, { readonly value: Awaited<ReturnType<Namespace["get"]>>; readonly untilMs: number }>();
  const live = (key: string) => {
    const row = rows.get(key);
    return row && row.untilMs > now() ? row.value : null;
  };
  const put: Namespace["set"] = (key, value, { ttlMs = Infinity } = {}) =>
    void rows.set(key, { value, untilMs: now() + ttlMs });
  return {
    get: live,
    set: put,
    add(key, delta, { floor = -Infinity, ...options } = {}) {
      const sum = Number(live(key) ?? 0) + delta;
      if (sum < floor) return null;
      void put(key, sum, options);
      return sum;
    },
  };
}
