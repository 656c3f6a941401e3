import type { GatewayError } from "../chat/error.ts";
import { noUsage, type Usage } from "../chat/usage.ts";
import type { Metered } from "../dialects/dialect.ts";
import { labelText } from "../plugin/labels.ts";
import type { Final, UsageSource } from "../storage/database.ts";
import type { Admitted } from "./admit.ts";
import type { Call } from "./call.ts";
import { usedBy } from "./charged-usage.ts";
import { leaveLists } from "./disconnect.ts";
import { closedHook } from "./hook.ts";
import { countUnpriced, isUnpriced } from "./bill.ts";
import { writesFreely } from "./limit-claim.ts";
import type { RouteTarget } from "./models.ts";
import { notesOf, type Rated } from "./notes.ts";
import { tellObservers } from "./observers.ts";
import { rateEnded } from "./rate-ended.ts";
import type { Ratios } from "./ratios.ts";
import type { Services } from "./services.ts";
import { whyRefused } from "./why.ts";

/** How a call went, as the stage that saw its end tells it. */
export interface Outcome {
  readonly status: Final["status"];
  readonly httpStatus: number;
  /** Who answered; the route's first target when nobody did. */
  readonly target: RouteTarget;
  readonly metered: Metered;
  /** The usage came after the client had left. */
  readonly drained?: boolean;
  readonly error?: GatewayError;
}

/**
 * The one place where a hold ends. Whatever races (the last byte, a client that leaves, a timeout, a shutdown), the first
 * comes through and the others find the call ended. Resolves when the record is durable; observers are told afterwards.
 */
export async function settle(
  call: Call,
  outcome: Outcome,
  services: Services,
): Promise<{ readonly chargeNano: number | null }> {
  const { admitted } = call;
  if (call.ended || !admitted) return { chargeNano: null };
  call.ended = true;
  leaveLists(call, services);
  const finishedMs = endOf(call, services);
  const { usage, source } = usedBy(call, outcome, admitted, finishedMs, services);
  const rated = ratingOf(call, usage, outcome, admitted, finishedMs, services);
  const rating = call.shadow?.isFree === true ? uncharged(rated) : rated;
  const notes = notesOf(call, outcome, admitted, usage, rating, services);
  const final: Final = {
    callId: call.id,
    status: outcome.status,
    source,
    provider: outcome.target.provider,
    upstreamModel: outcome.target.model,
    usage,
    costNano: rating === "unpriced" ? null : rating.costNano,
    chargeNano: rating === "unpriced" ? null : rating.chargeNano,
    priceVersion: rating === "unpriced" ? null : rating.priceVersion,
    finishReason: outcome.metered.finish,
    httpStatus: outcome.httpStatus,
    errorKind: outcome.error?.kind ?? null,
    attempts: attemptsOf(call, outcome, source),
    firstByteMs: call.firstByteMs,
    finishedMs,
    notes,
  };
  // Asked for before anything is waited for: it is written in the transaction of the record.
  const kept = call.keeping?.end(final, outcome.metered.complete);
  try {
    await services.database.ledger.finish(final);
  } catch (error) {
    // The open call stays in the database until it is swept as a stray, for what was expected of it: that must be seen.
    services.logger.error({ callId: call.id, error }, "the final record could not be written");
  }
  if (kept) await kept;
  learn(call, outcome, admitted, final, services.ratios);
  const isWhole = source === "provider" && outcome.status === "ok";
  if (admitted.holds.length > 0 && isWhole && usage && call.envelope && writesFreely(call, call.envelope))
    services.limits.output.learn(outcome.target, usage.outputTokens / call.envelope.candidates);
  if (admitted.holds.length > 0) {
    const isAsked = call.attempts.length > 0 || outcome.status === "ok";
    const used = isAsked ? { usage: usage ?? noUsage, chargeNano: final.chargeNano ?? 0 } : null;
    await endHolds(call, admitted, used, services);
  }
  tellObservers(call, final, services);
  return { chargeNano: final.chargeNano };
}

function attemptsOf({ attempts }: Call, { metered }: Outcome, source: UsageSource): Final["attempts"] {
  const last = attempts.at(-1);
  if (last === undefined) return attempts;
  // Its first bytes may have been a comment, as OpenRouter's are: then the answer's id came later.
  const ended = { ...last, upstreamId: last.upstreamId ?? metered.upstreamId, billed: source !== "none" };
  return attempts.length === 1 ? [ended] : [...attempts.slice(0, -1), ended];
}

/** A call that was refused after its caller was known: a row, but no hold and no cost. */
export async function refuse(call: Call, error: GatewayError, services: Services): Promise<void> {
  if (call.ended) return;
  call.ended = true;
  leaveLists(call, services);
  if (call.keeping) await call.keeping.end(null, false);
  const { principal, envelope } = call;
  const finishedMs = endOf(call, services);
  if (principal) {
    try {
      await services.database.ledger.refuse({
        callId: call.id,
        startedMs: call.startedMs,
        accountId: principal.accountId,
        keyId: principal.keyId,
        principal: principal.name,
        labels: labelText(principal.labels),
        dialect: call.endpoint.dialect.name,
        operation: call.endpoint.operation,
        model: envelope?.model ?? "",
        stream: envelope?.stream ?? false,
        provider: null,
        upstreamModel: null,
        httpStatus: error.status,
        errorKind: error.kind,
        finishedMs,
        notes: { error: error.message, why: whyRefused(call, error) },
      });
    } catch (cause) {
      services.logger.error({ callId: call.id, error: cause }, "a refusal could not be recorded");
    }
  }
  const end = {
    status: "refused",
    httpStatus: error.status,
    errorKind: error.kind,
    source: "none",
    provider: null,
    upstreamModel: null,
    usage: null,
    costNano: null,
    chargeNano: null,
    finishedMs,
  } as const;
  tellObservers(call, end, services);
}

/** The machine's clock may have stepped back meanwhile: a call does not end before it began. */
const endOf = ({ startedMs }: Call, { now }: Pick<Services, "now">): number => Math.max(now(), startedMs);

/** From what a provider has told of a whole answer. */
function learn({ envelope }: Call, outcome: Outcome, { heldNano }: Admitted, final: Final, ratios: Ratios): void {
  const { usage, source, status, chargeNano } = final;
  const { contentBytes, usage: reported } = outcome.metered;
  if (!envelope || !usage || source !== "provider" || status !== "ok" || reported?.anomalous) return;
  ratios.learn(outcome.target, { input: envelope.input, usage, contentBytes, heldNano, chargeNano });
}

const free = { costNano: 0, chargeNano: 0, priceVersion: null, lines: [] };

/** What the provider bills is known all the same. */
const uncharged = (rated: Rated | "unpriced"): Rated | "unpriced" =>
  rated === "unpriced"
    ? rated
    : { costNano: rated.costNano, chargeNano: 0, priceVersion: rated.priceVersion, lines: rated.lines };

function ratingOf(
  call: Call,
  usage: Usage | null,
  { target, metered, status }: Outcome,
  admitted: Admitted,
  finishedMs: number,
  services: Services,
): Rated | "unpriced" {
  const biller = services.billing?.slot;
  if (!biller) return "unpriced";
  // As of a call that was refused before it was admitted, there is nothing to know.
  if (status === "refused") return "unpriced";
  if (!usage) return free;
  // Of a call that was cut before its provider told anything, what was asked for.
  const told = metered.usage ?? metered.begun;
  const serviceTier = told ? told.serviceTier : call.envelope?.tier?.name;
  try {
    const { accounts, startedMs } = call;
    const options = serviceTier === undefined ? { accounts } : { accounts, serviceTier };
    return rateEnded(biller, usage, target, { startedMs, finishedMs }, options);
  } catch (error) {
    if (!isUnpriced(error)) services.logger.error({ error }, "a call could not be rated; its cost is unknown");
    // Else it was let in without a price, and counted then.
    else if (biller.policy.unpriced === "refuse" || admitted.held.length > 0) countUnpriced(target, services);
    return "unpriced";
  }
}

/** `used`: `null`: no target was asked, so it counts nowhere. */
async function endHolds(
  call: Call,
  admitted: Admitted,
  used: { readonly usage: Usage; readonly chargeNano: number } | null,
  services: Services,
) {
  const context = { logger: services.logger, timings: call.timings };
  for (const { name, kind, hold } of admitted.holds.toReversed()) {
    try {
      await closedHook(context, kind, name, used ? "settle" : "release", () =>
        used ? hold.settle(used) : hold.release(),
      );
    } catch {
      // Logged by the hook. The call is served; the plugin's own counters are its own to mend.
    }
  }
}
