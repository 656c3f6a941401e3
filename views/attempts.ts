import { type Bar, chart } from "./chart.ts";
import { clock, count, day, duration, share } from "./format.ts";
import { html, type Html, url } from "./html.ts";
import { scrolls } from "./scrolls.ts";
import { name, time } from "./text.ts";
import { tile } from "./tile.ts";
import { type BreakerLine, breakerChip } from "./traffic.ts";

/** How attempts ended. */
export interface AttemptSumsLine {
  readonly ok: number;
  readonly failed: number;
  readonly limited: number;
  readonly refused: number;
  readonly left: number;
  /** `null`: none is known. A quantile that is `null` is beyond every bucket. */
  readonly firstByteMs: { readonly p50: number | null; readonly p95: number | null } | null;
}
export type AttemptsOver = "hour" | "day" | "week";
export interface AttemptsModel {
  /** Path of the page. */
  readonly path: string;
  readonly over: AttemptsOver;
  /** Only of this one; `null`: of all. */
  readonly model: string | null;
  readonly report: {
    readonly steps: readonly (AttemptSumsLine & { readonly startMs: number })[];
    readonly models: readonly (AttemptSumsLine & { readonly model: string })[];
    readonly moreModels: boolean;
    readonly total: AttemptSumsLine;
    /** Calls before this were not looked at; `null`: all were. */
    readonly sinceMs: number | null;
  };
  readonly breakers: readonly BreakerLine[];
}

export const attemptsOf = ({ ok, failed, limited, refused, left }: AttemptSumsLine): number =>
  ok + failed + limited + refused + left;

const spans = [
  ["hour", "Last hour", "minute"],
  ["day", "Last day", "hour"],
  ["week", "Last week", "4 hours"],
] as const;

/** What came of the requests that were sent: charts over a time, and the models that it was. */
export function attemptsPanel(shown: AttemptsModel): Html {
  const { path, over, model, report } = shown;
  const step = spans.find(([id]) => id === over)?.[2] ?? "";
  return html`<section aria-labelledby="attempts">
  <h2 id="attempts">Attempts ${model !== null && html`<span class="hint">of ${name(model, 60)} <a href="${url(path, { over })}">All models</a></span>`}</h2>
  <nav class="tabs" aria-label="Time">${spans.map(([id, label]) => html`<a href="${url(path, { over: id, model })}"${id === over && html` aria-current="page"`}>${label}</a>`)}</nav>
  ${figures(report.total)}
  ${report.sinceMs !== null && html`<p class="hint">There were more calls than are read at once: these are those since ${time(report.sinceMs)}.</p>`}
  <div class="columns">
    <section class="panel"><h3>Attempts per ${step} <span class="hint">the red part failed or met a limit</span></h3>${chart({ caption: `Attempts per ${step}`, axis: "From", bars: report.steps.map((one) => attemptBar(one, over)), format: count })}</section>
    <section class="panel"><h3>Time to the first byte <span class="hint">95 % of the good calls, and half of them</span></h3>${chart({ caption: `Time to the first byte per ${step}`, axis: "From", bars: report.steps.map((one) => latencyBar(one, over)), format: duration })}</section>
  </div>
  ${modelTable(shown)}
</section>`;
}

const figures = (total: AttemptSumsLine): Html => {
  const attempts = attemptsOf(total);
  const wrong = total.failed + total.limited;
  return html`<div class="tiles">
  ${tile("Attempts", html`${count(attempts)}`, html`${count(total.ok)} good${total.left > 0 && `, ${count(total.left)} left by the client`}`)}
  ${tile("Failed", html`${count(total.failed)}`, html`${share(total.failed, attempts)}`, total.failed > 0 ? "bad" : "")}
  ${tile("Limited", html`${count(total.limited)}`, html`answered 429${wrong > 0 && `; ${share(wrong, attempts)} with those that failed`}`)}
  ${tile("Refused", html`${count(total.refused)}`, html`for what they asked`)}
  ${tile("First byte", html`${quantile(total, "p50")}`, html`95 % ${quantile(total, "p95")}`)}
</div>`;
};

/** The end of the bucket that it is in; `null`: beyond the last one, which ends at a minute. */
const upTo = (ms: number | null): string => (ms === null ? "> 1 min" : `≤ ${duration(ms)}`);
export const quantile = ({ firstByteMs }: AttemptSumsLine, part: "p50" | "p95"): string =>
  firstByteMs === null ? duration(null) : upTo(firstByteMs[part]);

const label = (startMs: number, over: AttemptsOver): string =>
  over === "week" ? `${day(startMs)} ${clock(startMs)}` : clock(startMs);

const attemptBar = (sums: AttemptSumsLine & { readonly startMs: number }, over: AttemptsOver): Bar => ({
  label: label(sums.startMs, over),
  value: attemptsOf(sums),
  bad: sums.failed + sums.limited,
  detail: inWords(sums),
});

const latencyBar = (sums: AttemptSumsLine & { readonly startMs: number }, over: AttemptsOver): Bar => {
  const at = label(sums.startMs, over);
  if (sums.firstByteMs === null) return { label: at, value: 0, detail: "no good call" };
  const { p50, p95 } = sums.firstByteMs;
  return {
    label: at,
    value: p95 ?? endMs,
    typical: p50 ?? endMs,
    detail: `half ${upTo(p50)}, 95 % ${upTo(p95)}`,
  };
};
/** Where what is beyond the last bucket is drawn. */
const endMs = 60_000;

function inWords(sums: AttemptSumsLine): string {
  const parts = [
    [sums.failed, "failed"],
    [sums.limited, "limited"],
    [sums.refused, "refused"],
    [sums.left, "left by the client"],
  ] as const;
  const told = parts.filter(([times]) => times > 0).map(([times, how]) => `, ${count(times)} ${how}`);
  return `${count(attemptsOf(sums))}${told.join("")}`;
}

function modelTable({ path, over, model, report, breakers }: AttemptsModel): Html {
  if (report.models.length === 0) return html`<p class="panel empty">Nothing was sent to it in this time.</p>`;
  const states = new Map(breakers.map((breaker) => [breaker.model, breaker.state]));
  return html`<section class="panel flush"><h3>Models</h3><div class="scroll"${scrolls("Models")}><table class="cards">
  <thead><tr><th scope="col">Model</th><th scope="col">State</th><th scope="col" class="num">Attempts</th><th scope="col" class="num">Failed</th><th scope="col" class="num">Limited</th><th scope="col" class="num">Refused</th><th scope="col" class="num">Half</th><th scope="col" class="num">95 %</th></tr></thead>
  <tbody>${report.models.map((line) => {
    const state = states.get(line.model);
    return html`<tr>
    <td><a href="${url(path, { over, model: line.model })}"${line.model === model && html` aria-current="true"`}>${name(line.model, 48)}</a></td>
    <td data-label="State">${state === undefined ? name(null) : breakerChip(state)}</td>
    <td data-label="Attempts" class="num">${count(attemptsOf(line))}</td>
    <td data-label="Failed" class="num"><span>${count(line.failed)}${line.failed > 0 && html`<span class="sub">${share(line.failed, attemptsOf(line))}</span>`}</span></td>
    <td data-label="Limited" class="num">${count(line.limited)}</td>
    <td data-label="Refused" class="num">${count(line.refused)}</td>
    <td data-label="Half" class="num">${quantile(line, "p50")}</td>
    <td data-label="95 %" class="num">${quantile(line, "p95")}</td>
  </tr>`;
  })}</tbody>
</table></div>${report.moreModels && html`<p class="empty">These are the busiest.</p>`}</section>`;
}
