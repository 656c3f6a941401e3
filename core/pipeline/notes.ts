import type { Usage } from "../chat/usage.ts";
import type { Rating } from "../plugin/plugin.ts";
import type { CallNotes } from "../storage/database.ts";
import type { Admitted } from "./admit.ts";
import type { Call } from "./call.ts";
import type { Services } from "./services.ts";
import type { Outcome } from "./settle.ts";
import { whyOf } from "./why.ts";

/** What a call came to, as its record has it. */
export type Rated = Pick<Rating, "costNano" | "chargeNano" | "lines" | "terms"> & {
  readonly priceVersion: string | null;
};

/** What a record says beside its columns: what another rating of the call needs, and what explains it. */
export function notesOf(
  call: Call,
  outcome: Outcome,
  admitted: Admitted,
  usage: Usage | null,
  rating: Rated | "unpriced",
  { logger }: Pick<Services, "logger">,
): CallNotes {
  const { warnings, shadow } = call;
  const { error, metered } = outcome;
  // One part after the other, without objects that are only copied into it: it is on the path of every call.
  const notes: { -readonly [Field in keyof CallNotes]: CallNotes[Field] } = {};
  if (warnings.length > 0) notes.warnings = warnings;
  if (error) notes.error = error.message;
  if (metered.usage?.anomalous) notes.anomalous = true;
  if (rating !== "unpriced") {
    if (admitted.heldNano > 0 && rating.chargeNano > admitted.heldNano) notes.overHold = true;
    if (usage && rating.lines.length > 0) notes.lines = rating.lines;
    if (rating.terms) notes.terms = rating.terms;
  }
  if (usage) {
    const tier = metered.usage?.serviceTier;
    if (tier !== undefined && (!standardTiers.has(tier) || mayGoBy(rating))) notes.serviceTier = tier;
    const counts = countsOf(usage);
    if (counts) notes.counts = counts;
  }
  if (shadow) {
    notes.shadowOf = shadow.callId;
    if (shadow.isFree) notes.isFree = true;
  }
  try {
    notes.why = whyOf(call, admitted);
  } catch (cause) {
    // Some of it is of a plugin's making, and must not cost the record.
    logger.error({ callId: call.id, error: cause }, "what explains a call could not be put together");
  }
  return notes;
}

/** What a rating needs beside the columns of a call, so that it can be repeated; `null`: nothing. */
function countsOf(usage: Usage): NonNullable<CallNotes["counts"]> | null {
  const { inputAudioTokens, cacheReadAudioTokens, outputAudioTokens } = usage;
  const { inputImageTokens = 0, outputImageTokens = 0, webSearches = 0 } = usage;
  const { fileSearches, images, seconds, characters } = usage;
  const tokens = inputAudioTokens + cacheReadAudioTokens + outputAudioTokens + inputImageTokens + outputImageTokens;
  const sum = tokens + webSearches + (fileSearches ?? 0) + (images ?? 0) + (seconds ?? 0) + (characters ?? 0);
  if (sum === 0) return null;
  return {
    inputAudioTokens,
    cacheReadAudioTokens,
    outputAudioTokens,
    inputImageTokens,
    outputImageTokens,
    webSearches,
    ...(fileSearches !== undefined && { fileSearches }),
    ...(images !== undefined && { images }),
    ...(seconds !== undefined && { seconds }),
    ...(characters !== undefined && { characters }),
  };
}

/** What vendors call the tier that hardly anybody prices apart: left out, because it stands in nearly every answer. */
const standardTiers: ReadonlySet<string> = new Set(["default", "standard", "auto", "on_demand", "ON_DEMAND"]);

/** Whether another rating needs the tier: this one went by its own prices, or none is known yet. */
const mayGoBy = (rating: Rated | "unpriced"): boolean =>
  rating === "unpriced" || rating.lines.some(({ tier }) => tier !== undefined);
