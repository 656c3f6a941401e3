/**
 * What one call used: tokens, and what is billed by other units. Every field is an integer ≥ 0; an absent one is 0.
 * A part is always contained in its total, whatever the vendor reports, so totals are never the sum of all fields.
 */
export interface Usage {
  /** All input, cache reads and writes, audio and images included. */
  readonly inputTokens: number;
  /** All output, reasoning and audio included. */
  readonly outputTokens: number;
  /** Part of the input that was served from the provider's prompt cache. */
  readonly cacheReadTokens: number;
  /** Part of the input that was written to the prompt cache, whatever its lifetime. */
  readonly cacheWriteTokens: number;
  /** Part of `cacheWriteTokens` with a lifetime of one hour, which some vendors price apart. */
  readonly cacheWrite1hTokens: number;
  /** Part of the output that the model spent on reasoning. */
  readonly reasoningTokens: number;
  readonly inputAudioTokens: number;
  readonly cacheReadAudioTokens: number;
  readonly outputAudioTokens: number;
  /** Part of the input that was images, where the vendor tells. */
  readonly inputImageTokens?: number;
  readonly outputImageTokens?: number;
  /** Searches of the web that the provider ran for the call and bills by the piece; no tokens. */
  readonly webSearches?: number;
  /** Searches of files that the provider keeps, billed like those of the web. */
  readonly fileSearches?: number;
  /** Images that the call made, where they are billed by the piece. */
  readonly images?: number;
  /** Of audio or video that was heard or made, where it is billed by its length; a second that has begun is a whole one. */
  readonly seconds?: number;
  /** Of text that was read aloud, say, where it is billed by its characters. */
  readonly characters?: number;
}

/** One for all calls, so nobody can write into it. */
export const noUsage: Usage = Object.freeze({
  inputTokens: 0,
  outputTokens: 0,
  cacheReadTokens: 0,
  cacheWriteTokens: 0,
  cacheWrite1hTokens: 0,
  reasoningTokens: 0,
  inputAudioTokens: 0,
  cacheReadAudioTokens: 0,
  outputAudioTokens: 0,
});

/** Usage as a provider reported it. */
export interface ReportedUsage {
  readonly usage: Usage;
  /** A number was negative, not an integer, not a number at all, or a part was above its total; it was corrected here. */
  readonly anomalous: boolean;
  /** Where the vendor says which tier served the call, e.g. `priority`, `flex`. */
  readonly serviceTier?: string;
}
