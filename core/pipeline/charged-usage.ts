import { noUsage, type ReportedUsage, type Usage } from "../chat/usage.ts";
import type { UsageSource } from "../storage/database.ts";
import type { Admitted } from "./admit.ts";
import { isUnbilled } from "./bill.ts";
import type { Call } from "./call.ts";
import { expectedInput, expectedOutput } from "./estimate.ts";
import type { Ratios } from "./ratios.ts";
import type { Services } from "./services.ts";
import type { Outcome } from "./settle.ts";
import { counted, unitsUntold } from "./told-usage.ts";

/**
 * What is charged for: the provider's word when there is one, an explicit 0 included. Without it, a call that failed
 * upstream used nothing; one that was served, in part or whole, or that we cut is estimated, never above the hold. Of a
 * provider that tells its input first (Anthropic's `message_start`), that is its word: with what it told of the output if
 * it then failed, with an estimate of the output, and marked so, if it was cut. Of a report whose input could not be read
 * the input is estimated.
 */
export function usedBy(
  call: Call,
  { status, metered, drained, target }: Outcome,
  admitted: Admitted,
  finishedMs: number,
  { ratios, billing }: Pick<Services, "ratios" | "billing">,
): { readonly usage: Usage | null; readonly source: UsageSource } {
  if (isUnbilled(call.endpoint.operation)) return { usage: null, source: "none" };
  // Of who served it: at admission the first target of the route was asked about.
  const ratio = ratios.of(target);
  if (metered.usage && isCredible(metered.usage)) {
    const usage = counted(metered.usage.usage, call, target, billing, finishedMs);
    if (lacksInput(metered.usage))
      return { usage: { ...usage, inputTokens: likelyInput(call, admitted, ratio) }, source: "estimated" };
    return { usage, source: drained ? "drained" : "provider" };
  }
  const tellsOpening = metered.begun && isCredible(metered.begun) && !lacksInput(metered.begun);
  const opening = tellsOpening ? metered.begun.usage : null;
  const begun = opening && counted(opening, call, target, billing, finishedMs);
  const failed = status === "upstream_error" && call.stopped === null;
  if (failed && begun) return { usage: begun, source: "provider" };
  const isCut = call.stopped !== null && call.isSent;
  const served = status === "ok" || metered.complete || metered.contentBytes > 0 || isCut;
  if (failed || call.attempts.length === 0 || !served) return { usage: null, source: "none" };
  const outputTokens = Math.min(
    expectedOutput(metered.contentBytes, ratio.output),
    admitted.outputBoundTokens ?? Number.POSITIVE_INFINITY,
  );
  if (begun) {
    const usage = { ...begun, outputTokens: Math.max(begun.outputTokens, outputTokens) };
    return { usage, source: "estimated" };
  }
  return {
    usage: {
      ...noUsage,
      inputTokens: likelyInput(call, admitted, ratio),
      outputTokens,
      ...unitsUntold(call, target, billing, finishedMs),
    },
    source: "estimated",
  };
}

const likelyInput = ({ envelope }: Call, admitted: Admitted, ratio: ReturnType<Ratios["of"]>): number =>
  envelope ? expectedInput(envelope.input, ratio.input, admitted.inputBoundTokens) : admitted.expectedInputTokens;

/** No call uses this many tokens: such a report says nothing, and charging for it would only overflow. */
const maxCredibleTokens = 1_000_000_000;
/** A 0 that was said counts; one that stands for what could not be read does not make a call free. */
const isCredible = ({ usage, anomalous }: ReportedUsage): boolean => {
  const { inputTokens, outputTokens, images = 0, seconds = 0, characters = 0 } = usage;
  const sum = inputTokens + outputTokens + images + seconds + characters;
  return Math.max(inputTokens, outputTokens) <= maxCredibleTokens && !(anomalous && sum === 0);
};

/** Nothing is written without having read something: its count was missing, or could not be read. */
const lacksInput = ({ usage, anomalous }: ReportedUsage): boolean =>
  anomalous && usage.inputTokens === 0 && usage.outputTokens > 0;
