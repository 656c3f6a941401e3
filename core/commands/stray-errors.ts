import type { Logger } from "../plugin/plugin.ts";

/** A plugin's floating promise must not end everybody's streams. What it meant to do is lost, so it is an error in the log. */
export function surviveStrayErrors(logger: Logger) {
  process.on("unhandledRejection", (error) => logger.error({ error }, "a rejection that nobody handles"));
  process.on("uncaughtException", (error) => logger.error({ error }, "an error that nobody catches"));
}
