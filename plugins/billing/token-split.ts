import type { Usage } from "llm-proxy/plugin";
import type { TokenClass } from "./price-sheet.ts";

/**
 * Every token into exactly one class: the classes of a side add up to its total, even when a vendor reports parts that
 * are larger than the whole. The classes that tend to be dearer take their tokens first.
 */
export function splitTokens(usage: Usage, reasoningApart: boolean): Readonly<Record<TokenClass, number>> {
  const cacheWrites = within(usage.cacheWriteTokens, usage.inputTokens);
  const cacheWrite1h = within(usage.cacheWrite1hTokens, cacheWrites);
  const cacheReads = within(usage.cacheReadTokens, usage.inputTokens - cacheWrites);
  const cacheReadAudio = within(usage.cacheReadAudioTokens, cacheReads);
  const fresh = usage.inputTokens - cacheWrites - cacheReads;
  // The audio of the input counts the cached audio too.
  const inputAudio = within(usage.inputAudioTokens - cacheReadAudio, fresh);
  const inputImage = within(usage.inputImageTokens ?? 0, fresh - inputAudio);
  const outputAudio = within(usage.outputAudioTokens, usage.outputTokens);
  const outputImage = within(usage.outputImageTokens ?? 0, usage.outputTokens - outputAudio);
  const text = usage.outputTokens - outputAudio - outputImage;
  const reasoning = reasoningApart ? within(usage.reasoningTokens, text) : 0;
  return {
    input: fresh - inputAudio - inputImage,
    cacheRead: cacheReads - cacheReadAudio,
    cacheWrite: cacheWrites - cacheWrite1h,
    cacheWrite1h,
    inputAudio,
    cacheReadAudio,
    inputImage,
    output: text - reasoning,
    reasoning,
    outputAudio,
    outputImage,
  };
}

const within = (part: number, whole: number): number => Math.max(0, Math.min(part, whole));
