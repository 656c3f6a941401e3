import { definePlugin, t } from "llm-proxy/plugin";
import type { CallRecord, Metric, Observer } from "llm-proxy/plugin";
import { maskSecrets, printable } from "../../core/chat/mask.ts";
import { floodGate } from "../../core/chat/flood.ts";
import { batched } from "./batched.ts";

/** UTF-16 units of one text, at most 768 bytes of UTF-8. With at most 19 of them a line stays below 16 KiB. */
const maxTextLength = 256;
const maxWarnings = 8;
/** A refused call costs its sender nothing: lines for each would let a stranger fill the disk. */
const refusedPerSecond = 100;

export default definePlugin({
  kind: "observer",
  name: "log",
  api: 1,
  description:
    "One JSON line a call to stdout, of refused ones at most 100 a second; no prompt, no answer, secrets masked.",
  config: t.Object({}, { additionalProperties: false }),
  setup(_options, { onDispose, logger, now }) {
    const lines = batched(process.stdout, (dropped) =>
      logger.warn({ dropped }, "the reader of stdout was too slow for the log"),
    );
    // A reader that is gone must not end the process.
    const ignore = () => {};
    process.stdout.on("error", ignore);
    onDispose(async () => {
      await lines.close();
      process.stdout.off("error", ignore);
    });
    const onSkipped = (skipped: number) => logger.info({ skipped }, "refused calls were left out of the log");
    const gate = floodGate({ perSecond: refusedPerSecond, now, onSkipped });
    return { ...logTo(lines, gate), metrics: () => metricsOf(lines) };
  },
});

/** Lines of pino's own form, but made without it: it costs more than all else that observes a call. */
export const logTo = (lines: { write(line: string): void }, mayLogRefused: () => boolean): Observer => ({
  callEnded(record) {
    if (record.status !== "refused" || mayLogRefused()) lines.write(`${JSON.stringify(lineOf(record))}\n`);
  },
});

const noLabels = {};

const metricsOf = (lines: { waiting(): number; dropped(): number }): readonly Metric[] => [
  {
    name: "llm_proxy_log_waiting_characters",
    type: "gauge",
    help: "Log lines of calls that wait for the reader of stdout.",
    series: [{ labels: noLabels, value: lines.waiting() }],
  },
  {
    name: "llm_proxy_log_dropped_lines_total",
    type: "counter",
    help: "Log lines of calls that were lost, because the reader of stdout was too slow.",
    series: [{ labels: noLabels, value: lines.dropped() }],
  },
];

function levelOf({ status, errorKind }: CallRecord): "info" | "warn" | "error" {
  if (errorKind === "internal") return "error";
  return expected.has(status) ? "info" : "warn";
}

/** Ends that are no sign of trouble here or upstream. */
const expected = new Set(["ok", "refused", "client_aborted"]);

/** `undefined` is left out. */
const lineOf = (record: CallRecord): object => ({
  level: levelOf(record),
  time: instant(record.startedMs + record.durationMs),
  callId: short(record.callId),
  principal: clean(record.principal),
  keyId: short(record.keyId),
  accountId: short(record.accountId),
  labels: record.labels === null ? undefined : cleanLabels(record.labels),
  dialect: short(record.dialect),
  operation: short(record.operation),
  model: clean(record.model),
  provider: clean(record.provider),
  upstreamModel: clean(record.upstreamModel),
  status: short(record.status),
  httpStatus: record.httpStatus,
  errorKind: short(record.errorKind),
  stream: record.stream,
  attempts: record.attempts,
  tokens: record.usage && {
    input: record.usage.inputTokens,
    cacheRead: record.usage.cacheReadTokens,
    cacheWrite: record.usage.cacheWriteTokens,
    output: record.usage.outputTokens,
    reasoning: record.usage.reasoningTokens,
  },
  source: short(record.source),
  costNano: record.costNano,
  chargeNano: record.chargeNano,
  firstByteMs: record.firstByteMs,
  durationMs: record.durationMs,
  warnings: record.warnings.length > 0 ? record.warnings.slice(0, maxWarnings).map(clean) : record.warnings,
  moreWarnings: record.warnings.length > maxWarnings ? record.warnings.length - maxWarnings : undefined,
  // eslint-disable-next-line id-denylist -- pino names it so, in the lines beside these.
  msg: "call",
});

/** Of our own making, unless a plugin made it. */
const short = (text: string | null): string | null =>
  text === null || /^[\w./:-]{0,64}$/.test(text) ? text : printable(text, maxTextLength);

/**
 * In the words of a client, a provider or an operator. Masked before it is cut, so that no cut hides where a secret
 * began; the first cut only bounds the work.
 */
function clean(text: string | null): string | null {
  if (text === null) return null;
  const known = cleaned.get(text);
  if (known !== undefined) return known;
  const made = printable(maskSecrets(text.slice(0, 16 * maxTextLength)), maxTextLength);
  if (cleaned.size >= maxCleaned) cleaned.clear();
  if (text.length <= maxTextLength) cleaned.set(text, made);
  return made;
}

/** Few and short: core sees to that. */
const cleanLabels = (labels: NonNullable<CallRecord["labels"]>): object =>
  Object.fromEntries(Object.entries(labels).map(([name, text]) => [name, clean(text)]));

/** The same few models, providers and keys stand in all lines: masking them anew costs more than the rest of a line. */
const cleaned = new Map<string, string>();
const maxCleaned = 1_000;

/** ISO 8601, as `Date` writes it; most lines are of the same second as the one before. */
function instant(ms: number): string {
  const second = Math.floor(ms / 1_000);
  if (second !== lastSecond) {
    lastSecond = second;
    lastText = new Date(second * 1_000).toISOString().slice(0, -"000Z".length);
  }
  return `${lastText}${String(ms - second * 1_000).padStart(3, "0")}Z`;
}

let lastSecond = Number.NaN;
let lastText = "";
