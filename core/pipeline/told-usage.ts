import type { ReportedUsage, Usage } from "../chat/usage.ts";
import { Counts } from "../dialects/counts.ts";
import type { MostUnits } from "../plugin/prices.ts";
import type { Call } from "./call.ts";
import { isUpstream } from "./credentials.ts";
import { searchBound } from "./estimate.ts";
import type { RouteTarget } from "./models.ts";
import type { Services } from "./services.ts";

/** No call uses more of them: such a report says nothing, and a charge for it could not be written. */
const credible = {
  webSearches: 1_000_000,
  fileSearches: 1_000_000,
  images: 1_000_000,
  seconds: 10_000_000,
  characters: 1_000_000_000,
};
const unreadable = Number.MAX_SAFE_INTEGER;

/**
 * What a provider of the model form said that it used, as `Usage` promises it: a plugin may be plain JavaScript, and what is
 * no number would be charged nothing. A count that cannot be read is more than any call uses; `counted` takes it from
 * there. `null`: it said nothing.
 */
export function toldUsage(reported: unknown): ReportedUsage | null {
  const { usage, anomalous, serviceTier } = fieldsOf(reported);
  const said = fieldsOf(usage);
  if (!Object.values(said).some((value) => isThere(value))) return null;
  const read = new Counts();
  const part = (name: keyof Usage, most: number) =>
    isThere(said[name]) ? read.clamp(read.count(said[name]), most) : 0;
  const inputTokens = part("inputTokens", unreadable);
  const outputTokens = part("outputTokens", unreadable);
  const cacheReadTokens = part("cacheReadTokens", inputTokens);
  const cacheWriteTokens = part("cacheWriteTokens", inputTokens - cacheReadTokens);
  const inputAudioTokens = part("inputAudioTokens", inputTokens);
  const outputAudioTokens = part("outputAudioTokens", outputTokens);
  const others: { -readonly [Field in keyof Usage]?: Usage[Field] } = {};
  if (isThere(said["inputImageTokens"]))
    others.inputImageTokens = part("inputImageTokens", inputTokens - inputAudioTokens);
  if (isThere(said["outputImageTokens"]))
    others.outputImageTokens = part("outputImageTokens", outputTokens - outputAudioTokens);
  for (const unit of units) {
    const value = said[unit];
    if (!isThere(value)) continue;
    const count = unitsIn(value);
    others[unit] = count;
    if (typeof value !== "number" || count > credible[unit]) read.anomalous = true;
  }
  return {
    usage: {
      inputTokens,
      outputTokens,
      cacheReadTokens,
      cacheWriteTokens,
      cacheWrite1hTokens: part("cacheWrite1hTokens", cacheWriteTokens),
      reasoningTokens: part("reasoningTokens", outputTokens),
      inputAudioTokens,
      cacheReadAudioTokens: part("cacheReadAudioTokens", Math.min(cacheReadTokens, inputAudioTokens)),
      outputAudioTokens,
      ...others,
    },
    anomalous: anomalous === true || read.anomalous,
    ...(typeof serviceTier === "string" && { serviceTier }),
  };
}

const units = ["webSearches", "fileSearches", "images", "seconds", "characters"] as const;

/** What has begun is a whole one. */
function unitsIn(value: unknown): number {
  const number = typeof value === "string" && /^\d{1,15}$/.test(value) ? Number(value) : value;
  return typeof number === "number" && number >= 0 ? Math.min(Math.ceil(number), unreadable) : unreadable;
}

const isThere = (value: unknown): boolean => value !== undefined && value !== null;

const fieldsOf = (value: unknown): Partial<Record<string, unknown>> =>
  typeof value === "object" && value !== null ? { ...value } : {};

/** Usage without counts that cannot be true. */
export function counted(
  usage: Usage,
  { envelope, startedMs }: Call,
  target: RouteTarget,
  billing: Services["billing"],
  finishedMs: number,
): Usage {
  if (hasCredibleUnits(usage)) return usage;
  return believed(usage, mostAt(target, billing, startedMs, finishedMs), envelope ? searchBound(envelope.input) : 0);
}

/**
 * Nobody told how many were made, and no byte that was delivered says: as many as a hold counts. A provider that is asked in
 * one of the dialects makes them with tools of its own alone.
 */
export function unitsUntold(
  { envelope, startedMs }: Pick<Call, "envelope" | "startedMs">,
  target: RouteTarget,
  billing: Services["billing"],
  finishedMs: number,
) {
  if (isUpstream(target.slot) && envelope?.input.unbounded !== true) return {};
  return unitsOf(mostAt(target, billing, startedMs, finishedMs));
}

export const unitsOf = ({ image, second, character }: MostUnits): Pick<Usage, "images" | "seconds" | "characters"> => ({
  ...(image !== undefined && { images: image }),
  ...(second !== undefined && { seconds: second }),
  ...(character !== undefined && { characters: character }),
});

/** By the price that the call is rated by. A billing plugin that fails here must not keep a hold from its end. */
function mostAt(target: RouteTarget, billing: Services["billing"], startedMs: number, finishedMs: number): MostUnits {
  try {
    const most = (atMs: number) => billing?.slot.facts?.(target, atMs)?.most;
    return most(finishedMs) ?? most(startedMs) ?? {};
  } catch {
    return {};
  }
}

const hasCredibleUnits = (usage: Usage): boolean => {
  for (const unit of units) if ((usage[unit] ?? 0) > credible[unit]) return false;
  return true;
};

/**
 * Units that no call uses are charged as many as were held: what cannot be read makes nothing free, and nothing dearer than
 * the call could be.
 */
function believed(usage: Usage, most: MostUnits, searches: number): Usage {
  const held = { webSearches: searches, fileSearches: searches, ...unitsOf(most) };
  const sound: { -readonly [Field in keyof Usage]: Usage[Field] } = { ...usage };
  for (const unit of units) if ((usage[unit] ?? 0) > credible[unit]) sound[unit] = held[unit] ?? 0;
  return sound;
}
