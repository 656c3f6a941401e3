import { decimalOf } from "../config/decimal.ts";

/** A number or decimal that its schema let pass, digit for digit. */
export function decimalText(value: number | string): string {
  const text = decimalOf(value);
  if (text === null) throw new TypeError("a value passed its schema and is no decimal");
  return text;
}
