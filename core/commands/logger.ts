import { type DestinationStream, type LoggerOptions, pino } from "pino";
import { maskSecrets, printable } from "../chat/mask.ts";
import { floodGate } from "../chat/flood.ts";
import type { Logger } from "../plugin/plugin.ts";

/** Of one event: its later lines would say the same, and a plugin that fails for each call must not fill the disk. */
const linesPerSecond = 20;
/** Events are told apart by their text; a plugin's text may hold anything. */
const maxGates = 1_000;

export interface ProcessLogger extends Logger {
  /** Kept for ever: make few. */
  child(fields: object): Logger;
  /** Of the children too. */
  setLevel(level: string): void;
}

/**
 * The process's own log: one JSON line an event on standard output, without secrets. Of lines with the same text only the
 * first `linesPerSecond` are written; how many were not is told later.
 */
export function processLogger(level: string, now: () => number, destination?: DestinationStream): ProcessLogger {
  const gates = new Map<string, () => boolean>();
  const mayPass = (text: string): boolean => {
    let passes = gates.get(text);
    if (!passes) {
      if (gates.size >= maxGates) gates.clear();
      const onSkipped = (lines: number) => logger.warn({ lines, of: text }, skippedText);
      passes = floodGate({ perSecond: linesPerSecond, now, onSkipped });
      gates.set(text, passes);
    }
    return passes();
  };
  const children = new Set<{ level: string }>();
  const options: LoggerOptions = {
    level,
    onChild: (child) => void children.add(child),
    hooks: {
      logMethod(args, write) {
        const text: unknown = args[1];
        if (typeof text !== "string" || text === skippedText || mayPass(text)) write.apply(this, args);
      },
    },
    base: null,
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: { level: (label) => ({ level: label }) },
    serializers: { error: describeError },
  };
  const logger = destination ? pino(options, destination) : pino(options);
  return Object.assign(logger, {
    setLevel(next: string) {
      for (const one of [logger, ...children]) one.level = next;
    },
  });
}

const skippedText = "lines with the same text were left out";

/** What a plugin or a library throws may lead back to itself, or refuse to be read: a call must end all the same. */
function describeError(error: unknown): object {
  try {
    return described(error, maxCauses);
  } catch {
    return { message: "what was thrown cannot be read" };
  }
}

const maxCauses = 8;

/** Name, code and message only: a fetch error carries the whole URL in other properties, and with it perhaps a key. */
function described(error: unknown, causes: number): object {
  if (!(error instanceof Error)) return { message: clean(error) };
  const { cause } = error;
  return {
    name: error.name,
    ...("code" in error && { code: clean(error.code) }),
    message: clean(error.message),
    ...(cause !== undefined && causes > 0 && { cause: described(cause, causes - 1) }),
    ...(error.stack !== undefined && { stack: clean(error.stack) }),
  };
}

const clean = (text: unknown): string => printable(maskSecrets(String(text)), 4_000);
