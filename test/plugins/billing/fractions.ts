import { calcPrice } from "@pydantic/genai-prices";
import type { ItemPrices, PriceRow, PriceSet, Usage } from "llm-proxy/plugin";

/*
 * A second computation of costs, which shares nothing with the product: fractions of big integers, straight from a raw
 * row of prices.
 */

interface Fraction {
  readonly over: bigint;
  readonly under: bigint;
}
/** Prices of one call: of a token, or of a piece, in USD. `null`: none. */
type UnitPrice = (item: keyof Counted) => Fraction | null;
type Counted = ReturnType<typeof counted>;

/** Nano-USD, rounded up once; `null`: something that was used has no price. */
function exactNano(used: Usage, price: UnitPrice, reasoningApart: boolean): bigint | null {
  let total: Fraction = { over: 0n, under: 1n };
  // Every key is an item.
  for (const [item, quantity] of Object.entries(counted(used, reasoningApart)) as [keyof Counted, number][]) {
    if (quantity === 0) continue;
    const unit = price(item);
    if (unit === null) {
      if (isPiece(item)) continue;
      return null;
    }
    total = {
      over: total.over * unit.under + unit.over * BigInt(quantity) * total.under,
      under: total.under * unit.under,
    };
  }
  const scaled = total.over * 1_000_000_000n;
  return scaled / total.under + (scaled % total.under === 0n ? 0n : 1n);
}

/**
 * For parts within their totals. A token that two parts claim (spoken reasoning, an image from the cache) is counted
 * once: as audio before reasoning, as cached before an image.
 */
function counted(used: Usage, reasoningApart: boolean) {
  const { outputImageTokens = 0, webSearches = 0 } = used;
  const freshAudio = used.inputAudioTokens - used.cacheReadAudioTokens;
  const fresh = used.inputTokens - used.cacheReadTokens - used.cacheWriteTokens - freshAudio;
  const freshImage = Math.min(used.inputImageTokens ?? 0, fresh);
  const written = used.outputTokens - used.outputAudioTokens - outputImageTokens;
  const reasoning = reasoningApart ? Math.min(used.reasoningTokens, written) : 0;
  const counts = {
    input: fresh - freshImage,
    cacheRead: used.cacheReadTokens - used.cacheReadAudioTokens,
    cacheReadAudio: used.cacheReadAudioTokens,
    cacheWrite: used.cacheWriteTokens - used.cacheWrite1hTokens,
    cacheWrite1h: used.cacheWrite1hTokens,
    inputAudio: freshAudio,
    inputImage: freshImage,
    output: written - reasoning,
    reasoning,
    outputAudio: used.outputAudioTokens,
    outputImage: outputImageTokens,
    request: 1,
    webSearch: webSearches,
    fileSearch: used.fileSearches ?? 0,
    image: used.images ?? 0,
    second: used.seconds ?? 0,
    character: used.characters ?? 0,
  };
  const bad = Object.entries(counts).find(([, count]) => count < 0);
  if (bad) throw new Error(`${bad[0]} is ${bad[1]} in ${JSON.stringify(used)}`);
  return counts;
}

/** From the bundled data as it is written; which row applies is the package's own choice. `null`: it knows none. */
export function bundledNano(vendor: string, model: string, used: Usage, atMs: number): bigint | null {
  const found = calcPrice({}, model, { providerId: vendor, timestamp: new Date(atMs) });
  if (found === null) return null;
  const raw = found.model_price;
  const named = (key: string, per: bigint): Fraction | null => {
    const price = raw[key];
    if (price === undefined) return null;
    if (typeof price === "number") return fraction(String(price), per);
    const tier = price.tiers.toSorted((a, b) => a.start - b.start).findLast(({ start }) => used.inputTokens > start);
    return fraction(String(tier?.price ?? price.base), per);
  };
  const million = 1_000_000n;
  const input = named("input_mtok", million);
  const output = named("output_mtok", million);
  const cacheRead = named("cache_read_mtok", million);
  const cacheWrite = named("cache_write_mtok", million) ?? input;
  const inputAudio = named("input_audio_mtok", million);
  const prices: Record<keyof Counted, Fraction | null> = {
    input,
    output,
    cacheRead: cacheRead ?? input,
    cacheReadAudio: named("cache_audio_read_mtok", million) ?? cacheRead ?? inputAudio ?? input,
    cacheWrite,
    cacheWrite1h: named("cache_write_1h_mtok", million) ?? cacheWrite,
    inputAudio: inputAudio ?? input,
    inputImage: named("input_image_mtok", million) ?? input,
    reasoning: named("output_reasoning_mtok", million) ?? output,
    outputAudio: named("output_audio_mtok", million) ?? output,
    outputImage: named("output_image_mtok", million) ?? output,
    request: named("requests_kcount", 1_000n),
    webSearch: named("web_searches_kcount", 1_000n),
    fileSearch: named("storage_searches_kcount", 1_000n),
    image: null,
    second: null,
    character: null,
  };
  return exactNano(used, (item) => prices[item], raw["output_reasoning_mtok"] !== undefined);
}

/** From a row of `prices:` as it is written. */
export function rowNano(row: PriceRow, used: Usage, tier?: string): bigint | null {
  const own = tier === undefined ? undefined : row.serviceTiers?.[tier];
  const set: PriceSet = own === undefined ? row : { ...piecesOf(row), ...own };
  const tiers = (set.contextTiers ?? []).filter(({ above }) => used.inputTokens > above);
  const named = (item: keyof ItemPrices): Fraction | null => {
    const long = tiers.toSorted((a, b) => a.above - b.above).findLast((one) => one[item] !== undefined)?.[item];
    const text = long ?? set[item];
    return text === undefined ? null : fraction(text, isPiece(item) && item !== "character" ? 1n : 1_000_000n);
  };
  const fallback: Readonly<Partial<Record<keyof Counted, readonly (keyof ItemPrices)[]>>> = {
    cacheRead: ["cacheRead", "input"],
    cacheReadAudio: ["cacheRead", "inputAudio", "input"],
    cacheWrite: ["cacheWrite", "input"],
    cacheWrite1h: ["cacheWrite1h", "cacheWrite", "input"],
    inputAudio: ["inputAudio", "input"],
    inputImage: ["inputImage", "input"],
    reasoning: ["reasoning", "output"],
    outputAudio: ["outputAudio", "output"],
    outputImage: ["outputImage", "output"],
  };
  const price = (item: keyof Counted): Fraction | null => {
    const items: readonly (keyof ItemPrices)[] = item === "cacheReadAudio" ? [] : [item];
    return (fallback[item] ?? items).map(named).find((found) => found !== null) ?? null;
  };
  return exactNano(used, price, set.reasoning !== undefined);
}

const pieces = ["request", "webSearch", "fileSearch", "image", "second", "character"] as const;
const isPiece = (item: string): boolean => pieces.some((piece) => piece === item);
const piecesOf = (row: PriceRow): Partial<ItemPrices> =>
  Object.fromEntries(pieces.flatMap((piece) => (row[piece] === undefined ? [] : [[piece, row[piece]]])));

/** A decimal, plain or with an exponent, for `per` of the item. */
function fraction(text: string, per: bigint): Fraction {
  const [digits = "", exponent = "0"] = text.toLowerCase().split("e");
  const [whole = "", decimals = ""] = digits.split(".");
  const shift = Number(exponent) - decimals.length;
  const over = BigInt(whole + decimals);
  return shift >= 0 ? { over: over * 10n ** BigInt(shift), under: per } : { over, under: per * 10n ** BigInt(-shift) };
}
