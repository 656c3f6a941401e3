/*
 * Arguments of tools pass through unread, and ids among them may be numbers that JavaScript cannot hold. Those stay as
 * they are written: as raw JSON, which `JSON.stringify` writes out again (https://github.com/tc39/proposal-json-parse-with-source).
 */

/** The value of arguments, to be written out and not to be read. Throws as `JSON.parse`. */
export function parseExact(text: string): unknown {
  if (!mayLose(text)) return JSON.parse(text);
  const value = json.parse(text, keepDigits);
  return json.isRawJSON(value) ? JSON.parse(text) : value;
}

/** A body in which what tools are given and what they return, and schemas, are exact, and all other numbers can be read. Throws as `JSON.parse`. */
export function parseBody(text: string): unknown {
  return mayLose(text) ? readable(json.parse(text, keepDigits), false) : JSON.parse(text);
}

/** Numbers of fewer digits, with exponents of at most two, are held exactly. */
export const mayLose = (text: string): boolean => /\d{16}|\d[eE][+-]?\d{3,}(?=[\s,\]}]|$)/.test(text);

function keepDigits(_: string, value: unknown, { source }: { readonly source?: string }): unknown {
  if (typeof value !== "number" || source === undefined || !mayLose(source)) return value;
  return String(value) === source ? value : json.rawJSON(source);
}

/** Under these names are arguments, results and schemas, in one protocol or another. */
const exactKeys: ReadonlySet<string> = new Set([
  "input",
  "arguments",
  "args",
  "response",
  "schema",
  "input_schema",
  "parameters",
  "parametersJsonSchema",
  "parameters_json_schema",
  "responseSchema",
  "response_schema",
  "responseJsonSchema",
  "response_json_schema",
  "_responseJsonSchema",
]);

/** `value` itself, with the raw numbers in it that are not to be exact made plain. */
function readable(value: unknown, isExact: boolean): unknown {
  if (isExact || typeof value !== "object" || value === null) return value;
  if (json.isRawJSON(value)) return Number(JSON.stringify(value));
  for (const [key, inner] of Object.entries(value)) {
    const plain = readable(inner, exactKeys.has(key));
    if (plain !== inner) Object.defineProperty(value, key, { value: plain });
  }
  return value;
}

interface JsonWithSource {
  parse(
    text: string,
    reviver: (key: string, value: unknown, context: { readonly source?: string }) => unknown,
  ): unknown;
  rawJSON(text: string): object;
  isRawJSON(value: unknown): boolean;
}
// Both runtimes have them; TypeScript's library does not yet.
const json = JSON as unknown as JsonWithSource;
