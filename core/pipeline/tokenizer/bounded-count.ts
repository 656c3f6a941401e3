import { Buffer } from "node:buffer";

/** Tokens of a text. */
export type CountTokens = (text: string) => number;

/**
 * At least the tokens of a text, in time that grows with its length alone. Tokenizers merge bytes within one run of letters,
 * of marks or of spaces, in time that grows with the square of its length; a run that no language has is counted by its
 * bytes, which no tokens outnumber.
 */
export function boundedCount(text: string, count: CountTokens): number {
  let tokens = 0;
  let from = 0;
  for (const { 0: run, index } of text.matchAll(runs)) {
    if (run.length <= maxRun) continue;
    tokens += count(text.slice(from, index)) + Buffer.byteLength(run);
    from = index + run.length;
  }
  return tokens + count(from === 0 ? text : text.slice(from));
}

/** As the patterns of o200k_base and cl100k_base cut; digits they take by three at most. */
const runs = /[\p{L}\p{M}]+|\s+|[^\s\p{L}\p{M}\p{N}]+/gu;
/** UTF-16 units. The longest words of German and of program code are shorter. */
const maxRun = 64;
