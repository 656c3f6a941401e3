import { within } from "../plugin/deadline.ts";
import { countFault, countTime, type HookTally, talliesOf, tallyIn } from "../plugin/hook-tally.ts";
import type { Awaitable, CallRecord } from "../plugin/plugin.ts";
import type { Call } from "./call.ts";
import type { Services } from "./services.ts";
import { blockedMs, hookBlocked } from "./watchdog.ts";

const observerTimeoutMs = 5_000;

/** Observers fail open: what they throw, or that they hang, is logged and changes nothing. The last that a call does. */
export function tellObservers(call: Call, end: RecordedEnd, services: Services): void {
  const record = recordOf(call, end);
  for (const observer of services.observers) tell(observer, record, services);
  services.inUse.leave();
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
