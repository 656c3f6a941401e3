/** `$0.85`: exact, with as many decimals as it needs, at least two. */
export function usdText(nano: number): string {
  const digits = String(Math.abs(nano)).padStart(10, "0");
  const decimals = digits.slice(-9).replace(/0{1,7}$/, "");
  return `${nano < 0 ? "−" : ""}$${digits.slice(0, -9)}.${decimals}`;
}
