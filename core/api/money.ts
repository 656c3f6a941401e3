import { GatewayError } from "../chat/error.ts";

const maxNano = BigInt(Number.MAX_SAFE_INTEGER);
const mostUsd = `${maxNano / 1_000_000_000n}.${maxNano % 1_000_000_000n}`;

/** USD as a client writes it, a number or decimal > 0 with at most nine decimals, in nano-USD. Throws `invalid-request`. */
export function nanoOf(usd: number | string, param: string): number {
  const match = /^(\d{1,16})(?:\.(\d{1,9}))?$/.exec(typeof usd === "number" ? plainDecimal(usd) : usd);
  const bad = (why: string) => new GatewayError("invalid-request", `${param}: ${why}`, { param });
  if (!match) throw bad("expected an amount in USD above 0 with at most 9 decimals");
  const nano = BigInt(match[1] ?? "") * 1_000_000_000n + BigInt((match[2] ?? "").padEnd(9, "0"));
  if (nano <= 0n) throw bad("expected an amount above 0");
  if (nano > maxNano) throw bad(`expected at most ${mostUsd}`);
  return Number(nano);
}

/** The shortest text of a number, without an exponent: 1e-7 is "0.0000001". */
const plainDecimal = (value: number): string =>
  Number.isFinite(value) && String(value).includes("e")
    ? value.toFixed(Math.abs(value) < 1 ? 20 : 0).replace(/\.?0+$/, "")
    : String(value);
