import { GatewayError } from "../chat/error.ts";

/** Names as a form shows them, with commas between; one that holds a comma or white space stands in quotes. */
export const writtenWords = (words: readonly string[]): string =>
  words.map((word) => (/[\s,]|^"/.test(word) ? JSON.stringify(word) : word)).join(", ");

/** What stands between commas and white space, or in quotes. Throws `invalid-request` with a message for the form that begins with `label`. */
export const wordsOf = (text: string, label: string): string[] =>
  partsOf(text, wordPattern, `${label}: with commas between; one with a comma or space in quotes, as "a, b".`).map(
    ([, quoted, bare]) => textOf(quoted, bare),
  );

/** Texts by name as a form shows them: `owner=platform, note="a, b"`. */
export const writtenMetadata = (metadata: Readonly<Record<string, string>>): string =>
  Object.entries(metadata)
    .map(([field, value]) => `${field}=${/[,\p{Cc}]|^["\s]|\s$/u.test(value) ? JSON.stringify(value) : value}`)
    .join(", ");

/** Throws `invalid-request` with a message for the form. */
export function parseMetadata(text: string): Record<string, string> {
  const metadata = new Map<string, string>();
  for (const [, field = "", quoted, bare] of partsOf(text, pairPattern, pairsExpected)) {
    if (metadata.has(field)) throw new GatewayError("invalid-request", `Metadata: ${field} is there twice.`);
    metadata.set(field, textOf(quoted, bare));
  }
  return Object.fromEntries(metadata);
}

const pairsExpected =
  'Metadata: pairs as owner=platform, with commas between; a text with a comma in quotes, as note="a, b".';
/** As JSON writes it. */
const quotedText = String.raw`("(?:[^"\\\u0000-\u001f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*")`;
const wordPattern = new RegExp(String.raw`[\s,]*(?:${quotedText}|([^\s,"][^\s,]*))(?=[\s,]|$)`, "y");
const pairPattern = new RegExp(
  String.raw`[\s,]*([^\s=,"]+)\s*=\s*(?:${quotedText}\s*|((?:[^,"\s][^,]*)?))(?=,|$)`,
  "y",
);

/** Throws what is `expected` where the text is anything else. */
function partsOf(text: string, pattern: RegExp, expected: string): RegExpExecArray[] {
  const parts: RegExpExecArray[] = [];
  let at = 0;
  while (/[^\s,]/.test(text.slice(at))) {
    pattern.lastIndex = at;
    const part = pattern.exec(text);
    if (part === null) throw new GatewayError("invalid-request", expected);
    parts.push(part);
    at = pattern.lastIndex;
  }
  return parts;
}

const textOf = (quoted: string | undefined, bare = ""): string =>
  quoted === undefined ? bare.trim() : String(JSON.parse(quoted));
