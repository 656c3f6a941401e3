import { count } from "./format.ts";
import { html, type Html } from "./html.ts";
import { scrolls } from "./scrolls.ts";
import { chip, cut, name, time } from "./text.ts";

/** How a provider does at this moment. */
export interface TrafficLine {
  /** Calls that are with it. */
  readonly open: number;
  /** Requests of these that wait for the first byte, and calls that wait for a place among them. */
  readonly waiting: number;
  readonly queued: number;
  /** Of its models that failed lately. */
  readonly breakers: readonly BreakerLine[];
}
export interface BreakerLine {
  readonly model: string;
  readonly state: "closed" | "open" | "half-open";
  readonly reason: string;
  readonly consecutiveFailures: number;
  readonly sinceMs: number;
  /** `null`: it is asked as ever. */
  readonly nextProbeMs: number | null;
}

/** The worst that is known of a provider. `lately`: attempts in the last day. */
export function trafficChip({ open, queued, breakers }: TrafficLine, lately: number): Html {
  const off = breakers.filter(({ state }) => state !== "closed").length;
  if (off > 0) return chip("bad", off === 1 ? "1 model left alone" : `${count(off)} models left alone`);
  if (queued > 0) return chip("warn", "calls queue");
  if (breakers.length > 0) return chip("warn", "failed lately");
  return open + lately > 0 ? chip("good", "well") : chip("quiet", "not used lately");
}

export const breakerChip = (state: BreakerLine["state"]): Html => {
  switch (state) {
    case "open":
      return chip("bad", "left alone");
    case "half-open":
      return chip("warn", "being tried");
    case "closed":
      return chip("warn", "failed lately");
  }
};

/** So many are shown; the API lists all. */
const mostBreakers = 50;
const rank = { open: 0, "half-open": 1, closed: 2 } as const;

export function breakerTable(breakers: readonly BreakerLine[], nowMs: number): Html {
  if (breakers.length === 0) return html`<p class="empty">None of its models failed lately.</p>`;
  const shown = breakers.toSorted((one, other) => rank[one.state] - rank[other.state]).slice(0, mostBreakers);
  return html`<div class="scroll"${scrolls("Models that failed lately")}><table class="cards">
    <thead><tr><th scope="col">Model</th><th scope="col">State</th><th scope="col">Why</th><th scope="col" class="num">In a row</th><th scope="col">Since</th><th scope="col">Tried again</th></tr></thead>
    <tbody>${shown.map(
      ({ model, state, reason, consecutiveFailures, sinceMs, nextProbeMs }) => html`<tr>
    <td>${name(model, 48)}</td>
    <td data-label="State">${breakerChip(state)}</td>
    <td data-label="Why" class="prose"><bdi>${cut(reason, 160)}</bdi></td>
    <td data-label="In a row" class="num">${count(consecutiveFailures)}</td>
    <td data-label="Since">${time(sinceMs)}</td>
    <td data-label="Tried again">${triedAgain(nextProbeMs, nowMs)}</td>
  </tr>`,
    )}</tbody>
  </table></div>${breakers.length > shown.length && html`<p class="empty">${count(breakers.length - shown.length)} more at <code>/api/providers/health</code></p>`}`;
}

function triedAgain(nextProbeMs: number | null, nowMs: number): Html | string {
  if (nextProbeMs === null) return "it is asked as ever";
  return nextProbeMs <= nowMs ? "by the next call" : time(nextProbeMs);
}
