import type { ConfigSource } from "./config.ts";
import { interpolate, type Sources } from "./interpolate.ts";
import { dotted, type Path, pointer, type Position } from "./problem.ts";

export type Places = ReadonlyMap<string, { readonly key: Position; readonly value: Position }>;

/** What `${…}` became: the whole value with each reference filled in. */
export interface FilledValue {
  readonly value: unknown;
  /** JSON pointers of the texts that changed. */
  readonly filled: ReadonlySet<string>;
  /** Every value that came from outside. */
  readonly secrets: ReadonlySet<string>;
  readonly problems: readonly { readonly path: Path; readonly message: string }[];
}

export function fillReferences(value: unknown, sources: Sources): FilledValue {
  const filled = new Set<string>();
  const secrets = new Set<string>();
  const problems: { path: Path; message: string }[] = [];

  const visit = (node: unknown, path: Path): unknown => {
    if (Array.isArray(node)) return node.map((item, index) => visit(item, [...path, index]));
    if (typeof node === "object" && node !== null)
      return Object.fromEntries(Object.entries(node).map(([key, item]) => [key, visit(item, [...path, key])]));
    if (typeof node !== "string") return node;
    const result = interpolate(node, sources);
    if (result === null) return node;
    filled.add(pointer(path));
    if ("problem" in result) {
      problems.push({ path, message: result.problem });
      // Not the reference itself: a plugin must never see it as its option.
      return "";
    }
    for (const part of result.parts) secrets.add(part);
    return result.value;
  };

  return { value: visit(value, []), filled, secrets, problems };
}

export function configSource(
  file: string,
  places: Places,
  filled: ReadonlySet<string>,
  secrets: ReadonlySet<string>,
): ConfigSource {
  const locate = (path: Path, at: "key" | "value" = "value"): Position | null => {
    for (let length = path.length; length > 0; length--) {
      const place = places.get(pointer(path.slice(0, length)));
      // Of a place above, the key: the value begins at its first child, which is not the one at fault.
      if (place !== undefined) return length === path.length ? place[at] : place.key;
    }
    return null;
  };
  // Longest first, so that a secret that contains another is covered whole. Short ones (`1`, `eu`) would cover words.
  const covered = [...secrets].filter((secret) => secret.length >= 6).sort((left, right) => right.length - left.length);
  const mask = (text: string): string => covered.reduce((masked, secret) => masked.replaceAll(secret, "***"), text);
  return {
    locate,
    mask,
    wasFilled: (at) => filled.has(at),
    problem: (path, message, at) => ({ file, position: locate(path, at), path: dotted(path), message: mask(message) }),
  };
}
