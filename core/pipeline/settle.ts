import type { GatewayError } from "../chat/error.ts";
import { noUsage, type ReportedUsage, type Usage } from "../chat/usage.ts";
import type { Metered } from "../dialects/dialect.ts";
import { within } from "../plugin/deadline.ts";
import { countFault, countTime, type HookTally, talliesOf, tallyIn } from "../plugin/hook-tally.ts";
import { labelText } from "../plugin/labels.ts";
import type { Awaitable, CallRecord } from "../plugin/plugin.ts";
import type { Final, UsageSource } from "../storage/database.ts";
import type { Admitted } from "./admit.ts";
import type { Call } from "./call.ts";
import { leaveLists } from "./disconnect.ts";
import { expectedInput, expectedOutput } from "./estimate.ts";
import { closedHook } from "./hook.ts";
import { countUnpriced, isUnbilled, isUnpriced } from "./bill.ts";
import { writesFreely } from "./limit-claim.ts";
import type { RouteTarget } from "./models.ts";
import { notesOf, type Rated } from "./notes.ts";
import { rateEnded } from "./rate-ended.ts";
import type { Ratios } from "./ratios.ts";
import type { Services } from "./services.ts";
import { counted, unitsUntold } from "./told-usage.ts";
import { blockedMs, hookBlocked } from "./watchdog.ts";
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

const observerTimeoutMs = 5_000;

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
  tellObservers(recordOf(call, final), services);
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
  tellObservers(
    recordOf(call, {
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
    }),
    services,
  );
}

/**
 * What is charged for: the provider's word when there is one, an explicit 0 included. Without it, a call that failed
 * upstream used nothing; one that was served, in part or whole, or that we cut is estimated, never above the hold. Of a
 * provider that tells its input first (Anthropic's `message_start`), that is its word: with what it told of the output if
 * it then failed, with an estimate of the output, and marked so, if it was cut. Of a report whose input could not be read
 * the input is estimated.
 */
function usedBy(
  call: Call,
  { status, metered, drained, target }: Outcome,
  admitted: Admitted,
  finishedMs: number,
  { ratios, billing }: Pick<Services, "ratios" | "billing">,
): { readonly usage: Usage | null; readonly source: UsageSource } {
  if (isUnbilled(call.endpoint.operation)) return { usage: null, source: "none" };
  // Of who served it: at admission the first target of the route was asked about.
  const ratio = ratios.of(target);
  if (metered.usage && isCredible(metered.usage)) {
    const usage = counted(metered.usage.usage, call, target, billing, finishedMs);
    if (lacksInput(metered.usage))
      return { usage: { ...usage, inputTokens: likelyInput(call, admitted, ratio) }, source: "estimated" };
    return { usage, source: drained ? "drained" : "provider" };
  }
  const tellsOpening = metered.begun && isCredible(metered.begun) && !lacksInput(metered.begun);
  const opening = tellsOpening ? metered.begun.usage : null;
  const begun = opening && counted(opening, call, target, billing, finishedMs);
  const failed = status === "upstream_error" && call.stopped === null;
  if (failed && begun) return { usage: begun, source: "provider" };
  const isCut = call.stopped !== null && call.isSent;
  const served = status === "ok" || metered.complete || metered.contentBytes > 0 || isCut;
  if (failed || call.attempts.length === 0 || !served) return { usage: null, source: "none" };
  const outputTokens = Math.min(
    expectedOutput(metered.contentBytes, ratio.output),
    admitted.outputBoundTokens ?? Number.POSITIVE_INFINITY,
  );
  if (begun) {
    const usage = { ...begun, outputTokens: Math.max(begun.outputTokens, outputTokens) };
    return { usage, source: "estimated" };
  }
  return {
    usage: {
      ...noUsage,
      inputTokens: likelyInput(call, admitted, ratio),
      outputTokens,
      ...unitsUntold(call, target, billing, finishedMs),
    },
    source: "estimated",
  };
}

const likelyInput = ({ envelope }: Call, admitted: Admitted, ratio: ReturnType<Ratios["of"]>): number =>
  envelope ? expectedInput(envelope.input, ratio.input, admitted.inputBoundTokens) : admitted.expectedInputTokens;

/** The machine's clock may have stepped back meanwhile: a call does not end before it began. */
const endOf = ({ startedMs }: Call, { now }: Pick<Services, "now">): number => Math.max(now(), startedMs);

/** From what a provider has told of a whole answer. */
function learn({ envelope }: Call, outcome: Outcome, { heldNano }: Admitted, final: Final, ratios: Ratios): void {
  const { usage, source, status, chargeNano } = final;
  const { contentBytes, usage: reported } = outcome.metered;
  if (!envelope || !usage || source !== "provider" || status !== "ok" || reported?.anomalous) return;
  ratios.learn(outcome.target, { input: envelope.input, usage, contentBytes, heldNano, chargeNano });
}

/** No call uses this many tokens: such a report says nothing, and charging for it would only overflow. */
const maxCredibleTokens = 1_000_000_000;
/** A 0 that was said counts; one that stands for what could not be read does not make a call free. */
const isCredible = ({ usage, anomalous }: ReportedUsage): boolean => {
  const { inputTokens, outputTokens, images = 0, seconds = 0, characters = 0 } = usage;
  const sum = inputTokens + outputTokens + images + seconds + characters;
  return Math.max(inputTokens, outputTokens) <= maxCredibleTokens && !(anomalous && sum === 0);
};

/** Nothing is written without having read something: its count was missing, or could not be read. */
const lacksInput = ({ usage, anomalous }: ReportedUsage): boolean =>
  anomalous && usage.inputTokens === 0 && usage.outputTokens > 0;

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

type RecordedEnd = Pick<
  CallRecord,
  "status" | "httpStatus" | "errorKind" | "source" | "provider" | "upstreamModel" | "usage" | "costNano" | "chargeNano"
> & { readonly finishedMs: number };

function recordOf(call: Call, end: RecordedEnd): CallRecord {
  const record: CallRecord = {
    callId: call.id,
    principal: call.principal?.name ?? null,
    keyId: call.principal?.keyId ?? null,
    accountId: call.principal?.accountId ?? null,
    labels: call.principal?.labels ?? null,
    dialect: call.endpoint.dialect.name,
    operation: call.endpoint.operation,
    model: call.envelope?.model ?? "",
    provider: end.provider,
    upstreamModel: end.upstreamModel,
    status: end.status,
    httpStatus: end.httpStatus,
    errorKind: end.errorKind,
    usage: end.usage,
    source: end.source,
    costNano: end.costNano,
    chargeNano: end.chargeNano,
    attempts: call.attempts.length,
    tries: call.attempts,
    stream: call.envelope?.stream ?? false,
    startedMs: call.startedMs,
    firstByteMs: call.firstByteMs,
    durationMs: end.finishedMs - call.startedMs,
    warnings: call.warnings,
    timings: call.timings,
  };
  return call.shadow ? { ...record, shadowOf: call.shadow.callId } : record;
}

/** Observers fail open: what they throw, or that they hang, is logged and changes nothing. The last that a call does. */
function tellObservers(record: CallRecord, services: Services) {
  for (const observer of services.observers) tell(observer, record, services);
  services.inUse.leave();
}

function tell({ name, slot, isBuiltIn }: Services["observers"][number], record: CallRecord, services: Services) {
  if (!slot.callEnded) return;
  const tally = tallyIn(talliesOf("observer", name), "callEnded");
  tally.calls += 1;
  const startedMs = performance.now();
  let told: Awaitable<void>;
  try {
    // What code from elsewhere writes there must not reach the others, nor what the process goes on with.
    told = slot.callEnded(isBuiltIn ? record : copyOf(record));
  } catch (error) {
    countTime(tally, performance.now() - startedMs);
    return observerFailed(error, name, tally, services);
  }
  const tookMs = performance.now() - startedMs;
  if (tookMs > blockedMs) hookBlocked(services.logger, "observer", name, tookMs);
  if (told instanceof Promise) void heard(told, name, { tally, startedMs }, services);
  else countTime(tally, tookMs);
}

/** By hand: `structuredClone` takes a hundred times as long. */
const copyOf = (record: CallRecord): CallRecord => ({
  ...record,
  labels: record.labels && { ...record.labels },
  usage: record.usage && { ...record.usage },
  tries: record.tries.map((one) => ({ ...one })),
  warnings: [...record.warnings],
  timings: { ...record.timings },
});

/** Until then the observer is in use. */
async function heard(
  told: Promise<void>,
  name: string,
  { tally, startedMs }: { readonly tally: HookTally; readonly startedMs: number },
  services: Services,
): Promise<void> {
  services.inUse.enter();
  try {
    await within(observerTimeoutMs, () => told);
  } catch (error) {
    observerFailed(error, name, tally, services);
  } finally {
    countTime(tally, performance.now() - startedMs);
    services.inUse.leave();
  }
}

function observerFailed(error: unknown, name: string, tally: HookTally, { logger }: Services): void {
  countFault(tally, error);
  logger.warn({ plugin: `observer/${name}`, error }, "an observer failed");
}
