import { pino } from "pino";
import { maskSecrets, printable } from "../chat/mask.ts";
import type { Logger } from "../plugin/plugin.ts";

/** The process's own log: one JSON line an event on standard output, without secrets. */
export function processLogger(level: string): Logger & { child(fields: object): Logger } {
  return pino({
    level,
    base: null,
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: { level: (label) => ({ level: label }) },
    serializers: { error: describeError },
  });
}

/** Name, code and message only: a fetch error carries the whole URL in other properties, and with it perhaps a key. */
function describeError(error: unknown): object {
  if (!(error instanceof Error)) return { message: clean(String(error)) };
  const { cause } = error;
  return {
    name: error.name,
    ...("code" in error && { code: clean(String(error.code)) }),
    message: clean(error.message),
    ...(cause !== undefined && { cause: describeError(cause) }),
    ...(error.stack !== undefined && { stack: clean(error.stack) }),
  };
}

const clean = (text: string): string => printable(maskSecrets(text), 4_000);
