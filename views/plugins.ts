import { configTabs } from "./config.ts";
import { count, took } from "./format.ts";
import { html, type Html } from "./html.ts";
import { scrolls } from "./scrolls.ts";
import { chip, cut, name } from "./text.ts";

export interface PluginLine {
  readonly kind: string;
  readonly name: string;
  readonly plugin: string;
  readonly origin: "built-in" | "npm" | "file";
  readonly description: string | null;
  readonly hooks: readonly string[];
  /** By their paths, without secrets. */
  readonly options: Readonly<Record<string, string>>;
  readonly timings: Readonly<Record<string, HookTiming>>;
}
export interface HookTiming {
  readonly calls: number;
  readonly failures: number;
  readonly timeouts: number;
  /** `null`: it is not timed. */
  readonly totalMs: number | null;
  readonly slowestMs: number | null;
}

export const pluginsPage = (plugins: readonly PluginLine[]): Html => html`<h1>Plugins</h1>
  ${configTabs("plugins")}
  <section class="panel flush"><h2>What is loaded</h2><div class="scroll"${scrolls("What is loaded")}><table class="cards">
  <thead><tr><th scope="col">Instance</th><th scope="col">Kind</th><th scope="col">Plugin</th><th scope="col">From</th><th scope="col">Fills</th><th scope="col">Options</th></tr></thead>
  <tbody>${plugins.map(instance)}</tbody></table></div></section>
  ${hookPanel(plugins)}
  <p class="hint">Since the process began, by kind and name, whatever was reloaded. Times are from the call of a hook to its end, what it waited for included. A refusal is no failure.</p>`;

const hookPanel = (plugins: readonly PluginLine[]): Html => {
  const called = plugins.flatMap((plugin) =>
    Object.entries(plugin.timings).flatMap(([hook, timing]) =>
      timing.calls > 0 ? [hookRow(plugin, hook, timing)] : [],
    ),
  );
  return called.length === 0
    ? html`<p class="panel empty">No hook was called yet.</p>`
    : html`<section class="panel flush"><h2>What hooks came to</h2><div class="scroll"${scrolls("What hooks came to")}><table class="cards">
  <thead><tr><th scope="col">Instance</th><th scope="col">Hook</th><th scope="col" class="num">Calls</th><th scope="col" class="num">Failed</th><th scope="col" class="num">Too late</th><th scope="col" class="num">Mean</th><th scope="col" class="num">Slowest</th><th scope="col" class="num">In all</th></tr></thead>
  <tbody>${called}</tbody></table></div></section>`;
};

const instance = (plugin: PluginLine): Html => html`<tr>
  <td>${name(plugin.name)}${plugin.description !== null && html`<span class="sub">${described(plugin.description)}</span>`}</td>
  <td data-label="Kind">${plugin.kind}</td>
  <td data-label="Plugin">${name(plugin.plugin)}</td>
  <td data-label="From">${chip(tones[plugin.origin], plugin.origin)}</td>
  <td data-label="Fills" class="prose">${plugin.hooks.length === 0 ? name(null) : cut(plugin.hooks.join(", "), 200)}</td>
  <td data-label="Options" class="prose">${options(Object.entries(plugin.options))}</td>
</tr>`;

/** As the README has it, where names stand between backticks. */
const described = (text: string): readonly Html[] =>
  cut(text, 160)
    .split("`")
    .map((part, at) => (at % 2 === 0 ? html`${part}` : html`<code>${part}</code>`));

const tones = { "built-in": "quiet", npm: "info", file: "info" } as const;

/** So many are shown; the API lists all. */
const mostOptions = 40;

const options = (entries: readonly (readonly [path: string, text: string])[]): Html =>
  entries.length === 0
    ? name(null)
    : html`<details><summary>${count(entries.length)} ${entries.length === 1 ? "option" : "options"}</summary>${entries
        .slice(0, mostOptions)
        .map(
          ([path, text]) => html`<span class="line"><bdi>${cut(path, 80)}</bdi>: <bdi>${cut(text, 160)}</bdi></span>`,
        )}${entries.length > mostOptions && html`<span class="line">and ${count(entries.length - mostOptions)} more</span>`}</details>`;

const hookRow = (
  { kind, name: instanceName }: PluginLine,
  hook: string,
  { calls, failures, timeouts, totalMs, slowestMs }: HookTiming,
): Html => html`<tr>
  <td>${name(`${kind}/${instanceName}`, 60)}</td>
  <td data-label="Hook">${hook}</td>
  <td data-label="Calls" class="num">${count(calls)}</td>
  <td data-label="Failed" class="num">${faults(failures)}</td>
  <td data-label="Too late" class="num">${faults(timeouts)}</td>
  <td data-label="Mean" class="num">${time(totalMs && totalMs / calls)}</td>
  <td data-label="Slowest" class="num">${time(slowestMs)}</td>
  <td data-label="In all" class="num">${time(totalMs)}</td>
</tr>`;

const faults = (times: number): Html | string => (times > 0 ? chip("bad", count(times)) : count(times));

const time = (ms: number | null): Html | string => (ms === null ? name(null) : took(Math.round(ms * 1_000)));
