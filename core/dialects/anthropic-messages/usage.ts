import { isJsonArray, isJsonObject, type Json, type JsonObject } from "../../chat/json.ts";
import type { ReportedUsage, Usage } from "../../chat/usage.ts";
import { Counts } from "../counts.ts";
import { sameJson } from "../extensions.ts";

/**
 * What a `usage` object says; `null` when it is no object or names no count.
 *
 * - `input_tokens` excludes what was read from and written to the cache: all input is the sum of the three.
 * - `output_tokens` includes thinking.
 * - `iterations` list the steps of one request. The totals are the sum of those of type `message` alone; advice of another
 *   model and compaction are billed besides, so they are added
 *   (https://platform.claude.com/docs/en/build-with-claude/compaction#understanding-usage).
 * - A number that cannot be true is brought into range and marked, as `Counts` does; a part is never above its total.
 */
export function decodeUsage(usage: Json | undefined): ReportedUsage | null {
  if (!isJsonObject(usage) || (usage["input_tokens"] === undefined && usage["output_tokens"] === undefined))
    return null;
  const read = new Counts();
  const all = [usage, ...besides(usage)].map((counts) => readCounts(counts, read));
  const sum = (pick: (counts: Counted) => number) =>
    read.clamp(
      all.reduce((total, counts) => total + pick(counts), 0),
      Number.MAX_SAFE_INTEGER,
    );
  const inputTokens = sum(({ fresh, read: fromCache, write }) => fresh + fromCache + write);
  // A stream whose `message_start` never came.
  if (isNothing(usage["input_tokens"]) && inputTokens === 0) read.anomalous = true;
  const outputTokens = sum(({ output }) => output);
  const cacheReadTokens = sum(({ read: fromCache }) => fromCache);
  const cacheWriteTokens = sum(({ write }) => write);
  const webSearches = read.largest(read.details(usage["server_tool_use"])["web_search_requests"]);
  const counted: Usage = {
    inputTokens,
    outputTokens,
    cacheReadTokens,
    cacheWriteTokens,
    cacheWrite1hTokens: read.clamp(
      sum(({ write1h }) => write1h),
      cacheWriteTokens,
    ),
    reasoningTokens: read.clamp(
      sum(({ thinking }) => thinking),
      outputTokens,
    ),
    inputAudioTokens: 0,
    cacheReadAudioTokens: 0,
    outputAudioTokens: 0,
    ...(webSearches > 0 && { webSearches }),
  };
  const serviceTier = tierOf(usage);
  return { usage: counted, anomalous: read.anomalous, ...(serviceTier === null ? {} : { serviceTier }) };
}

function tierOf({ service_tier: tier, speed, inference_geo: geo }: JsonObject): string | null {
  const named = typeof tier === "string" ? tier : null;
  // A tier that is priced apart is not served fast.
  return named === null || named === "standard" ? (pricedApart(speed, geo) ?? named) : named;
}

/**
 * What a request asks for, or an answer says it got, beside the tier and at prices of its own: `fast`, `us`, `fast-us`
 * (https://platform.claude.com/docs/en/build-with-claude/fast-mode,
 * https://platform.claude.com/docs/en/manage-claude/data-residency).
 */
export function pricedApart(speed: Json | undefined, geo: Json | undefined): string | null {
  // Most answers say neither, or the usual: then nothing is made.
  if (isUsual(speed) && isUsual(geo)) return null;
  const parts = [speed, geo].flatMap((part) => (typeof part === "string" && !isUsual(part) ? [part] : []));
  return parts.join("-").toLowerCase();
}

const isUsual = (said: Json | undefined): boolean => typeof said !== "string" || usualWords.has(said);
/** Models that know no geography say `not_available`. */
const usualWords: ReadonlySet<string> = new Set(["", "standard", "global", "not_available"]);

/**
 * Reports of one stream are cumulative: the later one overwrites, field by field, what it names. The totals of the cache
 * may come without the split by lifetime, which then stays as it was told.
 */
export function laterUsage(before: JsonObject, report: Json | undefined): JsonObject {
  if (!isJsonObject(report)) return before;
  const told = Object.entries(report).filter(([, value]) => value !== null && value !== undefined);
  return { ...before, ...Object.fromEntries(told) };
}

/** The usage as the vendor wrote it as long as it says the same, else written anew. */
export function encodeUsage(usage: ReportedUsage | null, raw: Json | undefined): JsonObject {
  if (usage === null) return isJsonObject(raw) ? raw : { input_tokens: 0, output_tokens: 0 };
  const isSame = isJsonObject(raw) && sameJson({ ...decodeUsage(raw)?.usage }, { ...usage.usage });
  return isSame ? raw : freshUsage(usage);
}

/** Fields in the order Anthropic sends them. */
function freshUsage({ usage, serviceTier }: ReportedUsage): JsonObject {
  const { inputTokens, outputTokens, cacheReadTokens, cacheWriteTokens, cacheWrite1hTokens, reasoningTokens } = usage;
  const { webSearches = 0 } = usage;
  return {
    input_tokens: Math.max(inputTokens - cacheReadTokens - cacheWriteTokens, 0),
    cache_creation_input_tokens: cacheWriteTokens,
    cache_read_input_tokens: cacheReadTokens,
    cache_creation: {
      ephemeral_5m_input_tokens: cacheWriteTokens - cacheWrite1hTokens,
      ephemeral_1h_input_tokens: cacheWrite1hTokens,
    },
    output_tokens: outputTokens,
    ...(webSearches > 0 ? { server_tool_use: { web_search_requests: webSearches, web_fetch_requests: 0 } } : {}),
    ...(reasoningTokens > 0 ? { output_tokens_details: { thinking_tokens: reasoningTokens } } : {}),
    service_tier: serviceTier !== undefined && tiers.has(serviceTier) ? serviceTier : "standard",
  };
}

const tiers: ReadonlySet<string> = new Set(["standard", "priority", "batch"]);

interface Counted {
  readonly fresh: number;
  readonly read: number;
  readonly write: number;
  readonly write1h: number;
  readonly output: number;
  readonly thinking: number;
}

function readCounts(usage: JsonObject, read: Counts): Counted {
  const created = read.details(usage["cache_creation"]);
  const write1h = optional(created["ephemeral_1h_input_tokens"], read);
  const split = write1h + optional(created["ephemeral_5m_input_tokens"], read);
  return {
    fresh: optional(usage["input_tokens"], read),
    read: optional(usage["cache_read_input_tokens"], read),
    // With compatible vendors the total may be missing beside the split.
    write: isNothing(usage["cache_creation_input_tokens"]) ? split : read.count(usage["cache_creation_input_tokens"]),
    write1h,
    output: optional(usage["output_tokens"], read),
    thinking: optional(read.details(usage["output_tokens_details"])["thinking_tokens"], read),
  };
}

/** The steps that the totals leave out. */
const besides = (usage: JsonObject): readonly JsonObject[] =>
  (isJsonArray(usage["iterations"]) ? usage["iterations"] : [])
    .filter(isJsonObject)
    .filter(({ type }) => type === "advisor_message" || type === "compaction");

const optional = (value: Json | undefined, read: Counts): number => (isNothing(value) ? 0 : read.count(value));
const isNothing = (value: Json | undefined): value is null | undefined => value === undefined || value === null;
