import type { UsageSum } from "./database.ts";
import { type Nano, plusNano } from "./nano.ts";

/** From the books, where a cost is always known; people of an account are not told it. */
export interface WholeSum extends UsageSum {
  readonly costNano: Nano;
}

/** Of no call. */
export const noSums: WholeSum = {
  calls: 0,
  errors: 0,
  inputTokens: 0,
  outputTokens: 0,
  cacheReadTokens: 0,
  cacheWriteTokens: 0,
  reasoningTokens: 0,
  costNano: 0,
  chargeNano: 0,
};

export const added = (total: WholeSum, row: WholeSum): WholeSum => ({
  calls: total.calls + row.calls,
  errors: total.errors + row.errors,
  inputTokens: total.inputTokens + row.inputTokens,
  outputTokens: total.outputTokens + row.outputTokens,
  cacheReadTokens: total.cacheReadTokens + row.cacheReadTokens,
  cacheWriteTokens: total.cacheWriteTokens + row.cacheWriteTokens,
  reasoningTokens: total.reasoningTokens + row.reasoningTokens,
  costNano: plusNano(total.costNano, row.costNano),
  chargeNano: plusNano(total.chargeNano, row.chargeNano),
});
