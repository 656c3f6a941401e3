import { GatewayError, type RatingLine, type Usage } from "llm-proxy/plugin";
import { scale, type Terms } from "./charges.ts";
import { type Decimal, decimals, divideRoundingUp } from "./decimal.ts";
import {
  type Dearest,
  inputClasses,
  type Item,
  outputClasses,
  type Piece,
  type Price,
  priceAt,
  type PriceSheet,
} from "./price-sheet.ts";
import { splitTokens } from "./token-split.ts";

export interface Cost {
  /** Nano-USD, rounded up once from the exact sum. */
  readonly costNano: number;
  /** By the terms, or the cost; rounded up once as well, from the exact sum. */
  readonly chargeNano: number;
  readonly lines: readonly RatingLine[];
}

/** What was used, at the tier that the whole input falls in. `null`: a class that was used has no price. */
export function costOf(
  usage: Usage,
  sheet: PriceSheet,
  tier: string | null = null,
  terms: Terms | null = null,
): Cost | null {
  const tokens = splitTokens(usage, sheet.reasoningApart);
  const sum = new Sum(tier);
  for (const item of classes) {
    const quantity = tokens[item];
    if (!(quantity > 0)) continue;
    const tariff = sheet.tariffs[item];
    if (tariff === null) return null;
    sum.add(item, quantity, priceAt(tariff, usage.inputTokens));
  }
  // Those without a price cost nothing: vendors count searches and images that they bill in tokens.
  for (const [item, tariff] of sheet.pieces) {
    const quantity = countOf(item, usage);
    if (quantity > 0) sum.add(item, quantity, priceAt(tariff, usage.inputTokens));
  }
  return sum.cost(terms);
}

function countOf(item: Piece, { webSearches, fileSearches, images, seconds, characters }: Usage): number {
  if (item === "request") return 1;
  if (item === "webSearch") return webSearches ?? 0;
  if (item === "fileSearch") return fileSearches ?? 0;
  return (item === "image" ? images : item === "second" ? seconds : characters) ?? 0;
}

/**
 * The most that a call within these totals can cost, however its tokens split. `null`: a side that is used has no price.
 * Without lines, as it is asked several times a call; `dearestLines` has them.
 */
export function dearestCostOf(
  { inputTokens, outputTokens, webSearches = 0, fileSearches = 0 }: Usage,
  dearest: Dearest,
  terms: Terms | null = null,
  shortCache = false,
): Cost | null {
  const { output, webSearch, fileSearch, fixedTotal } = dearest;
  const input = shortCache ? dearest.shortInput : dearest.input;
  if ((inputTokens > 0 && input === null) || (outputTokens > 0 && output === null)) return null;
  const nano =
    (input ? inputTokens * input.nano : 0) +
    (output ? outputTokens * output.nano : 0) +
    fixedTotal.nano +
    (webSearches > 0 ? webSearches * (webSearch?.nano ?? 0) : 0) +
    (fileSearches > 0 ? fileSearches * (fileSearch?.nano ?? 0) : 0);
  if (terms === null && Number.isSafeInteger(nano)) return priced(wholeNano(nano), noLines);
  const total =
    BigInt(inputTokens) * (input?.value ?? 0n) +
    BigInt(outputTokens) * (output?.value ?? 0n) +
    fixedTotal.value +
    BigInt(webSearches) * (webSearch?.value ?? 0n) +
    BigInt(fileSearches) * (fileSearch?.value ?? 0n);
  return charged(total, terms, noLines);
}

export function dearestLines(
  { inputTokens, outputTokens, webSearches = 0, fileSearches = 0 }: Usage,
  { output, webSearch, fileSearch, fixed, ...dearest }: Dearest,
  shortCache = false,
): readonly RatingLine[] {
  const input = shortCache ? dearest.shortInput : dearest.input;
  const charges = [
    { item: "input", quantity: inputTokens, price: input },
    { item: "output", quantity: outputTokens, price: output },
    ...fixed,
    { item: "webSearch", quantity: webSearches, price: webSearch },
    { item: "fileSearch", quantity: fileSearches, price: fileSearch },
  ];
  return charges.flatMap(({ item, quantity, price }) =>
    price === null || quantity === 0 ? [] : [{ item, quantity, price: price.text }],
  );
}

const classes = [...inputClasses, ...outputClasses] as const;
const noLines: readonly RatingLine[] = [];

/** So much of each item at one price. One object, because every call is rated several times. */
class Sum {
  readonly #tier: string | null;
  readonly #lines: RatingLine[] = [];
  /** Of the lines. */
  readonly #prices: Price[] = [];
  /** In nano-USD times the million tokens that a price buys. */
  #nano = 0;

  constructor(tier: string | null) {
    this.#tier = tier;
  }

  add(item: Item, quantity: number, price: Price): void {
    const tier = this.#tier;
    this.#nano += quantity * price.nano;
    this.#lines.push(
      tier === null ? { item, quantity, price: price.text } : { item, quantity, price: price.text, tier },
    );
    this.#prices.push(price);
  }

  cost(terms: Terms | null): Cost {
    const lines = this.#lines;
    // No part is negative, so a sum that is exact has only exact parts.
    if (terms === null && Number.isSafeInteger(this.#nano)) return priced(wholeNano(this.#nano), lines);
    // The fee is that of a call that used something.
    if (lines.length === 0) return priced(0, lines);
    let total: Decimal = 0n;
    this.#prices.forEach(({ value }, at) => (total += BigInt(lines[at]?.quantity ?? 0) * value));
    return charged(total, terms, lines);
  }
}

const priced = (costNano: number, lines: readonly RatingLine[]): Cost => ({ costNano, chargeNano: costNano, lines });

function charged(total: Decimal, terms: Terms | null, lines: readonly RatingLine[]): Cost {
  const costNano = exactNano(total, perNano);
  if (terms === null) return priced(costNano, lines);
  // A fee is USD for one call where the total is USD per million.
  return {
    costNano,
    chargeNano: exactNano(total * terms.times + terms.fee * 1_000_000n * scale, perNano * scale),
    lines,
  };
}

const million = 1_000_000;

/** By the remainder, because a quotient of this size is not exact to a millionth. */
function wholeNano(total: number): number {
  const rest = total % million;
  return (total - rest) / million + (rest > 0 ? 1 : 0);
}

/** A price of 1 is 10^`decimals` and buys a million; 1 USD is 10^9 nano-USD. */
const perNano = 10n ** BigInt(decimals + 6 - 9);

function exactNano(total: bigint, divisor: bigint): number {
  const nano = divideRoundingUp(total, divisor);
  if (nano > BigInt(Number.MAX_SAFE_INTEGER))
    throw new GatewayError("internal", "The cost of this call is too large to be recorded.");
  return Number(nano);
}
