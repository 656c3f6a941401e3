import { html, type Html } from "./html.ts";
import { scrolls } from "./scrolls.ts";

export interface Chart {
  /** What is counted, e.g. `Spend per day`. */
  readonly caption: string;
  /** Head of the first column in the table form. */
  readonly axis: string;
  /** Left to right. */
  readonly bars: readonly Bar[];
  /** A value of the scale as text. */
  readonly format: (value: number) => string;
}
export interface Bar {
  /** Where it stands on the axis, e.g. `23 Nov`. */
  readonly label: string;
  /** ≥ 0. */
  readonly value: number;
  /** The part of `value` that went wrong, drawn in its own colour. */
  readonly bad?: number;
  /** The part of `value` that is the rule; the rest is drawn lighter. */
  readonly typical?: number;
  /** All that there is to say, e.g. `$1.25, 45 calls`. */
  readonly detail: string;
}

/** Bars as SVG: tooltips by `<title>`, the same figures as a table for who cannot see or hover. */
export function chart({ caption, axis, bars, format }: Chart): Html {
  const top = niceCeiling(Math.max(0, ...bars.map((bar) => bar.value)));
  return html`<figure class="chart">
    <div class="plot">
      <div class="scale" aria-hidden="true"><span>${format(top)}</span><span>0</span></div>
      <svg viewBox="0 0 ${bars.length * step} 100" preserveAspectRatio="none" role="img" aria-label="${caption}">
        <line class="grid" x1="0" x2="${bars.length * step}" y1="0" y2="0" /><line class="grid" x1="0" x2="${bars.length * step}" y1="50" y2="50" />
        ${bars.map((bar, index) => column(bar, index * step, top))}
      </svg>
    </div>
    <div class="axis" aria-hidden="true">${ticks(bars).map((label) => html`<span>${label}</span>`)}</div>
    <details>
      <summary>Figures</summary>
      <div class="scroll short"${scrolls(caption)}>
        <table>
          <caption class="unseen">${caption}</caption>
          <thead><tr><th scope="col">${axis}</th><th scope="col" class="num">${caption}</th></tr></thead>
          <tbody>${bars.map((bar) => html`<tr><th scope="row">${bar.label}</th><td class="num">${bar.detail}</td></tr>`)}</tbody>
        </table>
      </div>
    </details>
  </figure>`;
}

const step = 10;

function column(bar: Bar, x: number, top: number): Html {
  const whole = height(bar.value, top);
  const bad = Math.min(whole, height(bar.bad ?? 0, top));
  const typical = bar.typical === undefined ? whole : Math.min(whole, height(bar.typical, top));
  return html`<g class="bar"><title>${bar.label}: ${bar.detail}</title><rect class="hit" x="${x}" y="0" width="${step}" height="100" />${
    whole > typical &&
    html`<rect class="rest" x="${x + 1.5}" y="${100 - whole}" width="${step - 3}" height="${whole}" />`
  }${
    typical > 0 &&
    html`<rect class="fill" x="${x + 1.5}" y="${100 - typical}" width="${step - 3}" height="${typical}" />`
  }${bad > 0 && html`<rect class="wrong" x="${x + 1.5}" y="${100 - bad}" width="${step - 3}" height="${bad}" />`}</g>`;
}

/** In percent of the plot; what is not nothing stays visible. */
const height = (value: number, top: number): number =>
  value <= 0 || top <= 0 ? 0 : Math.max(1.5, Math.round((value / top) * 1000) / 10);

/** The next round number, so that the scale is easy to read; 0 stays 0. */
function niceCeiling(value: number): number {
  if (value <= 0) return 0;
  const power = 10 ** Math.floor(Math.log10(value));
  return ([1, 2, 3, 4, 5, 6, 8, 10].find((factor) => factor * power >= value) ?? 10) * power;
}

/** First, middle and last label. */
function ticks(bars: readonly Bar[]): readonly string[] {
  const places = [0, Math.floor((bars.length - 1) / 2), bars.length - 1];
  return places.map((place) => bars[place]?.label ?? "");
}
