import { GatewayError } from "../chat/error.ts";

/** Each takes 64 MiB and a thread while it runs. */
const atOnce = 4;
/** More wait than so many seconds could serve. */
const maxWaiting = 64;

/**
 * Runs hashes of passwords a few at a time: whoever sends sign-ins from many addresses must not take the memory of the
 * process with them. Throws `unavailable` when too many wait.
 */
export function passwordQueue(): <Result>(work: () => Promise<Result>) => Promise<Result> {
  let running = 0;
  const waiting: (() => void)[] = [];
  return async (work) => {
    if (running >= atOnce) {
      if (waiting.length >= maxWaiting)
        throw new GatewayError("unavailable", "too many sign-ins at once", { retryAfterSeconds: 5 });
      // Whoever ends hands its place on.
      await new Promise<void>((resolve) => waiting.push(resolve));
    } else running += 1;
    try {
      return await work();
    } finally {
      const next = waiting.shift();
      if (next) next();
      else running -= 1;
    }
  };
}
