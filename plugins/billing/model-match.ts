import type { MatchLogic } from "@pydantic/genai-prices";

/** Longer names are no model's: this bounds the work of every pattern. */
export const longestModelName = 256;

/** Whether a lower-case name is meant. Clauses compare without case, as the vendors' APIs mostly do. */
export type Matcher = (name: string) => boolean;

export function matcherOf(clause: MatchLogic): Matcher {
  if ("or" in clause) return anyOf(clause.or.map(matcherOf));
  if ("and" in clause) return allOf(clause.and.map(matcherOf));
  if ("equals" in clause) return comparing(clause.equals, (name, text) => name === text);
  if ("starts_with" in clause) return comparing(clause.starts_with, (name, text) => name.startsWith(text));
  if ("ends_with" in clause) return comparing(clause.ends_with, (name, text) => name.endsWith(text));
  if ("contains" in clause) return comparing(clause.contains, (name, text) => name.includes(text));
  const pattern = new RegExp(clause.regex);
  return (name) => pattern.test(name);
}

/** The names that a clause spells out, as it spells them. */
export function namesIn(clause: MatchLogic): readonly string[] {
  if ("or" in clause) return clause.or.flatMap(namesIn);
  if ("and" in clause) return clause.and.flatMap(namesIn);
  return "equals" in clause ? [clause.equals] : [];
}

const anyOf =
  (matchers: readonly Matcher[]): Matcher =>
  (name) =>
    matchers.some((matches) => matches(name));
const allOf =
  (matchers: readonly Matcher[]): Matcher =>
  (name) =>
    matchers.every((matches) => matches(name));

function comparing(text: string, compare: (name: string, text: string) => boolean): Matcher {
  const lower = text.toLowerCase();
  return (name) => compare(name, lower);
}
