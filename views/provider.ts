import { attemptsOf, attemptsPanel, type AttemptsModel } from "./attempts.ts";
import { count } from "./format.ts";
import { html, type Html } from "./html.ts";
import { providerKeys, type ProviderKeysModel } from "./provider-keys.ts";
import { type ListedProvider, providerPath } from "./providers.ts";
import { testCallForm, type TestCallModel } from "./test-call.ts";
import { chip, cut, name, time } from "./text.ts";
import { tile } from "./tile.ts";
import { breakerTable, type TrafficLine, trafficChip } from "./traffic.ts";

export interface ProviderModel extends ProviderKeysModel {
  readonly provider: ListedProvider;
  readonly attempts: Omit<AttemptsModel, "path" | "breakers">;
  /** Whether the visitor may make test calls. */
  readonly mayCall: boolean;
  readonly nowMs: number;
}

export const providerPage = (model: ProviderModel): Html => {
  const { provider, attempts, csrf, mayCall, nowMs } = model;
  return html`<p class="crumb"><a href="/dashboard/providers">Providers</a></p>
  <div class="heading"><h1>${name(provider.name, 60)}</h1>${chip("quiet", cut(provider.plugin, 30))}</div>
  <p class="hint">${provider.host !== null && html`At ${name(provider.host, 100)}. `}${provider.dialects !== null && html`Speaks ${name(provider.dialects.join(", "), 100)}.`}</p>
  ${providerNow(provider, nowMs)}
  ${attemptsPanel({ ...attempts, path: providerPath(provider.name), breakers: provider.traffic?.breakers ?? [] })}
  ${mayCall && csrf !== null && provider.traffic !== null && testCallForm({ ...callable(model), csrf, tested: null, error: null })}
  ${providerKeys(model)}`;
};

/** So many names are offered; others are typed. */
const mostNames = 200;

function callable({ provider, attempts }: ProviderModel): Pick<TestCallModel, "model" | "models"> {
  const used = attempts.report.models.map(({ model }) => model);
  const names = [...new Set([...used, ...(provider.models ?? [])])].slice(0, mostNames);
  return {
    model: `${provider.name}/${attempts.model ?? names[0] ?? ""}`,
    models: names.map((model) => `${provider.name}/${model}`),
  };
}

/** How it does now: the part that keeps itself up to date. */
export const providerNow = ({ traffic, lastDay, credentials }: ListedProvider, nowMs: number): Html =>
  traffic === null
    ? html`<p class="panel empty">No call can be sent to it.</p>`
    : html`<section id="now" aria-label="Now" data-poll hx-get="?" hx-trigger="every 5s" hx-swap="outerMorph" hx-headers='{"x-poll":"1"}'>
    ${figures(traffic, credentials)}
    <div class="panel flush"><h2>Models that failed lately ${trafficChip(traffic, attemptsOf(lastDay))}</h2>${breakerTable(traffic.breakers, nowMs)}</div>
  </section>`;

const figures = (
  { open, waiting, queued, breakers }: TrafficLine,
  credentials: ListedProvider["credentials"],
): Html => html`<div class="tiles">
  ${tile("In flight", html`${count(open)}`, html`calls, streams to their end`)}
  ${tile("Waiting", html`${count(waiting)}`, html`for the first byte`)}
  ${tile("Queued", html`${count(queued)}`, html`for a place among those`)}
  ${tile("Left alone", html`${count(breakers.filter(({ state }) => state !== "closed").length)}`, html`models, of ${count(breakers.length)} that failed lately`)}
  ${credentials.length > 0 && keysTile(credentials)}
</div>`;

function keysTile(credentials: ListedProvider["credentials"]): Html {
  const of = (...states: readonly string[]) => credentials.filter(({ state }) => states.includes(state));
  const resting = of("resting");
  const next = Math.min(...resting.map(({ restsUntilMs }) => restsUntilMs ?? Infinity));
  return tile(
    "Stored keys",
    html`${count(of("active").length)} of ${count(credentials.length)}`,
    resting.length > 0
      ? html`${count(resting.length)} resting, the next until ${time(Number.isFinite(next) ? next : null)}`
      : html`active`,
  );
}
