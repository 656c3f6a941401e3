/** Markup that is safe to send as it is. Only `html` makes one, so text from outside cannot get in unescaped. */
export class Html {
  readonly value: string;

  constructor(value: string) {
    this.value = value;
  }

  toString(): string {
    return this.value;
  }
}

export type Value = Html | string | number | bigint | boolean | null | undefined | readonly Value[];

/** Escapes every value but `Html`; `null`, `undefined`, `true` and `false` are nothing. Attributes must be quoted. */
export function html(strings: TemplateStringsArray, ...values: readonly Value[]): Html {
  let markup = strings[0] ?? "";
  for (let index = 0; index < values.length; index++) markup += render(values[index]) + (strings[index + 1] ?? "");
  return new Html(markup);
}

/** A link inside this site. Refuses what would leave it or run: `javascript:`, `//host`, `/\host`. Empty values are left out. */
export function url(path: string, query: Readonly<Record<string, string | null | undefined>> = {}): string {
  if (!/^\/(?![/\\])/.test(path)) throw new TypeError("A link must be a path of this site.");
  const search = new URLSearchParams();
  for (const [key, value] of Object.entries(query)) if (value) search.set(key, value);
  return search.size === 0 ? path : `${path}?${search}`;
}

/** One segment of a path. */
export const segment = (text: string): string => encodeURIComponent(text.toWellFormed());

function render(value: Value): string {
  if (value instanceof Html) return value.value;
  if (value === null || value === undefined || typeof value === "boolean") return "";
  if (typeof value === "object") return value.map(render).join("");
  return String(value).replace(/[&<>"']/g, (character) => entities[character] ?? "");
}

const entities: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "'": "&#39;",
};
