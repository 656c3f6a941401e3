import { readConfig } from "../../core/config/read.ts";
import type { LoadedConfig } from "../../core/config/config.ts";
import type { Host } from "../../core/plugin/context.ts";
import type { Builtins } from "../../core/plugin/find.ts";
import { definePlugin, type Kind, type Plugin, t } from "../../core/plugin/plugin.ts";
import type { Database } from "../../core/storage/database.ts";

/** A host that notes, in order, what plugins and the database do. */
export function recordingHost(events: string[], more: Partial<Host> = {}): Host {
  const log = (instance: string) => (fields: object, message?: string) =>
    void events.push(`log ${instance}: ${message} ${JSON.stringify(fields)}`);
  return {
    dataDir: "/data",
    logger: ({ kind, name }) => {
      const line = log(`${kind} ${name}`);
      return { debug: line, info: line, warn: line, error: line };
    },
    egress: {
      send: () => Promise.reject(new Error("no network in tests")),
      pin: () => Promise.reject(new Error("no network in tests")),
    },
    now: () => 1_000,
    elapsed: () => 0,
    keys: () => ({ find: () => null }),
    named: () => null,
    ...more,
  };
}

/** Storage whose database knows only what the host itself calls. */
export const fakeStorage = (events: string[]): Plugin =>
  definePlugin({
    kind: "storage",
    name: "sqlite",
    api: 1,
    config: t.Object({}),
    setup: (_, { dataDir, onDispose }) => {
      onDispose(() => void events.push("dispose storage"));
      const database: Pick<Database, "namespace" | "close"> = {
        namespace: (name) => ({ get: () => name, set: () => {}, add: () => null }),
        close: () => void events.push("close database"),
      };
      // The host reaches for nothing else of it.
      return {
        open: () => {
          events.push(`open in ${dataDir}`);
          return database as Database;
        },
      };
    },
  });

/** A plugin of any kind without options; its slot is `slot`. */
export const plugin = (kind: Kind, name: string, slot: () => unknown, config = t.Object({})): Plugin =>
  // Slots of plain JavaScript plugins can be anything; that is what is tested.
  ({ kind, name, api: 1, config, setup: slot }) as Plugin;

export function builtinsOf(plugins: readonly unknown[]): Builtins {
  const builtins: Partial<Record<Kind, Record<string, () => Promise<unknown>>>> = {};
  for (const item of plugins) {
    // Broken plugins are listed too, under what they say of themselves.
    const { kind, name } = item as Plugin;
    (builtins[kind] ??= {})[name] = () => Promise.resolve({ default: item });
  }
  return builtins;
}

/** Sections that a test does not write are none, so that it needs no plugins for them. */
export function configOf(
  text: string,
  { path = "llm-proxy.yaml", env = {} }: { readonly path?: string; readonly env?: Record<string, string> } = {},
): Promise<LoadedConfig> {
  const none = ["provider", "auth", "rate-limit", "billing", "observer"].filter(
    (section) => !text.includes(`${section}:`),
  );
  return readConfig({ path, text: `${text}\n${none.map((section) => `${section}: {}`).join("\n")}\n`, env });
}
