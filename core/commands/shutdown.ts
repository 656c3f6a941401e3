import { GatewayError } from "../chat/error.ts";
import { type Call, stopCall } from "../pipeline/call.ts";
import type { Services } from "../pipeline/services.ts";
import type { Listening } from "../runtime/serve.ts";

/** A second signal counts from here on: a terminal delivers Ctrl-C to every process of its group, perhaps more than once. */
const secondSignalAfterMs = 1_000;
/** How long calls that were cut have, all in all, to write their record and their last event, and their clients to take it. */
const cutMs = 1_500;
/** How long those that took nothing have for their record. */
const leftMs = 500;
const pollMs = 20;
/** For the last lines of the log, where they are read. */
const lastMs = 400;

/**
 * Serves until SIGTERM or Ctrl-C, then: `/readyz` says 503, after `unreadyMs` nothing new is accepted, open calls may end for
 * `drainMs`, and what is left is cut with an error event and its record. A second signal cuts at once.
 */
export async function untilSignal({
  services,
  listening,
  leaving,
  timeouts,
}: {
  readonly services: Pick<Services, "open" | "draining" | "watch" | "logger">;
  readonly listening: Listening;
  /** Set at the signal: `/readyz` goes by it. */
  readonly leaving: { value: boolean };
  /** Read when they are needed, because a reload changes them in place. */
  readonly timeouts: { readonly unreadyMs: number; readonly drainMs: number };
}): Promise<void> {
  let cut = false;
  await new Promise<void>((resolve) => {
    let firstMs: number | null = null;
    const onSignal = () => {
      const atMs = performance.now();
      if (firstMs === null) {
        firstMs = atMs;
        resolve();
      } else if (atMs - firstMs >= secondSignalAfterMs) cut = true;
    };
    process.on("SIGTERM", onSignal);
    process.on("SIGINT", onSignal);
  });
  leaving.value = true;
  await until(() => cut, inMs(timeouts.unreadyMs));
  services.draining.value = true;
  services.logger.info({ open: services.open.size }, "shutting down");
  const stopped = listening.stop();
  // Nobody waits for them.
  for (const call of services.open) if (call.shadow) cutCall(call);
  const drained = () => services.open.size === 0;
  await until(() => drained() || cut, inMs(timeouts.drainMs));
  for (const call of services.open) cutCall(call);
  const cutEndMs = inMs(cutMs);
  await until(drained, cutEndMs);
  // The last bytes of answers that have just ended are still on their way out.
  let closed = false;
  void stopped.then(() => (closed = true));
  await until(() => closed, cutEndMs);
  // Of an answer that is not taken only the end of its connection is seen, and Deno does not cut it.
  services.watch.endHeld();
  await listening.stopNow();
  await until(drained, inMs(leftMs));
  services.watch.stop();
}

/**
 * Ends the process although something keeps it: all is written and let go, and what is left is a log that nobody reads, or
 * a timer of a plugin.
 */
export function exitSoon(): void {
  setTimeout(() => process.exit(), lastMs).unref();
}

const cutCall = (call: Call) =>
  stopCall(call, new GatewayError("unavailable", "the proxy is shutting down", { retryAfterSeconds: 1 }));

/** By a clock that never steps: one that is set back meanwhile would make it an hour. */
const inMs = (ms: number): number => performance.now() + ms;

async function until(done: () => boolean, endMs: number): Promise<void> {
  while (!done() && performance.now() < endMs) await pause(pollMs);
}

const pause = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));
