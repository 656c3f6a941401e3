import { share } from "./format.ts";
import { html, type Html } from "./html.ts";
import { priceTabs } from "./prices.ts";
import { scrolls } from "./scrolls.ts";
import { money, name } from "./text.ts";

/** What was learned of a model. */
export interface EstimateLine {
  readonly provider: string;
  readonly model: string;
  /** Bytes of text in a token. */
  readonly input: number;
  readonly output: number;
  /** Of its latest calls that a budget held for. */
  readonly heldNano: number;
  readonly chargeNano: number;
}

export const estimatesPage = (lines: readonly EstimateLine[]): Html => html`<h1>Estimates</h1>
  ${priceTabs("estimates")}
  <p class="hint">What calls are expected to use, learned from those whose usage the provider told; and what the latest ones that a budget held for held and were charged.</p>
  ${lines.length === 0 ? html`<p class="panel empty">Nothing learned yet: no provider has told a usage.</p>` : html`<div class="panel flush">${table(lines)}</div>`}`;

const table = (
  lines: readonly EstimateLine[],
): Html => html`<div class="scroll"${scrolls("Estimates")}><table class="cards">
  <thead><tr><th scope="col">Model</th><th scope="col" class="num">Bytes a token, in</th><th scope="col" class="num">out</th><th scope="col" class="num">Held</th><th scope="col" class="num">Charged</th><th scope="col" class="num">of what was held</th></tr></thead>
  <tbody>${lines.map(
    (line) => html`<tr>
  <td>${name(`${line.provider}/${line.model}`, 60)}</td>
  <td data-label="Bytes a token, in" class="num">${line.input.toFixed(2)}</td>
  <td data-label="Bytes a token, out" class="num">${line.output.toFixed(2)}</td>
  <td data-label="Held" class="num">${money(line.heldNano)}</td>
  <td data-label="Charged" class="num">${money(line.chargeNano)}</td>
  <td data-label="Of what was held" class="num">${share(line.chargeNano, line.heldNano)}</td>
</tr>`,
  )}</tbody>
</table></div>`;
