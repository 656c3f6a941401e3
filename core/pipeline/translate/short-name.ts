import { createHash } from "node:crypto";

/**
 * A name that fits `pattern`, made of `name` alone, so that the same one comes out in every turn and on every node. What
 * is left of the name stays readable; the digest keeps two long names apart.
 */
export function shortName(name: string, pattern: RegExp, maxLength: number): string {
  const digest = createHash("sha256").update(name).digest("hex").slice(0, digestLength);
  const readable = name.replace(/[^a-zA-Z0-9_-]+/g, "_").slice(0, maxLength - digestLength - 1);
  const made = `${readable}_${digest}`;
  // Some vendors want a letter first.
  return pattern.test(made) ? made : `t_${digest}`;
}

const digestLength = 12;
