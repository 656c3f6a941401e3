import { GatewayError } from "../chat/error.ts";
import { type Call, stopCall } from "./call.ts";
import { releaseBodyOf } from "./overload.ts";
import type { Services } from "./services.ts";
import { clientLeft } from "./timeouts.ts";

/**
 * What happens when the client leaves: the upstream is still read for a while, because its usage is what it will bill,
 * then aborted. One rule for every moment: before the answer, between its bytes, and for whole answers. A stream tells
 * by its `cancel`; until there is one, `lookForLeavers` sees it.
 */

const lookMs = 50;

/**
 * Looks at all requests that wait for an answer, every 50 ms: a listener on each costs more than reading its body.
 * Returns the end.
 */
export function watchClients(services: () => Services): () => void {
  const timer = setInterval(() => lookForLeavers(services()), lookMs);
  timer.unref();
  return () => clearInterval(timer);
}

function lookForLeavers(services: Services): void {
  for (const call of services.open) if (call.client?.signal.aborted === true) leave(call, services);
}

/** From here on the answer is on its way, or has been refused. */
export function stopWaiting(call: Call, services: Services): void {
  call.client = null;
  releaseBodyOf(call, services.overload);
}

function leave(call: Call, services: Services): void {
  if (call.ended || call.clientGone) return;
  if (!call.admitted || call.waits) return leaveUnsent(call);
  call.clientGone = true;
  startDrain(call, services);
}

/** Nothing of it is upstream: there is no usage to wait for. */
export function leaveUnsent(call: Call): void {
  call.clientGone = true;
  cut(call);
}

/** Starts the time that is left for reading an answer nobody waits for. */
export function startDrain(call: Call, services: Services): void {
  const { disconnectDrainMs, maxDrains } = services.settings;
  if (call.drainTimer !== null || call.ended) return;
  if (disconnectDrainMs === 0 || services.drains.size >= maxDrains) {
    cut(call);
    return;
  }
  services.drains.add(call);
  call.drainTimer = setTimeout(() => cut(call), disconnectDrainMs);
}

/** Takes the call off every list it is on. */
export function leaveLists(call: Call, services: Services): void {
  if (call.drainTimer !== null) clearTimeout(call.drainTimer);
  // An answer that was not read to its end, because what follows could not be understood, would keep its connection.
  if (call.abort.isHeard) call.abort.abort(new Error("the call is over"));
  services.drains.delete(call);
  services.open.delete(call);
  endLoad(call, services.loads);
  if (call.request) services.closeIdle(call.request);
}

export function endLoad(call: Call, loads: Services["loads"]): void {
  if (call.busyTarget === null) return;
  loads?.ended(call.busyTarget);
  call.busyTarget = null;
}

const cut = (call: Call) =>
  stopCall(call, new GatewayError("upstream-invalid", "the client left", { code: clientLeft }));
