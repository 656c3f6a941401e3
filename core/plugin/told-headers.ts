/**
 * Plain texts by name, of whatever a plugin returned as headers. Not a `Headers` or a list: what is in them is not found by
 * its name, neither to be sent nor to be masked.
 */
export function areHeaders(value: unknown): boolean {
  if (typeof value !== "object" || value === null || Array.isArray(value) || value instanceof Headers) return false;
  for (const text of Object.values(value)) if (typeof text !== "string") return false;
  return true;
}
