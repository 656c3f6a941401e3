import { withoutCards, withoutIbans } from "./numbers.ts";

/** Takes out of a text what must not be stored; every place it was leaves a mark that names the rule. */
export type Redactor = (text: string, counts: RedactionCounts) => string;
/** By the name of a rule, how often it was found. */
export type RedactionCounts = Map<string, number>;

/** A pattern of the operator's own, matched in time in proportion to the text. */
export interface OwnPattern {
  readonly name: string;
  /** `text` with each match replaced by what `mark` returns. */
  replace(text: string, mark: () => string): string;
}

/** The operator's patterns first: what our own rules cut out could be a part of what they look for. */
export function redactorOf(patterns: readonly OwnPattern[]): Redactor {
  return (text, counts) => {
    let shown = text;
    const marked = (name: string) => () => {
      counts.set(name, (counts.get(name) ?? 0) + 1);
      return `[redacted: ${name}]`;
    };
    for (const { name, replace } of patterns) shown = replace(shown, marked(name));
    const hasAt = shown.includes("@");
    if (shown.length < shortest && !hasAt) return shown;
    for (const [name, hint, expression] of rules)
      if (hint === null || shown.includes(hint)) shown = shown.replace(expression, marked(name));
    if (hasAt) shown = withoutEmails(shown, marked("email"));
    shown = withoutCards(shown, marked("card"));
    return withoutIbans(shown, marked("iban"));
  };
}

/**
 * Where a word may begin, also behind an escape of JSON that is itself inside a text: `\nsk-…`. Each expression below is
 * bounded wherever it could begin at many places of one run, so that no text makes it slow.
 */
const start = String.raw`(?:(?<![A-Za-z0-9])|(?<=\\[bfnrt])|(?<=\\u[0-9A-Fa-f]{4}))`;
const tokenStart = String.raw`(?:(?<![A-Za-z0-9_-])|(?<=\\[bfnrt])|(?<=\\u[0-9A-Fa-f]{4}))`;

/** What providers and the services around them put before their secrets. */
const prefixes =
  "(?:sk|rk|pk|csk|gsk|xai|pplx|nvapi|hf|r8|fw|tgp|npm|ghp|gho|ghu|ghs|ghr|github_pat|glpat|xox[abeoprs]|whsec|rpa|esecret)[-_]";

/** Nothing below is shorter, but what has an `@` in it. */
const shortest = 13;

/** `hint`: without it there is nothing to be found, and looking for a text is much faster than for an expression. */
const rules: readonly (readonly [name: string, hint: string | null, expression: RegExp])[] = [
  ["key", "sk-llmp-", /sk-llmp-[0-9A-Za-z]{12}-[0-9A-Za-z]{8,}/g],
  [
    "private-key",
    "-----BEGIN ",
    /-----BEGIN [A-Z ]{0,30}PRIVATE KEY-----[^-]{0,20000}(?:-----END [A-Z ]{0,30}PRIVATE KEY-----)?/g,
  ],
  ["jwt", "eyJ", new RegExp(String.raw`${tokenStart}eyJ[\w-]{8,}\.[\w-]*\.[\w-]*(?:\.[\w-]*){0,2}`, "g")],
  // A digit or a capital tells a secret from words with hyphens, such as `sk-learn-pipelines-and-more`.
  ["secret", null, new RegExp(`${start}${prefixes}(?=[a-z_-]{0,200}[0-9A-Z])[\\w-]{16,}`, "g")],
  ["secret", null, new RegExp(`${start}(?:AIza[\\w-]{35}|(?:AKIA|ASIA)[0-9A-Z]{16}(?![0-9A-Za-z]))`, "g")],
  [
    "bearer",
    null,
    new RegExp(
      String.raw`${start}(?:bearer|basic)\s{1,8}(?:(?=[A-Za-z._~+/-]{0,100}[0-9])[\w.~+/-]{12,}|[\w.~+/-]{24,})={0,2}`,
      "gi",
    ),
  ],
  ["password", "://", /(?<=[a-z][a-z0-9+.-]{1,20}:\/\/[^\s/:@"']{0,100}:)[^\s/@"']{1,200}(?=@)/gi],
];

/** https://datatracker.ietf.org/doc/html/rfc5321#section-4.5.3.1: the longest local part and domain. */
const maxLocal = 64;
const domain = /@(?:[\p{L}\p{N}-]{1,63}\.){1,8}\p{L}[\p{L}\p{N}-]{1,62}/gu;
const localCharacter = /[\p{L}\p{N}\p{M}._%+-]/u;

/** From each `@` to both sides: only texts with an `@` cost anything. */
function withoutEmails(text: string, mark: () => string): string {
  let shown = "";
  let from = 0;
  for (const match of text.matchAll(domain)) {
    let begin = match.index;
    const least = Math.max(from, begin - maxLocal);
    while (begin > least && localCharacter.test(text[begin - 1] ?? "")) begin -= 1;
    if (begin === match.index) continue;
    shown += text.slice(from, begin) + mark();
    from = match.index + match[0].length;
  }
  return from === 0 ? text : shown + text.slice(from);
}
