/** A plain decimal ≥ 0 without exponent, or `null`. Text is kept digit for digit; a number is written out in full. */
export function decimalOf(value: number | string): string | null {
  const text = typeof value === "number" ? String(value) : value;
  if (/^\d+(\.\d+)?$/.test(text)) return text;
  const [, whole, fraction = "", exponent] = /^(\d+)(?:\.(\d+))?[eE]([+-]?\d{1,3})$/.exec(text) ?? [];
  if (whole === undefined) return null;
  return shift(whole + fraction, whole.length + Number(exponent));
}

/** Whether a YAML number says more digits than a double keeps, so that reading it would change it. */
export function losesDigits(value: number, source: string): boolean {
  const written = decimalOf(source.replace(/^[+-]/, "").replace(/^\./, "0.").replace(/\.$/, ""));
  const kept = decimalOf(Math.abs(value));
  return written !== null && kept !== null && trimmed(written) !== trimmed(kept);
}

/** `digits` with the point after the first `point` of them. */
function shift(digits: string, point: number): string {
  if (point <= 0) return `0.${"0".repeat(-point)}${digits}`;
  if (point >= digits.length) return digits + "0".repeat(point - digits.length);
  return `${digits.slice(0, point)}.${digits.slice(point)}`;
}

function trimmed(decimal: string): string {
  const [whole = "", fraction = ""] = decimal.split(".");
  return `${whole.replace(/^0+(?=\d)/, "")}.${fraction.replace(/0+$/, "")}`;
}
