/** Whether `pattern`, a target that may end in `*`, means `target`. */
export const meansTarget = (pattern: string, target: string): boolean =>
  pattern.endsWith("*") ? target.startsWith(pattern.slice(0, -1)) : pattern === target;

/** The exact pattern before all others, of the others the longest: of two that mean a target, the higher one holds. */
export const rankOf = (pattern: string): number => (pattern.endsWith("*") ? pattern.length : 1_000_000);
