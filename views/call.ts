import { callContentPanel } from "./call-content.ts";
import { callPanels } from "./call-panels.ts";
import { type ExplainModel, explainPanels } from "./explain.ts";
import { costIsHidden, count, duration, spentNano } from "./format.ts";
import { html, type Html, url } from "./html.ts";
import { statusChip } from "./status.ts";
import { money, name, time } from "./text.ts";
import { tile } from "./tile.ts";

/** All that is kept of one call. */
export interface CallModel {
  readonly callId: string;
  readonly accountId: string;
  /** Its account as it was then, and those above it. */
  readonly line: readonly { readonly id: string; readonly name: string }[];
  /** With its name; `null`: the call came without a key of ours. */
  readonly keyId: string | null;
  readonly keyName: string | null;
  readonly principal: string;
  /** That the caller came with. */
  readonly labels: Readonly<Record<string, string>> | null;
  readonly dialect: string;
  readonly operation: string;
  readonly model: string;
  readonly provider: string | null;
  readonly upstreamModel: string | null;
  readonly status: string;
  readonly source: string | null;
  readonly inputTokens: number | null;
  readonly cacheReadTokens: number | null;
  readonly cacheWriteTokens: number | null;
  readonly cacheWrite1hTokens: number | null;
  readonly outputTokens: number | null;
  readonly reasoningTokens: number | null;
  readonly costNano: number | null;
  readonly chargeNano: number | null;
  readonly heldNano: number;
  readonly priceVersion: string | null;
  readonly finishReason: string | null;
  readonly stream: boolean;
  readonly ttftMs: number | null;
  readonly durationMs: number | null;
  readonly createdMs: number;
  readonly finishedMs: number | null;
  readonly httpStatus: number | null;
  readonly errorKind: string | null;
  readonly attempts: readonly AttemptLine[];
  readonly warnings: readonly string[];
  readonly lines: readonly {
    readonly item: string;
    readonly quantity: number;
    readonly price: string;
    /** The service tier whose price it is. */
    readonly tier?: string;
  }[];
  /** How the charge came of the cost; `null`: they are equal, or the cost is not told. */
  readonly terms: {
    readonly version: string;
    readonly margin?: string;
    readonly discount?: string;
    readonly fee?: string;
  } | null;
  readonly serviceTier: string | null;
  readonly adjustments: readonly AdjustmentLine[];
  /** How often its answer was sent again for its `Idempotency-Key`. */
  readonly replays: number;
  readonly error: string | null;
  /** The call that it copies for a second target; `null`: it is a client's. */
  readonly shadowOf: string | null;
  /** The provider's usage was not credible and was corrected. */
  readonly anomalous: boolean;
  readonly why: ExplainModel | null;
  /** Something is kept, and for who looks. */
  readonly hasContent: boolean;
}
export interface AdjustmentLine {
  readonly costDeltaNano: number | null;
  readonly chargeDeltaNano: number;
  readonly priceVersion: string;
  readonly reason: string;
  readonly author: string;
  readonly createdMs: number;
}
export interface AttemptLine {
  readonly provider: string;
  readonly upstreamModel: string;
  readonly upstreamId: string | null;
  readonly status: number | null;
  readonly billed: boolean;
  /** From the start of the call; with the next, absent or `null`: not recorded. */
  readonly sentMs?: number | null;
  readonly tookMs?: number | null;
  readonly fault?: string | null;
}

export const callPage = (call: CallModel): Html => html`<p class="crumb"><a href="/dashboard/calls">Calls</a></p>
  <div class="heading"><h1>${name(call.model, 80)}</h1>${statusChip(call.status)}</div>
  <p class="subject">${time(call.createdMs)} <code class="copied">${call.callId}</code><button class="plain" data-copy hidden>Copy</button></p>
  ${call.shadowOf !== null && html`<p class="hint">A copy of <a href="${url(`/dashboard/calls/${call.shadowOf}`)}">this call</a> for a second target, which no client saw.</p>`}
  <div class="tiles">
    ${tile(costIsHidden(call) ? "Charged" : "Cost", money(spentNano(call)), call.chargeNano !== null && call.chargeNano !== spentNano(call) ? html`charged ${money(call.chargeNano)}` : null)}
    ${tile("Input tokens", html`${count(call.inputTokens)}`, call.cacheReadTokens ? html`${count(call.cacheReadTokens)} from cache` : null)}
    ${tile("Output tokens", html`${count(call.outputTokens)}`, call.reasoningTokens ? html`${count(call.reasoningTokens)} reasoning` : null)}
    ${tile("Took", html`${duration(call.durationMs)}`, call.ttftMs === null ? null : html`first byte after ${duration(call.ttftMs)}`)}
  </div>
  ${callPanels(call)}
  ${call.why !== null && explainPanels(call.why, "Why it went this way", namesIn(call))}
  ${call.hasContent && callContentPanel(call.callId)}`;

const namesIn = ({ keyId, keyName, line }: CallModel): ReadonlyMap<string, string> =>
  new Map([
    ...line.map(({ id, name: its }) => [id, its] as const),
    ...(keyId === null || keyName === null ? [] : [[keyId, keyName] as const]),
  ]);
