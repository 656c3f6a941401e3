import { count } from "./format.ts";
import { html, type Html, segment, type Value, url } from "./html.ts";
import { providerPath } from "./providers.ts";
import { testCallForm } from "./test-call.ts";
import { chip, cut, money, name, time } from "./text.ts";
import { breakerChip } from "./traffic.ts";

export interface RouteMapLine {
  readonly name: string;
  readonly strategy: string;
  readonly entries: readonly RouteEntryLine[];
}
interface RouteEntryLine {
  readonly target: string;
  readonly weight: number | null;
  readonly when: WhenLine | null;
  readonly canary: { readonly percent: number; readonly by: "caller" | "conversation" } | null;
  readonly drop: readonly string[];
  readonly defaults: object;
  readonly unfit: UnfitLine | null;
  /** In percent. */
  readonly share: number;
  readonly leadsTo: RouteMapLine | StopLine;
}
interface WhenLine {
  readonly account?: Readonly<Record<string, readonly string[]>>;
  readonly headers?: Readonly<Record<string, readonly string[]>>;
  readonly operations?: readonly string[];
  readonly content?: { readonly with: readonly string[]; readonly without: readonly string[] };
  readonly tokens?: { readonly above?: number; readonly upTo?: number };
}
type UnfitLine =
  | { readonly why: "lacks"; readonly what: readonly string[] }
  | { readonly why: "max-output" | "context-window"; readonly most: number }
  | { readonly why: "condition"; readonly on: string }
  | { readonly why: "canary" }
  | { readonly why: "not-allowed" };
interface StopLine {
  readonly provider: string;
  readonly model: string;
  readonly breaker: {
    readonly state: "closed" | "open" | "half-open";
    readonly reason: string;
    readonly nextProbeMs: number | null;
  } | null;
  readonly busy: number | null;
  readonly costNano: number | null;
}
interface ShadowLine {
  readonly percent: number;
  readonly maxInFlight: number;
  readonly inFlight: number;
  /** `null`: nobody pays. */
  readonly account: string | null;
  readonly drop: readonly string[];
  readonly defaults: object;
  readonly leadsTo: StopLine;
}
export interface AliasRouteModel {
  readonly route: RouteMapLine & { readonly refused: number; readonly shadow: ShadowLine | null };
  readonly nowMs: number;
  /** `null`: the visitor may make no test calls. */
  readonly csrf: string | null;
}

export const aliasPage = ({
  route,
  nowMs,
  csrf,
}: AliasRouteModel): Html => html`<p class="crumb"><a href="/dashboard/prices/models">Models</a></p>
  <div class="heading"><h1>${name(route.name, 80)}</h1>${chip("quiet", "alias")}</div>
  ${aliasRoutePart(route, nowMs)}
  <p class="hint">Of short chats on the account default, without a header or a tag, by the rules that calls go by: where the first attempt would be made now. The others of a list are asked after it when it fails.</p>
  ${csrf !== null && testCallForm({ model: route.name, models: [], csrf, tested: null, error: null })}`;

/** The part that keeps itself up to date. */
export const aliasRoutePart = (
  route: AliasRouteModel["route"],
  nowMs: number,
): Html => html`<section id="route" class="panel" aria-label="Where calls go now" data-poll hx-get="?" hx-trigger="every 5s" hx-swap="outerMorph" hx-headers='{"x-poll":"1"}'>
  ${route.refused > 0 && html`<p class="error">${percent(route.refused)} of such calls would be refused now: no target takes them, or those that do are left alone.</p>`}
  ${tree(route, nowMs)}
  ${route.shadow !== null && shadowed(route.shadow, nowMs)}
</section>`;

const strategyWords: Readonly<Record<string, string>> = {
  ordered: "in this order",
  weighted: "shared out by weight",
  "least-busy": "the one with the fewest calls first",
  "lowest-latency": "the quicker of two that are drawn first",
  cheapest: "the cheapest first",
  sticky: "a conversation stays where it began",
};

const tree = (
  { strategy, entries }: RouteMapLine,
  nowMs: number,
): Html => html`<p class="strategy">${chip("info", cut(strategy, 20))} <span class="hint">${strategyWords[strategy] ?? ""}</span></p>
  <ol class="route">${entries.map((entry) => branch(entry, nowMs))}</ol>`;

function branch(entry: RouteEntryLine, nowMs: number): Html {
  const { target, share, leadsTo } = entry;
  const isStop = "provider" in leadsTo;
  return html`<li${share > 0 && html` class="taken"`}>
    <div class="stop">
      <span class="where">${isStop ? stopName(leadsTo) : html`<a href="${aliasPath(target)}">${name(target, 60)}</a>`}</span>
      ${isStop && leadsTo.breaker !== null && breakerChip(leadsTo.breaker.state)}
      <span class="share">${share > 0 ? html`about <strong>${percent(share)}</strong> of calls now` : "none now"}</span>
    </div>
    ${terms(entry)}
    ${isStop ? state(leadsTo, nowMs) : tree(leadsTo, nowMs)}
  </li>`;
}

const shadowed = (
  shadow: ShadowLine,
  nowMs: number,
): Html => html`<p class="strategy apart">${chip("quiet", "shadow")} <span class="hint">copies of chats, when they are answered; no client sees what comes back</span></p>
  <ol class="route shadow"><li>
    <div class="stop">
      <span class="where">${stopName(shadow.leadsTo)}</span>
      ${shadow.leadsTo.breaker !== null && breakerChip(shadow.leadsTo.breaker.state)}
      <span class="share">copies of ${shadow.percent} % of calls</span>
    </div>
    ${list([`${count(shadow.inFlight)} of at most ${count(shadow.maxInFlight)} on their way`, shadow.account === null ? "nobody pays" : `the account ${shadow.account} pays`, ...changed(shadow)])}
    ${state(shadow.leadsTo, nowMs)}
  </li></ol>`;

export const aliasPath = (alias: string): string => `/dashboard/models/${segment(alias)}`;

const stopName = ({ provider, model }: StopLine): Html =>
  html`<a href="${url(providerPath(provider), { model })}">${name(provider)}<span class="slash">/</span>${name(model, 60)}</a>`;

/** What the file says of it. */
function terms({ weight, when, canary, drop, defaults, unfit }: RouteEntryLine): Html | null {
  const parts: Value[] = [
    ...(weight === null ? [] : [`weight ${count(weight)}`]),
    ...(canary ? [`canary: ${canary.percent} % of the ${canary.by === "caller" ? "callers" : "conversations"}`] : []),
    ...(when ? conditions(when) : []),
    ...changed({ drop, defaults }),
    ...(unfit ? [html`<span class="unfit">${unfitWords(unfit)}</span>`] : []),
  ];
  return parts.length === 0 ? null : list(parts);
}

const changed = ({ drop, defaults }: Pick<RouteEntryLine, "drop" | "defaults">): readonly string[] => [
  ...(drop.length > 0 ? [`leaves out ${drop.join(", ")}`] : []),
  ...Object.entries(defaults).map(([field, value]) => `${field} ${JSON.stringify(value)} unless the client says`),
];

const list = (parts: readonly Value[]): Html =>
  html`<ul class="terms">${parts.map((part) => html`<li><bdi>${typeof part === "string" ? cut(part, 200) : part}</bdi></li>`)}</ul>`;

function conditions({ account = {}, headers = {}, operations, content, tokens }: WhenLine): string[] {
  const oneOf = (values: readonly string[]) => values.join(" or ");
  return [
    ...Object.entries(account).map(([tag, values]) => `only accounts whose ${tag} is ${oneOf(values)}`),
    ...Object.entries(headers).map(([header, values]) => `only with ${header}: ${oneOf(values)}`),
    ...(operations ? [`only ${oneOf(operations)}`] : []),
    ...(content && content.with.length > 0 ? [`only with ${content.with.join(" and ")}`] : []),
    ...(content && content.without.length > 0 ? [`only without ${oneOf(content.without)}`] : []),
    ...(tokens?.above !== undefined ? [`only above ${count(tokens.above)} tokens`] : []),
    ...(tokens?.upTo !== undefined ? [`only up to ${count(tokens.upTo)} tokens`] : []),
  ];
}

function unfitWords(unfit: UnfitLine): string {
  switch (unfit.why) {
    case "lacks":
      return `takes no ${unfit.what.join(", ")}`;
    case "max-output":
      return `writes at most ${count(unfit.most)} tokens`;
    case "context-window":
      return `has a context of ${count(unfit.most)} tokens`;
    case "condition":
      return `takes no such call: its condition on ${unfit.on}`;
    case "canary":
      return "takes no such call: it is a canary";
    case "not-allowed":
      return "not allowed";
  }
}

function state({ breaker, busy, costNano }: StopLine, nowMs: number): Html {
  return html`<p class="hint">${busy !== null && html`${count(busy)} in flight · `}${costNano === null ? "without a price" : html`${money(costNano)} for 1,000 tokens in and 500 out`}${
    breaker !== null && html` · <bdi>${cut(breaker.reason, 160)}</bdi>${tried(breaker.nextProbeMs, nowMs)}`
  }</p>`;
}

const tried = (nextProbeMs: number | null, nowMs: number): Html | null =>
  nextProbeMs === null
    ? null
    : nextProbeMs <= nowMs
      ? html`, tried by the next call`
      : html`, tried again ${time(nextProbeMs)}`;

/** Of samples: whole percents are as exact as it gets. */
const percent = (share: number): string => (share > 0 && share < 1 ? "< 1 %" : `${Math.round(share)} %`);
