import { isJsonObject, type Json, type JsonObject } from "../chat/json.ts";

interface ReportedInput {
  readonly said: number;
  /** Read from and written to a cache. */
  readonly cached: number;
  readonly output: number;
  readonly reasoning: number;
  readonly total: number | null;
}
interface ReportedOutput {
  readonly input: number;
  readonly said: number;
  readonly reasoning: number;
  readonly total: number | null;
}

/**
 * Reads numbers a vendor wrote, and remembers whether one had to be corrected. A number that cannot be true is brought
 * into range: below 0 is 0, a fraction is rounded up, a string of digits is its number, more than 2^53 - 1 is that,
 * anything else is 0.
 */
export class Counts {
  anomalous = false;

  count(value: unknown): number {
    if (typeof value === "number" && Number.isSafeInteger(value) && value >= 0) return value;
    this.anomalous = true;
    const number = typeof value === "string" && /^\d{1,16}$/.test(value) ? Number(value) : value;
    if (typeof number !== "number" || !(number > 0)) return 0;
    return Math.min(Math.ceil(number), Number.MAX_SAFE_INTEGER);
  }

  /** Vendors give one part under several names, and 0 under those they do not mean. */
  largest(...values: (Json | undefined)[]): number {
    let most = 0;
    for (const value of values) if (value !== undefined) most = Math.max(most, this.count(value));
    return most;
  }

  /**
   * All input of an OpenAI-style report. What was cached is in what is `said`, unless the total is the sum with it, as where
   * a proxy turns Anthropic's reports into OpenAI's (https://github.com/Portkey-AI/gateway/issues/1211).
   */
  input({ said, cached, output, reasoning, total }: ReportedInput): number {
    const beyond = (total ?? 0) - said - output;
    const isBeside = cached > 0 && ((beyond === cached && cached !== reasoning) || beyond === cached + reasoning);
    return isBeside ? said + cached : said;
  }

  /**
   * All output of an OpenAI-style report. Reasoning is in what is `said`, unless it is more than that or the total is the sum
   * of all three; what the total has beyond them, only the model can have written (Gemini's thoughts, where a proxy turns
   * its reports into OpenAI's). `total` `null`: none was told.
   */
  output({ input, said, reasoning, total }: ReportedOutput): number {
    const isBeside = reasoning > said || (reasoning > 0 && total === input + said + reasoning);
    const told = isBeside ? said + reasoning : said;
    if (total !== null && total !== input + told) this.anomalous = true;
    return this.clamp(Math.max(told, (total ?? 0) - input), Number.MAX_SAFE_INTEGER);
  }

  details(value: Json | undefined): JsonObject {
    if (isJsonObject(value)) return value;
    if (value !== undefined && value !== null) this.anomalous = true;
    return noDetails;
  }

  clamp(value: number, most: number): number {
    if (value <= most) return value;
    this.anomalous = true;
    return most;
  }
}

const noDetails: JsonObject = {};
