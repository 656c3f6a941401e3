/**
 * Whether `text` is what `pattern` means: `*` stands for any run of characters, also an empty one, and everything else for
 * itself. Goes back to the last `*` at most, so the time is bounded by the product of the lengths, whatever the pattern.
 */
export function meansText(pattern: string, text: string): boolean {
  let at = 0;
  let from = 0;
  let star = -1;
  let resume = 0;
  while (at < text.length) {
    const wanted = pattern.charAt(from);
    if (wanted === "*") {
      star = from++;
      resume = at;
    } else if (wanted !== "" && wanted === text.charAt(at)) {
      from++;
      at++;
    } else if (star >= 0) {
      from = star + 1;
      at = ++resume;
    } else return false;
  }
  while (pattern.charAt(from) === "*") from++;
  return from === pattern.length;
}
