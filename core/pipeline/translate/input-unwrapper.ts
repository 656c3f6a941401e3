/**
 * Takes the text out of `{"input": "…"}` as it comes, in pieces cut anywhere. What is not of that form comes out as it is,
 * from where it leaves the form: a model's slip is the client's to judge, and nothing that it wrote is lost.
 */
export class InputUnwrapper {
  #phase: "head" | "string" | "tail" | "raw" = "head";
  /** Taken in, but not understood yet: the head, or an escape that is not whole. */
  #held = "";

  /** What more of the text is known now. */
  push(piece: string): string {
    if (this.#phase === "raw") return piece;
    if (this.#phase === "tail") return "";
    this.#held += piece;
    if (this.#phase === "head") this.#phase = this.#passHead();
    if (this.#phase === "head") return "";
    return this.#phase === "raw" ? this.#release() : this.#takeString();
  }

  /** The call has ended: what is held is no wrapping. */
  end(): string {
    return this.#phase === "tail" ? "" : this.#release();
  }

  /** Steps behind the opening quote, when it has come. */
  #passHead(): "head" | "string" | "raw" {
    const [head] = /^\s*\{\s*"input"\s*:\s*"/.exec(this.#held) ?? [];
    if (head === undefined) return this.#held.length > longestHead || !mayBecomeHead.test(this.#held) ? "raw" : "head";
    this.#held = this.#held.slice(head.length);
    return "string";
  }

  /** Decodes up to the closing quote, or to an escape or half of a pair that is not whole yet. */
  #takeString(): string {
    const source = this.#held;
    let text = "";
    let from = 0;
    for (let at = 0; ;) {
      const end = nextSpecial(source, at);
      text += source.slice(from, end);
      if (end === source.length) return this.#hold("", text);
      if (source[end] === '"') {
        this.#phase = "tail";
        this.#held = "";
        return text;
      }
      const escape = /^\\(?:u[0-9a-fA-F]{4}|["\\/bfnrt])/.exec(source.slice(end, end + escapeLength))?.[0];
      if (escape === undefined) {
        const rest = source.slice(end);
        if (mayBecomeEscape.test(rest)) return this.#hold(rest, text);
        this.#phase = "raw";
        this.#held = "";
        return text + rest;
      }
      text += decodeEscape(escape);
      at = end + escape.length;
      from = at;
    }
  }

  /** Half of a surrogate pair waits for the other half: alone it would be written as a replacement character. */
  #hold(rest: string, text: string): string {
    const isHalf = /[\ud800-\udbff]$/.test(text);
    this.#held = isHalf ? `${escapedUnit(text.charCodeAt(text.length - 1))}${rest}` : rest;
    return isHalf ? text.slice(0, -1) : text;
  }

  #release(): string {
    const held = this.#held;
    this.#held = "";
    return held;
  }
}

/** White space included, of which a model could write any amount. */
const longestHead = 1_000;
const mayBecomeHead = /^\s*(?:\{\s*(?:"(?:i(?:n(?:p(?:u(?:t(?:"\s*(?::\s*)?)?)?)?)?)?)?)?)?$/;
const mayBecomeEscape = /^\\(?:u[0-9a-fA-F]{0,3})?$/;
const escapeLength = 6;

function nextSpecial(source: string, from: number): number {
  const quote = source.indexOf('"', from);
  const slash = source.indexOf("\\", from);
  return Math.min(quote < 0 ? source.length : quote, slash < 0 ? source.length : slash);
}

function decodeEscape(escape: string): string {
  const simple = simpleEscapes.get(escape[1] ?? "");
  return simple ?? String.fromCharCode(Number.parseInt(escape.slice(2), 16));
}

const escapedUnit = (unit: number): string => `\\u${unit.toString(16)}`;

const simpleEscapes: ReadonlyMap<string, string> = new Map([
  ['"', '"'],
  ["\\", "\\"],
  ["/", "/"],
  ["b", "\b"],
  ["f", "\f"],
  ["n", "\n"],
  ["r", "\r"],
  ["t", "\t"],
]);
