/** A decimal ≥ 0 as an integer: the value times 10^18. Exact under `+`, and under `*` by an integer. */
export type Decimal = bigint;

/** Digits kept after the point. A price with more is refused, never rounded. */
export const decimals = 18;
const one = 10n ** BigInt(decimals);
/** Far above any price, and short enough that a config value cannot make arithmetic slow. */
const longestText = 64;
const pattern = /^(\d+)(?:\.(\d+))?(?:e([+-]?\d{1,3}))?$/i;

/** Reads plain (`0.0375`) and exponent form (`3.75e-2`). Throws `RangeError`: not a decimal ≥ 0, or too many digits. */
export function parseDecimal(text: string): Decimal {
  const match = text.length > longestText ? null : pattern.exec(text);
  if (match === null) throw new RangeError(`"${text.slice(0, longestText)}" is not a decimal ≥ 0`);
  const [, whole = "", fraction = "", exponent = "0"] = match;
  const digits = BigInt(whole + fraction);
  const shift = decimals - fraction.length + Number(exponent);
  if (shift >= 0) return digits * 10n ** BigInt(shift);
  const divisor = 10n ** BigInt(-shift);
  if (digits % divisor !== 0n) throw new RangeError(`"${text}" has more than ${decimals} decimals`);
  return digits / divisor;
}

/** The decimal that `value` prints as: a double that was written `0.1` is 0.1, not its nearest binary fraction. */
export const decimalOf = (value: number): Decimal => parseDecimal(String(value));

/** Plain notation without trailing zeros, e.g. `0.0375`, `15`. */
export function formatDecimal(value: Decimal): string {
  const whole = value / one;
  const rest = value % one;
  if (rest === 0n) return whole.toString();
  return `${whole}.${rest.toString().padStart(decimals, "0").replace(/0+$/, "")}`;
}

/** For a dividend ≥ 0 and a divisor > 0. */
export const divideRoundingUp = (dividend: bigint, divisor: bigint): bigint => (dividend + divisor - 1n) / divisor;
