import { describe, expect, test } from "bun:test";
import { compiledPatterns } from "../../core/config/patterns.ts";
import { readConfig } from "../../core/config/read.ts";
import { cpuMsOf } from "../support/cpu.ts";

/** The operator's own patterns: what is refused at load, and what those that are not cost (battery 130). */

const configOf = (pattern: string) =>
  readConfig({
    path: "c.yaml",
    text: `server:\n  content:\n    redact:\n      - { name: mine, pattern: ${JSON.stringify(pattern)} }\n`,
    env: {},
  });
const troubleOf = (pattern: string): Promise<string | null> =>
  configOf(pattern).then(
    () => null,
    (error: unknown) => String(error),
  );

describe("a pattern", () => {
  test.each([
    ["(a", "missing closing )"],
    ["(?<=x)y", "RE2"],
    ["(a)\\1", "RE2"],
    ["a{2000}", "RE2"],
    ["(?:a?){50}a{50}", "too slow"],
    ["(.*a){40}b", "too slow"],
    ["((a{0,30}){0,30})b", "too slow"],
  ])("%p is refused, with file, line and key", async (pattern, message) => {
    const trouble = await troubleOf(pattern);
    expect(trouble).toContain(message);
    expect(trouble).toContain("c.yaml:4:");
    expect(trouble).toContain("server.content.redact[0].pattern");
  });

  test.each([
    "EMP-[0-9]{6}",
    "\\b[A-Z]{2}\\d{6}[A-Z]?\\b",
    "(?i)project\\s+(?:apollo|zeus)",
    "[a-z]+@intern\\.example",
  ])("%p is taken", async (pattern) => expect(await troubleOf(pattern)).toBeNull());

  const letters = 50_000;
  const texts = ["a", "a ", "ab", "aA1", " ", "é", "x@", "\\n", "0"].map(
    (piece) => `${piece.repeat(letters / piece.length)}!`,
  );
  test.each([
    "(a+)+$",
    "(a|a)*b",
    "(a|aa)+$",
    "(x+x+)+y",
    "([a-zA-Z]+)*$",
    "^(([a-z])+.)+[A-Z]([a-z])+$",
    "(.*)(.*)(.*)x",
    "(\\w+\\s?)*$",
    ".*.*=.*",
  ])("%p, with which others hang, is refused or takes less than 50 ms for anything", async (pattern) => {
    if ((await troubleOf(pattern)) !== null) return;
    const [compiled] = await compiledPatterns([{ name: "mine", pattern }]);
    for (const text of texts) expect(cpuMsOf(() => compiled?.replace(text, () => ""))).toBeLessThan(75);
  });

  test("replaces each match, and nothing where it matches nothing", async () => {
    const [compiled] = await compiledPatterns([{ name: "mine", pattern: "[0-9]*" }]);
    expect(compiled?.replace("a12b3c😀4", () => "#")).toBe("a#b#c😀#");
    expect(compiled?.replace("", () => "#")).toBe("");
  });

  test("faults of others are told with those of patterns", async () => {
    const broken = readConfig({
      path: "c.yaml",
      text: "server:\n  content:\n    redact:\n      - { name: mine, pattern: '(' }\nmodels:\n  x: [nowhere/y]\n",
      env: {},
    });
    await expect(broken).rejects.toThrow(/models\.x/);
  });
});
