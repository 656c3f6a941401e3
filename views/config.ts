import { formFields } from "./form-fields.ts";
import { html, type Html } from "./html.ts";
import { scrolls } from "./scrolls.ts";
import { chip, cut, moment, name } from "./text.ts";

export interface ConfigModel {
  readonly state: ConfigInUse;
  readonly drift: readonly DriftLine[];
  /** `null`: nobody asked. */
  readonly plan: readonly PlanLine[] | null;
  /** Why the file cannot be used; empty: nobody asked, or it can. */
  readonly problems: readonly string[];
  /** `null`: the visitor may not reload. */
  readonly csrf: string | null;
}
export interface ConfigInUse {
  /** `null`: the built-in default. */
  readonly file: string | null;
  readonly loadedMs: number;
  readonly generation: number;
  readonly lastReload: LastReload | null;
  readonly callsBefore: readonly number[];
}
type LastReload = { readonly atMs: number; readonly by: string } & (
  | { readonly ok: true; readonly needsRestart: readonly string[] }
  | { readonly ok: false; readonly problems: readonly string[] }
);
export interface PlanLine {
  readonly change: "added" | "removed" | "changed";
  readonly path: string;
  readonly before: string | null;
  readonly after: string | null;
  readonly needsRestart: boolean;
}
export interface DriftLine {
  readonly path: string;
  readonly set: string;
  readonly inFile: boolean;
  readonly wins: "database" | "strictest";
}

/** The pages about what the file brings, above each of them. */
export const configTabs = (current: "config" | "plugins"): Html =>
  html`<nav class="tabs" aria-label="Config">${tabs.map(([id, path, label]) => html`<a href="${path}"${id === current && html` aria-current="page"`}>${label}</a>`)}</nav>`;

const tabs = [
  ["config", "/dashboard/config", "The file"],
  ["plugins", "/dashboard/plugins", "Plugins"],
] as const;

export const configPage = (model: ConfigModel): Html => html`<h1>Config</h1>
  ${configTabs("config")}
  ${model.problems.length > 0 && html`<div class="banner bad" role="alert">${problemList(model.problems)}</div>`}
  ${stateCard(model)}
  ${model.plan !== null && planPanel(model.plan)}
  ${driftPanel(model.drift)}`;

const stateCard = ({ state: { file, loadedMs, generation, lastReload, callsBefore }, csrf }: ConfigModel): Html => {
  const running = callsBefore.reduce((sum, calls) => sum + calls, 0);
  return html`<section class="panel">
  <p>In use since ${moment(loadedMs)}: ${file === null ? "the built-in default, without a file" : html`<bdi>${file}</bdi>`}, ${generation === 0 ? "as at the start" : `reload ${generation} since the start`}.</p>
  ${running > 0 && html`<p class="hint">${running} ${running === 1 ? "call that began before goes" : "calls that began before go"} on with the config of then.</p>`}
  ${lastReload !== null && lastLine(lastReload)}
  ${
    csrf !== null &&
    html`<div class="actions">
    <form method="post" action="/dashboard/config/plan">${formFields(csrf)}<button>See what would change</button></form>
    <form method="post" action="/dashboard/config/reload">${formFields(csrf)}<button>Reload</button></form>
  </div>`
  }
</section>`;
};

const lastLine = (last: LastReload): Html =>
  last.ok
    ? html`<p>${chip("good", "reloaded")} ${moment(last.atMs)} by ${name(last.by)}.${last.needsRestart.length > 0 && html` Needs a restart: <bdi>${last.needsRestart.join(", ")}</bdi>.`}</p>`
    : html`<p>${chip("bad", "not reloaded")} ${moment(last.atMs)} by ${name(last.by)}; the config of before stays.</p>${problemList(last.problems)}`;

const problemList = (problems: readonly string[]): Html =>
  html`<ul>${problems.slice(0, 20).map((problem) => html`<li><bdi>${cut(problem, 400)}</bdi></li>`)}</ul>`;

const tones = { added: "good", removed: "bad", changed: "info" } as const;

const planPanel = (lines: readonly PlanLine[]): Html =>
  lines.length === 0
    ? html`<p class="panel empty">The file says what is in use: a reload would change nothing.</p>`
    : html`<section class="panel flush"><h2>What a reload would change</h2><div class="scroll"${scrolls("What a reload would change")}><table class="cards">
  <thead><tr><th scope="col">Setting</th><th scope="col">Change</th><th scope="col">In use</th><th scope="col">In the file</th></tr></thead>
  <tbody>${lines.map(
    ({ change, path, before, after, needsRestart }) => html`<tr>
  <td>${name(path, 120)}</td>
  <td data-label="Change"><span>${chip(tones[change], change)} ${needsRestart && chip("warn", "needs a restart")}</span></td>
  <td data-label="In use" class="prose"><bdi>${cut(before ?? "–", 200)}</bdi></td>
  <td data-label="In the file" class="prose"><bdi>${cut(after ?? "–", 200)}</bdi></td>
</tr>`,
  )}</tbody></table></div></section>`;

const driftPanel = (lines: readonly DriftLine[]): Html =>
  lines.length === 0
    ? html`<p class="panel empty">Nothing is set by hand beside the file.</p>`
    : html`<section class="panel flush"><h2>Set by hand beside the file</h2><div class="scroll"${scrolls("Set by hand beside the file")}><table class="cards">
  <thead><tr><th scope="col">Setting</th><th scope="col">By hand</th><th scope="col">In the file</th><th scope="col">What holds</th></tr></thead>
  <tbody>${lines.map(
    ({ path, set, inFile, wins }) => html`<tr>
  <td>${name(path, 120)}</td>
  <td data-label="By hand">${cut(set, 80)}</td>
  <td data-label="In the file">${inFile ? "yes" : "no"}</td>
  <td data-label="What holds">${wins === "database" ? "what was set by hand" : "both; the stricter binds"}</td>
</tr>`,
  )}</tbody></table></div></section>`;
