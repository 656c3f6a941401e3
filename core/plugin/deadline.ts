import type { Awaitable } from "./plugin.ts";

export class DeadlineError extends Error {
  override readonly name = "DeadlineError";
}

/** The result of `work`, or a `DeadlineError` after `timeoutMs`. It cannot stop the work, and no timer can interrupt a busy loop. */
export async function within<T>(timeoutMs: number, work: () => Awaitable<T>): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new DeadlineError(`no result after ${timeoutMs} ms`)), timeoutMs);
  });
  try {
    return await Promise.race([work(), late]);
  } finally {
    clearTimeout(timer);
  }
}
