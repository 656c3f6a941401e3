import type { HookTiming, PluginLine } from "../api/config-service.ts";
import { type CountedHook, countedHooks, type HookTally, noCalls, talliesOf } from "../plugin/hook-tally.ts";
import type { HeldPlugin, Plugins } from "../plugin/setup.ts";
import { optionsShown } from "./config-facts.ts";

/** What is loaded, as it may be shown. */
export const pluginLines = ({ held }: Pick<Plugins, "held">): readonly PluginLine[] => held.map(lineOf);

function lineOf({ plugin: { kind, name, plugin, origin, options }, hooks, mask }: HeldPlugin): PluginLine {
  const tallies = talliesOf(kind, name).hooks;
  const counted = countedHooks(hooks).map((hook) => [hook, timingOf(hook, tallies.get(hook) ?? noCalls)] as const);
  return {
    kind,
    name,
    plugin: plugin.name,
    origin,
    description: plugin.description ?? null,
    hooks,
    options: optionsShown({ plugin, options }, mask),
    timings: Object.fromEntries(counted),
  };
}

const timingOf = (hook: CountedHook, { calls, failures, timeouts, totalMs, slowestMs }: HookTally): HookTiming => ({
  calls,
  failures,
  timeouts,
  totalMs: hook === "rate" ? null : inMicroseconds(totalMs),
  slowestMs: hook === "rate" ? null : inMicroseconds(slowestMs),
});

/** To three decimals. */
const inMicroseconds = (ms: number): number => Math.round(ms * 1_000) / 1_000;
