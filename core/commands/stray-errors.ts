import type { Logger } from "../plugin/plugin.ts";

/** A plugin's floating promise must not end everybody's streams. What it meant to do is lost, so it is an error in the log. */
export function surviveStrayErrors(logger: Logger): { readonly count: number } {
  const strays = { count: 0 };
  const heard = (message: string) => (error: unknown) => {
    strays.count += 1;
    logger.error({ error }, message);
  };
  process.on("unhandledRejection", heard("a rejection that nobody handles"));
  process.on("uncaughtException", heard("an error that nobody catches"));
  return strays;
}
