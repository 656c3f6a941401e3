import { setImmediate as nextTurn } from "node:timers/promises";
import type { Config } from "./config.ts";
import type { Finding } from "./aliases.ts";
import { reasonOf } from "./problem.ts";

/** A pattern of the operator's, ready for texts from strangers. */
export interface CompiledPattern {
  readonly name: string;
  /** `text` with each match replaced by what `mark` returns. */
  replace(text: string, mark: () => string): string;
}

type Written = Config["server"]["content"]["redact"];

/**
 * Compiled by RE2's rules (https://github.com/google/re2/wiki/Syntax): no look-around and no back-references, and so no
 * text on which one takes longer than in proportion. Throws for one that is none.
 */
export async function compiledPatterns(written: Written): Promise<readonly CompiledPattern[]> {
  if (written.length === 0) return [];
  // Loaded only for who has patterns: it is large.
  const { RE2JS } = await import("re2js");
  return written.map(({ name, pattern }) => {
    const compiled = RE2JS.compile(pattern);
    return {
      name,
      replace(text, mark) {
        const matcher = compiled.matcher(text);
        let shown = "";
        let from = 0;
        while (matcher.find()) {
          const end = matcher.end();
          if (end === matcher.start()) continue;
          shown += text.slice(from, matcher.start()) + mark();
          from = end;
        }
        return from === 0 ? text : shown + text.slice(from);
      },
    };
  });
}

/** In proportion to the text may still be slow: each pattern must get through 50,000 units of any text within 50 ms. */
export async function checkPatterns({ server }: Config): Promise<Finding[]> {
  const findings: Finding[] = [];
  for (const [index, entry] of server.content.redact.entries()) {
    const path = ["server", "content", "redact", index, "pattern"];
    try {
      const [compiled] = await compiledPatterns([entry]);
      const trouble = compiled && (await troubleOf(compiled, entry.pattern));
      if (trouble) findings.push({ path, message: trouble });
    } catch (error) {
      findings.push({ path, message: `not a pattern by RE2's rules: ${reasonOf(error)}` });
    }
  }
  return findings;
}

/** Of processor time, which is the same whatever else the machine does. */
const maxPatternMs = 50;
const textUnits = 50_000;
/** The first ones also compile. */
const tries = 4;

async function troubleOf({ replace }: CompiledPattern, pattern: string): Promise<string | null> {
  for (const text of textsAgainst(pattern)) {
    // A reload checks them too, while calls are served.
    await nextTurn();
    let fastestMs = Number.POSITIVE_INFINITY;
    for (let at = 0; at < tries && fastestMs > maxPatternMs; at++) {
      const before = process.cpuUsage();
      replace(text, () => "");
      const { user, system } = process.cpuUsage(before);
      fastestMs = Math.min(fastestMs, (user + system) / 1_000);
    }
    if (fastestMs > maxPatternMs)
      return `too slow: ${Math.round(fastestMs)} ms for ${textUnits.toLocaleString("en-US")} characters, and at most ${maxPatternMs} are allowed`;
  }
  return null;
}

/** Rows of what the pattern is about, which never come to what it looks for at the end. */
function textsAgainst(pattern: string): readonly string[] {
  const literals = pattern.replace(/\\[a-zA-Z]|\{[^}]*\}|[\\()[\]{}|*+?^$]/g, "");
  const letters = [...new Set(literals)].slice(0, 6);
  const pieces = [...letters, literals, "a", "1", " ", "aA1 -", "a.b@c-d/", "the quick brown fox, 12345 lazy dogs. "];
  return [...new Set(pieces)]
    .filter((piece) => piece !== "")
    .map((piece) => `${piece.repeat(Math.ceil(textUnits / piece.length)).slice(0, textUnits - 1)}\u0001`);
}
