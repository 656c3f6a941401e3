import type { CallDetail } from "../../storage/database.ts";
import type { ExplainedSettlement } from "./explanation.ts";

/** How a call that has ended was charged, and what became of its hold. */
export function settlementOf(call: CallDetail, whole: boolean): ExplainedSettlement {
  const { notes, chargeNano, heldNano, adjustments, finishedMs } = call;
  const adjustedNano = adjustments.reduce((sum, { chargeDeltaNano }) => sum + chargeDeltaNano, 0);
  const chargedNano = (chargeNano ?? 0) - adjustedNano;
  return {
    source: call.source,
    usage: call.inputTokens === null ? null : usageOf(call),
    costNano: call.costNano,
    chargeNano,
    priceVersion: call.priceVersion,
    serviceTier: notes?.serviceTier ?? null,
    lines: whole ? (notes?.lines ?? []) : null,
    terms: whole ? (notes?.terms ?? null) : null,
    givenBackNano: heldNano > 0 ? heldNano - chargedNano : null,
    overHold: notes?.overHold ?? false,
    // A charge is written with the record of its call, an adjustment with its entry: there are no others of a call.
    entries: [
      ...(chargedNano === 0
        ? []
        : [{ kind: "charge" as const, deltaNano: -chargedNano, createdMs: finishedMs ?? 0, note: null }]),
      ...adjustments.map(({ chargeDeltaNano, createdMs, reason }) => ({
        kind: "adjustment" as const,
        deltaNano: -chargeDeltaNano,
        createdMs,
        note: reason,
      })),
    ],
  };
}

const usageOf = (call: CallDetail): ExplainedSettlement["usage"] => ({
  inputTokens: call.inputTokens ?? 0,
  cacheReadTokens: call.cacheReadTokens ?? 0,
  cacheWriteTokens: call.cacheWriteTokens ?? 0,
  cacheWrite1hTokens: call.cacheWrite1hTokens ?? 0,
  outputTokens: call.outputTokens ?? 0,
  reasoningTokens: call.reasoningTokens ?? 0,
  ...call.notes?.counts,
});
