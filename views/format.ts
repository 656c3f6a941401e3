/** Numbers and times as text. Nothing here rounds money or counts; durations are cut, not rounded. */

/** Nano-USD: a number, and a bigint only where a sum is beyond what numbers hold exactly. */
export type Nano = number | bigint;

/** Shown where there is no value. */
export const none = "–";

/** Dollars to the cent, and the digits below it: `{ whole: "$1,234.56", fine: "789" }`. `null`: unknown or not an integer. */
export function splitUsd(nano: Nano | null): { readonly whole: string; readonly fine: string } | null {
  if (nano === null || !isWhole(nano)) return null;
  const exact = BigInt(nano);
  const size = exact < 0n ? -exact : exact;
  const decimals = (size % 1_000_000_000n).toString().padStart(9, "0");
  const whole = `${exact < 0n ? "−" : ""}$${group(size / 1_000_000_000n)}.${decimals.slice(0, 2)}`;
  return { whole, fine: decimals.slice(2).replace(/0+$/, "") };
}

/** Nano-USD as dollars, every digit kept: `$0.000123`. */
export function usd(nano: Nano | null): string {
  const parts = splitUsd(nano);
  return parts === null ? none : parts.whole + parts.fine;
}

/** `1,234,567`. */
export function count(value: number | bigint | null): string {
  if (value === null || !isWhole(value)) return none;
  const exact = BigInt(value);
  return exact < 0n ? `−${group(-exact)}` : group(exact);
}

/** `part` of `whole` in percent with one decimal, cut: `1.2 %`. */
export function share(part: number, whole: number): string {
  if (whole <= 0) return none;
  const permille = Math.floor((part * 1000) / whole);
  if (permille === 0 && part > 0) return "< 0.1 %";
  return `${Math.floor(permille / 10)}.${permille % 10} %`;
}

/** By how much `now` is more or less than `before`, in percent with one decimal, cut: `+12.3 %`, `−4.0 %`. */
export function change(now: Nano, before: Nano): string {
  if (!isWhole(now) || !isWhole(before) || (now === 0 && before === 0)) return none;
  if (before === 0) return "new";
  const more = BigInt(now) - BigInt(before);
  const of = BigInt(before);
  const permille = ((more < 0n ? -more : more) * 1000n) / (of < 0n ? -of : of);
  const sign = more === 0n ? "" : more < 0n ? "−" : "+";
  return `${sign}${group(permille / 10n)}.${permille % 10n} %`;
}

/** `843 ms`, `1.84 s`, `2 min 05 s`, `3 h 04 min`. */
export function duration(milliseconds: number | null): string {
  if (milliseconds === null || !Number.isFinite(milliseconds) || milliseconds < 0) return none;
  if (milliseconds < 1000) return `${Math.floor(milliseconds)} ms`;
  const seconds = Math.floor(milliseconds / 1000);
  if (seconds < 60) return `${seconds}.${pad(Math.floor((milliseconds % 1000) / 10))} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ${pad(seconds % 60)} s`;
  return `${Math.floor(seconds / 3600)} h ${pad(Math.floor((seconds % 3600) / 60))} min`;
}

/** `840 µs`; from 10 ms on as `duration`. */
export const took = (microseconds: number): string =>
  microseconds < 10_000 ? `${count(microseconds)} µs` : duration(microseconds / 1_000);

/** `23 Nov`, UTC. */
export function day(atMs: number): string {
  const at = new Date(atMs);
  return `${at.getUTCDate()} ${months[at.getUTCMonth()] ?? ""}`;
}

export const year = (atMs: number): string => String(new Date(atMs).getUTCFullYear());

/** `14:26`, UTC. */
export function clock(atMs: number): string {
  const at = new Date(atMs);
  return `${pad(at.getUTCHours())}:${pad(at.getUTCMinutes())}`;
}

/** Whether a time can be shown at all; `Date` ends at ±8.64e15 ms. */
export const isTime = (atMs: number): boolean => Number.isFinite(atMs) && Math.abs(atMs) <= 8.64e15;

const months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
const isWhole = (value: number | bigint): boolean => typeof value === "bigint" || Number.isInteger(value);
const pad = (value: number): string => String(value).padStart(2, "0");
const group = (value: bigint): string => value.toString().replace(/\B(?=(\d{3})+$)/g, ",");

/** What there is to say of money and whether it is all: `costNano` is what providers bill, `chargeNano` what accounts are. */
interface Spent<Charge extends Nano | null> {
  readonly costNano: Nano | null;
  readonly chargeNano: Charge;
}
/** The cost, or the charge where that is not told. */
export const spentNano = <Charge extends Nano | null>({ costNano, chargeNano }: Spent<Charge>): Nano | Charge =>
  costNano ?? chargeNano;
/** A call that has a charge has a cost: who looks is of an account, and is told none. */
export const costIsHidden = ({ costNano, chargeNano }: Spent<Nano | null>): boolean =>
  costNano === null && chargeNano !== null;
