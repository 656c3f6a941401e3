import { describe, expect, test } from "bun:test";
import type { Host } from "../../core/plugin/context.ts";
import { resolvePlugins } from "../../core/plugin/load.ts";
import { setupPlugins } from "../../core/plugin/setup.ts";
import { definePlugin, type Kind, type Plugin, t } from "../../core/plugin/plugin.ts";
import { failureOf } from "../config/failure.ts";
import { builtinsOf, configOf, fakeStorage, plugin, recordingHost } from "./host.ts";

// Plain JavaScript can throw anything.
const notAnError = "text" as unknown as Error;

const observer = (name: string, events: string[], fail?: () => unknown): Plugin =>
  definePlugin({
    kind: "observer",
    name,
    api: 1,
    config: t.Object({ apiKey: t.String({ default: "" }) }),
    setup: async (_, { onDispose }) => {
      events.push(`setup ${name}`);
      onDispose(() => void events.push(`dispose ${name} 1`));
      onDispose(async () => void events.push(`dispose ${name} 2`));
      await fail?.();
      return { callEnded: () => {} };
    },
  });

async function boot(text: string, plugins: readonly unknown[], events: string[], host: Partial<Host> = {}, env = {}) {
  const loaded = await configOf(text, { env });
  const resolved = await resolvePlugins(loaded, builtinsOf([fakeStorage(events), ...plugins]));
  return setupPlugins(loaded, resolved, recordingHost(events, host));
}
describe("order", () => {
  test("storage first, then file order; disposed in reverse, the database last but its own plugin", async () => {
    const events: string[] = [];
    const plugins = await boot("observer: { b: {}, a: {} }", [observer("a", events), observer("b", events)], events);
    expect(events).toEqual(["open in /data", "setup b", "setup a"]);
    expect(plugins.observer.map(({ name }) => name)).toEqual(["b", "a"]);
    events.length = 0;
    await plugins.dispose();
    await plugins.dispose();
    expect(events).toEqual([
      "dispose a 2",
      "dispose a 1",
      "dispose b 2",
      "dispose b 1",
      "close database",
      "dispose storage",
    ]);
  });

  test("a clean-up that throws or hangs is logged, and the rest goes on", async () => {
    const events: string[] = [];
    const bad = definePlugin({
      kind: "observer",
      name: "bad",
      api: 1,
      config: t.Object({}),
      setup: (_, { onDispose }) => {
        onDispose(() => new Promise(() => {}));
        onDispose(() => {
          throw new Error("on purpose");
        });
        return { callEnded: () => {} };
      },
    });
    const plugins = await boot("observer: { bad: {} }", [bad], events, { deadlineMs: 20 });
    await plugins.dispose();
    expect(events.slice(1)).toEqual([
      'log observer bad: clean-up failed {"reason":"on purpose"}',
      'log observer bad: clean-up failed {"reason":"no result after 20 ms"}',
      "close database",
      "dispose storage",
    ]);
  });
});

describe("a setup that fails stops the boot", () => {
  const undone = ["dispose b 2", "dispose b 1", "dispose a 2", "dispose a 1", "close database", "dispose storage"];

  test.each([
    ["throws", () => Promise.reject(new Error("on purpose")), "on purpose"],
    ["throws what is no error", () => Promise.reject(notAnError), "it threw no error"],
    ["hangs", () => new Promise(() => {}), "no result after 20 ms"],
  ])("when it %s", async (_, fail, reason) => {
    const events: string[] = [];
    const booting = boot("observer: { a: {}, b: {} }", [observer("a", events), observer("b", events, fail)], events, {
      deadlineMs: 20,
    });
    const message = await failureOf(booting);
    expect(message).toBe(`observer "b" (b): setup failed: ${reason}`);
    expect(events).toEqual(["open in /data", "setup a", "setup b", ...undone]);
  });

  test("when the database does not open", async () => {
    const storage = plugin("storage", "broken", () => ({ open: () => Promise.reject(new Error("disk is gone")) }));
    const message = await failureOf(boot("storage: { main: { use: broken } }", [storage], []));
    expect(message).toBe('storage "main" (broken): open failed: disk is gone');
  });

  test("at its place, when it names an option, and without what the option says", async () => {
    const fail = () => Promise.reject(new Error("apiKey: opens nothing, not even file-secret"));
    const message = await failureOf(boot("observer: { a: { apiKey: file-secret } }", [observer("a", [], fail)], []));
    expect(message).toMatch(/^\S+:1:26 observer\.a\.apiKey: opens nothing, not even \*\*\*$/);
  });

  test("without saying a secret, from the file or the environment", async () => {
    const events: string[] = [];
    const fail = () => Promise.reject(new Error("bad key file-secret or env-secret"));
    const text = "observer: { a: { apiKey: file-secret } }\nprovider: { p: { use: echo, x: '${S}' } }";
    const echo = plugin("provider", "echo", () => ({ chat: () => {} }), t.Object({ x: t.String() }));
    const message = await failureOf(boot(text, [echo, observer("a", events, fail)], events, {}, { S: "env-secret" }));
    expect(message).toBe('observer "a" (a): setup failed: bad key *** or ***');
  });

  test("nor one deep in its options, by schema or name", async () => {
    const events: string[] = [];
    const secrets = ["in-a-list-1", "in-a-list-1-longer", "in-a-map-2", "in-a-union-3", "in-headers-4"];
    const config = t.Object({
      targets: t.Array(t.Object({ pin: t.String({ writeOnly: true }) })),
      pool: t.Record(t.String(), t.Object({ pin: t.String({ writeOnly: true }) })),
      either: t.Union([t.Null(), t.Object({ pin: t.String({ writeOnly: true }) })]),
      headers: t.Record(t.String(), t.String()),
      area: t.Array(t.String()),
    });
    const own = plugin("observer", "own", () => Promise.reject(new Error(`${secrets.join(" ")} europe`)), config);
    const text = `observer: { own: { targets: [{ pin: in-a-list-1 }, { pin: in-a-list-1-longer }], pool: { a: { pin: in-a-map-2 } },
      either: { pin: in-a-union-3 }, headers: { x-own: in-headers-4 }, area: [europe] } }`;
    const message = await failureOf(boot(text, [own], events));
    expect(message).toBe('observer "own" (own): setup failed: *** *** *** *** *** europe');
  });

  test.each<[Kind, unknown, string]>([
    ["provider", {}, "dialects and request(), or chat()"],
    ["provider", { request: () => {}, dialects: [] }, "dialects and request(), or chat()"],
    ["auth", null, "authenticate()"],
    ["auth", { authenticate: true }, "authenticate()"],
    ["rate-limit", undefined, "acquire()"],
    ["billing", { rate: () => {} }, "rate() and policy"],
    ["guardrail", {}, "input() or output()"],
    ["cache", { get: () => {} }, "get() and set()"],
    ["observer", [], "callEnded(), or a receiver with events and deliver()"],
  ])("when the slot of %s is %p", async (kind, slot, needs) => {
    const message = await failureOf(boot(`${kind}: { x: {} }`, [plugin(kind, "x", () => slot)], []));
    expect(message).toBe(`${kind} "x" (x): setup returned no ${kind}: it needs ${needs}`);
  });

  test("when storage cannot open", async () => {
    const message = await failureOf(boot("storage: { x: {} }", [plugin("storage", "x", () => ({}))], []));
    expect(message).toBe('storage "x" (x): setup returned no storage: it needs open()');
  });
});

describe("a slot with a part that core would trip over stops the boot", () => {
  const [callEnded, rate, acquire, chat] = Array.from({ length: 4 }, () => () => {});
  const receiver = { events: ["usage.calls"], deliver: () => {} };
  test.each<[Kind, unknown, string]>([
    ["billing", { rate, policy: {} }, "its policy.unpriced is none of refuse, allow"],
    [
      "billing",
      { rate, policy: { ...policy, interrupted: "free" } },
      "its policy.interrupted is none of input, full, release",
    ],
    [
      "billing",
      { rate, policy: { ...policy, uncappedOutputTokens: "16k" } },
      "its policy.uncappedOutputTokens is no whole number from 1",
    ],
    ["billing", { rate, policy, facts: {} }, "its facts is no function"],
    [
      "rate-limit",
      { acquire, own: {} },
      "the scope of its own limits is none of key, account, model, provider, global",
    ],
    [
      "rate-limit",
      { acquire, own: { scope: "key", limits: { requestsPerMinute: "many" } } },
      "its own limits are no limits by their names, each an amount above 0",
    ],
    [
      "rate-limit",
      { acquire, own: { scope: "key", limits: {}, enforce: "no" } },
      "enforce of its own limits is neither true nor false",
    ],
    ["rate-limit", { acquire, use: 5 }, "its use is no function"],
    [
      "observer",
      { receiver },
      "its receiver.events are no list of budget.threshold, credit.low, call.over_hold, call.anomalous, usage.call, usage.adjustment, test",
    ],
    ["observer", { callEnded, mail: "smtp://" }, "its mail is no function"],
    ["observer", { callEnded, metrics: [] }, "its metrics is no function"],
    ["provider", { chat, models: "m" }, "its models are no list of texts"],
    ["provider", { chat, vendor: 5 }, "its vendor is no text"],
  ])("%s %j", async (kind, slot, why) => {
    const message = await failureOf(boot(`${kind}: { x: {} }`, [plugin(kind, "x", () => slot)], []));
    expect(message).toBe(`${kind} "x" (x): setup returned no ${kind}: ${why}`);
  });
});

describe("a billing plugin that is asked for something at once", () => {
  const target = { provider: "p", vendor: "p", model: "m" };
  const trouble = new Error("own trouble");
  test.each<[string, () => unknown, string]>([
    [
      "throws",
      () => {
        throw trouble;
      },
      "own trouble",
    ],
    ["returns a promise", () => Promise.reject(trouble), "HOOK() returned a promise: nobody waits for it"],
  ])("and %s is named, or refuses the call and is named in the log", async (_, run, why) => {
    const hooks = ["facts", "factsAhead", "models", "adopt", "prices"];
    const slot = { rate: () => {}, policy, ...Object.fromEntries(hooks.map((hook) => [hook, run])) };
    const events: string[] = [];
    const { billing } = await boot("billing: { x: {} }", [plugin("billing", "x", () => slot)], events);
    const { models, adopt, prices, facts, factsAhead } = billing?.slot ?? {};
    const failed = (hook: string) => `billing "x" (x): ${hook}() failed: ${why.replace("HOOK", hook)}`;
    expect(() => models?.("p")).toThrow(failed("models"));
    expect(() => adopt?.([])).toThrow(failed("adopt"));
    expect(() => prices?.([])).toThrow(failed("prices"));
    events.length = 0;
    for (const ask of [facts, factsAhead]) expect(() => ask?.(target, 0)).toThrow("the call could not be checked");
    const line = expect.stringContaining("log billing x: a plugin failed; the call is refused");
    expect(events).toEqual([line, line]);
  });
});

const policy = { unpriced: "refuse", interrupted: "input", uncappedOutputTokens: 1 };

describe("context", () => {
  test("each kind gets its own", async () => {
    const seen: Record<string, Record<string, unknown>> = {};
    const looking = (kind: Kind, slot: unknown): Plugin => ({
      ...plugin(kind, "x", () => slot),
      setup: (_, context) => {
        seen[kind] = { ...context };
        return plugin(kind, "x", () => slot).setup({}, context);
      },
    });
    const kinds: readonly [Kind, unknown][] = [
      ["provider", { chat: () => {} }],
      ["auth", { authenticate: () => null }],
      ["rate-limit", { acquire: () => {} }],
      ["billing", { rate: () => {}, policy }],
      ["guardrail", { input: () => {} }],
      ["cache", { get: () => {}, set: () => {} }],
      ["observer", { callEnded: () => {} }],
    ];
    const text = `${kinds.map(([kind]) => `${kind}: { mine: { use: x } }`).join("\n")}\nprices: [{ target: mine/*, input: 1, output: 2 }]`;
    const plugins = await boot(
      text,
      kinds.map(([kind, slot]) => looking(kind, slot)),
      [],
    );

    const common = ["fetch", "logger", "name", "now", "onDispose", "storage"];
    for (const [kind] of kinds) {
      const more =
        {
          auth: ["accounts", "keys"],
          billing: ["accounts", "prices"],
          observer: ["lasting", "named"],
          "rate-limit": ["elapsed", "lasting"],
        }[String(kind)] ?? [];
      expect([kind, Object.keys(seen[kind] ?? {}).toSorted()]).toEqual([kind, [...common, ...more].toSorted()]);
      expect(seen[kind]?.name).toBe("mine");
    }
    expect(seen.billing?.prices).toEqual([{ target: "mine/*", input: "1", output: "2" }]);
    expect(plugins.instances.map(({ kind }) => kind)).toEqual(["storage", ...kinds.map(([kind]) => kind)]);
    expect([...plugins.providers.keys(), plugins.billing?.name]).toEqual(["mine", "mine"]);
  });

  test("the storage of an instance is its own", async () => {
    const asked: unknown[] = [];
    const asking = definePlugin({
      kind: "cache",
      name: "x",
      api: 1,
      config: t.Object({}),
      setup: async (_, { storage }) => {
        asked.push(await storage.get("any"));
        return { get: () => null, set: () => {} };
      },
    });
    await boot("cache: { one: { use: x }, two: { use: x } }", [asking], []);
    expect(asked).toEqual(["cache/one", "cache/two"]);
  });
});

test("a setup that writes into its options is kept all the same when they did not change", async () => {
  const events: string[] = [];
  const writing = definePlugin({
    kind: "observer",
    name: "writing",
    api: 1,
    config: t.Object({ tags: t.Array(t.String()), apiKey: t.String() }),
    setup: (options) => {
      events.push(`setup ${options.tags.join()}`);
      options.tags.reverse();
      options.apiKey = "";
      return { callEnded: () => {} };
    },
  });
  const text = "observer: { writing: { tags: [a, b], apiKey: k } }";
  const before = await boot(text, [writing], events);
  const loaded = await configOf(text);
  const resolved = await resolvePlugins(loaded, builtinsOf([fakeStorage(events), writing]));
  const { database } = before;
  const after = await setupPlugins(loaded, resolved, recordingHost(events), { plugins: before, database });
  expect(events).toEqual(["open in /data", "setup a,b"]);
  expect(after.held.at(-1)).toBe(before.held.at(-1));
});
