import type { Biller, Claim, RateLimiter } from "../../plugin/plugin.ts";
import { overloaded } from "../overload.ts";
import type { Services } from "../services.ts";

/** What the stages of a dry run were seen to ask for. */
export interface Seen {
  claim: Claim | null;
  /** Limiters that do not tell what they would say. */
  readonly mute: string[];
}

/**
 * The services for a call that is not made: the stages run as they are, and what they would write to only reads. Nothing
 * is held, taken, sent, counted or recorded. `inputTokens`: what counting the input is to find; `null`: it is counted, but
 * by no provider.
 */
export function readOnly(services: Services, inputTokens: number | null, seen: Seen): Services {
  const { database, rateLimit, billing, limits, overload, tokenizer } = services;
  return {
    ...services,
    database: {
      ...database,
      ledger: { ...database.ledger, admit: (admission) => database.ledger.preview(admission) },
      book: { ...database.book, countUnpriced: () => {} },
    },
    rateLimit: rateLimit.map(({ name, slot }) => ({ name, slot: previewing(name, slot, seen) })),
    limits: { ...limits, refusedBy: () => {}, spared: () => {} },
    billing: billing && { name: billing.name, slot: onlyRating(billing.slot) },
    overload: {
      ...overload,
      admitStream() {
        if (overload.streams !== null) throw overloaded();
      },
    },
    transport: () => Promise.reject(new Error("nothing is sent")),
    isDryRun: true,
    tokenizer: inputTokens === null ? tokenizer : { count: async () => inputTokens },
  };
}

function previewing(name: string, slot: RateLimiter, seen: Seen): RateLimiter {
  return {
    async acquire(claim, limits) {
      seen.claim = claim;
      if (!slot.preview) {
        seen.mute.push(name);
        return nothingHeld;
      }
      const { spared = [] } = await slot.preview(claim, limits);
      return { ...nothingHeld, spared };
    },
    ...(slot.own && { own: slot.own }),
  };
}

const nothingHeld = { settle: () => {}, release: () => {} };

/** Without `authorize`: credit that is kept elsewhere is not asked for. */
function onlyRating(slot: Biller): Biller {
  return {
    policy: slot.policy,
    rate: (...asked) => slot.rate(...asked),
    ...(slot.facts && { facts: (...asked) => slot.facts?.(...asked) ?? null }),
    ...(slot.factsAhead && { factsAhead: (...asked) => slot.factsAhead?.(...asked) ?? [] }),
  };
}
