/*
 * What a model takes, where the protocol leaves it to the model's name. `null` where the name does not tell.
 * https://ai.google.dev/gemini-api/docs/thinking
 */

/** 2, 2.5, 3, 3.1 …; names without a number (`gemini-flash-latest`) are of the newest. */
export function generationOf(model: string): number | null {
  const number = /gemini-(\d+(?:\.\d+)?)/.exec(model)?.[1];
  if (number !== undefined) return Number(number);
  return /gemini-.*latest/.test(model) ? 3 : null;
}

/** `none` is what comes nearest to no thinking. */
export type Level = "MINIMAL" | "LOW" | "MEDIUM" | "HIGH";

/** The levels of thinking that a model of generation 3 or later knows; it cannot be told not to think at all. */
export function levelsOf(model: string): readonly Level[] {
  if (!/\bpro\b/.test(model)) return ["MINIMAL", "LOW", "MEDIUM", "HIGH"];
  return generationOf(model) === 3 ? ["LOW", "HIGH"] : ["LOW", "MEDIUM", "HIGH"];
}

/** The least (besides 0: off, where that can be) and the most tokens of thinking, before generation 3. */
export function budgetsOf(model: string): { readonly least: number; readonly most: number; readonly off: boolean } {
  if (/\bpro\b/.test(model)) return { least: 128, most: 32_768, off: false };
  if (/\blite\b/.test(model)) return { least: 512, most: 24_576, off: true };
  return { least: 1, most: 24_576, off: true };
}
