import { costIsHidden, count, duration, spentNano } from "./format.ts";
import { html, segment, url, type Html } from "./html.ts";
import { scrolls } from "./scrolls.ts";
import { statusChip } from "./status.ts";
import { money, name, time } from "./text.ts";

/** One call as a row. */
export interface CallLine {
  readonly callId: string;
  readonly createdMs: number;
  readonly model: string;
  readonly provider: string | null;
  readonly upstreamModel: string | null;
  /** Name of the key, or the principal where there is none. */
  readonly caller: string;
  readonly status: string;
  readonly inputTokens: number | null;
  readonly outputTokens: number | null;
  readonly costNano: number | null;
  readonly chargeNano: number | null;
  readonly durationMs: number | null;
}

export function callTable(calls: readonly CallLine[]): Html {
  return html`<div class="scroll"${scrolls("Calls")}><table class="lines">
    <thead><tr>
      <th scope="col">Time</th><th scope="col">Model</th><th scope="col" class="wide">Target</th><th scope="col" class="wide">Key</th><th scope="col">Status</th>
      <th scope="col" class="num wide">In</th><th scope="col" class="num wide">Out</th><th scope="col" class="num">${calls.some(costIsHidden) ? "Charged" : "Cost"}</th><th scope="col" class="num wide">Took</th>
    </tr></thead>
    <tbody>${calls.map(row)}</tbody>
  </table></div>`;
}

const row = (call: CallLine): Html => html`<tr id="call-${call.callId}">
  <td><a href="${url(`/dashboard/calls/${segment(call.callId)}`)}">${time(call.createdMs)}</a></td>
  <td class="cut">${name(call.model)}</td>
  <td class="cut wide"><span class="pair">${target(call.provider, call.upstreamModel)}</span></td>
  <td class="cut wide">${name(call.caller, 28)}</td>
  <td>${statusChip(call.status)}</td>
  <td class="num wide">${count(call.inputTokens)}</td>
  <td class="num wide">${count(call.outputTokens)}</td>
  <td class="num">${money(spentNano(call))}</td>
  <td class="num wide">${duration(call.durationMs)}</td>
</tr>`;

/** `provider / model of the provider`. */
export function target(provider: string | null, upstreamModel: string | null): Html {
  if (provider === null) return name(null);
  return html`${name(provider, 24)}<span class="slash">/</span>${name(upstreamModel)}`;
}
