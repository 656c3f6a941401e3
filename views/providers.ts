import { attemptsOf, type AttemptSumsLine, quantile } from "./attempts.ts";
import { count, share } from "./format.ts";
import { html, segment, url, type Html } from "./html.ts";
import { scrolls } from "./scrolls.ts";
import { chip, name } from "./text.ts";
import { type TrafficLine, trafficChip } from "./traffic.ts";

export interface ProviderLine {
  readonly name: string;
  readonly plugin: string;
  /** Host and port of its base URL; `null`: it has none. */
  readonly host: string | null;
  /** `null`: it answers by itself. */
  readonly dialects: readonly string[] | null;
  /** Names that it claims; `null`: what the price book knows of its vendor. */
  readonly models: readonly string[] | null;
  /** The key of the config file, masked; `null`: there is none. */
  readonly fileKey: string | null;
  /** Whether keys can be stored for it. */
  readonly takesKeys: boolean;
  readonly credentials: readonly CredentialLine[];
}
export interface CredentialLine {
  readonly id: string;
  readonly name: string;
  readonly masked: string;
  readonly weight: number;
  readonly enabled: boolean;
  readonly state: "active" | "disabled" | "resting" | "locked" | "unused";
  readonly restsUntilMs: number | null;
  readonly refusedWith: number | null;
  readonly requests: number;
  readonly changedMs: number;
}
export interface ListedProvider extends ProviderLine {
  /** `null`: no call can be sent to it. */
  readonly traffic: TrafficLine | null;
  readonly lastDay: AttemptSumsLine;
}

export const providersPage = (providers: readonly ListedProvider[]): Html => html`<h1>Providers</h1>
  ${providerList(providers)}
  <p class="hint">Providers are declared in the config file. Further keys of their upstream accounts are stored here. <a href="/dashboard/prices/models">Models and aliases</a></p>`;

/** The part that keeps itself up to date. */
export const providerList = (providers: readonly ListedProvider[]): Html =>
  providers.length === 0
    ? html`<p class="panel empty">The config file has no provider.</p>`
    : html`<div id="providers" class="panel flush" data-poll hx-get="/dashboard/providers" hx-trigger="every 5s" hx-swap="outerMorph" hx-headers='{"x-poll":"1"}'><div class="scroll"${scrolls("Providers")}><table class="cards">
    <thead><tr><th scope="col">Provider</th><th scope="col">State</th><th scope="col" class="num">In flight</th><th scope="col" class="num">Last day</th><th scope="col" class="num">First byte</th><th scope="col">Speaks</th><th scope="col">Key of the file</th><th scope="col">Stored keys</th></tr></thead>
    <tbody>${providers.map(row)}</tbody>
  </table></div></div>`;

const row = (provider: ListedProvider): Html => html`<tr>
  <td><a href="${providerPath(provider.name)}">${name(provider.name)}</a><span class="sub">${name(provider.plugin)}${provider.host !== null && provider.host !== "" && html` at ${name(provider.host, 60)}`}</span></td>
  <td data-label="State">${provider.traffic === null ? name(null) : trafficChip(provider.traffic, attemptsOf(provider.lastDay))}</td>
  <td data-label="In flight" class="num">${provider.traffic === null ? name(null) : inFlight(provider.traffic)}</td>
  <td data-label="Last day" class="num">${lastDay(provider.lastDay)}</td>
  <td data-label="First byte" class="num"><span>${quantile(provider.lastDay, "p50")}${provider.lastDay.firstByteMs !== null && html`<span class="sub">95 % ${quantile(provider.lastDay, "p95")}</span>`}</span></td>
  <td data-label="Speaks">${name(provider.dialects === null ? null : provider.dialects.join(", "), 60)}</td>
  <td data-label="Key of the file">${keyOfFile(provider)}</td>
  <td data-label="Stored keys">${storedKeys(provider)}</td>
</tr>`;

const inFlight = ({ open, queued }: TrafficLine): Html =>
  html`<span>${count(open)}${queued > 0 && html`<span class="sub">${count(queued)} queued</span>`}</span>`;

const lastDay = (sums: AttemptSumsLine): Html => {
  const wrong = sums.failed + sums.limited;
  return html`<span>${count(attemptsOf(sums))}${wrong > 0 && html`<span class="sub">${share(wrong, attemptsOf(sums))} failed or limited</span>`}</span>`;
};

export const providerPath = (provider: string): string => url(`/dashboard/providers/${segment(provider)}`);

export const keyOfFile = ({ fileKey, credentials }: ProviderLine): Html =>
  fileKey === null
    ? name(null)
    : html`<span><code>${fileKey}</code> ${credentials.some(isUsed) ? chip("quiet", "not used") : chip("good", "used")}</span>`;

const isUsed = ({ state }: CredentialLine): boolean => state === "active" || state === "resting";

function storedKeys({ credentials }: ProviderLine): Html {
  if (credentials.length === 0) return name(null);
  const used = credentials.filter(({ state }) => state === "active").length;
  return html`<span>${credentials.length} ${used === credentials.length ? chip("good", "all active") : chip("warn", `${used} active`)}</span>`;
}
