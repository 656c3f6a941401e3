import type { Buckets, Metric, MetricSeries } from "../plugin/plugin.ts";

/** The text format of Prometheus. */
export const expositionType = "text/plain; version=0.0.4; charset=utf-8";

/** Series that are rendered in one go; between them the loop serves whoever waits. */
const seriesPerTurn = 100;

/**
 * Renders metrics and adds their names to `taken`. One whose name is taken, or which is not of the format, is left out, and
 * so is a value that is none or a second one of the same labels, with a comment that says so: one plugin must not make the
 * whole page unreadable.
 */
export async function exposition(metrics: Iterable<Metric>, taken: Set<string>): Promise<string> {
  const parts: string[] = [];
  let sinceTurn = 0;
  for (const { name, type, help, series } of metrics) {
    if (!isName(name) || namesOf(name, type).some((each) => taken.has(each))) {
      parts.push(leftOut(`its name is ${isName(name) ? "taken" : "malformed"}`, name));
      continue;
    }
    if (!types.has(type)) {
      parts.push(leftOut("its type is none", name));
      continue;
    }
    for (const each of namesOf(name, type)) taken.add(each);
    parts.push(`# HELP ${name} ${escapedHelp(help)}\n# TYPE ${name} ${type}\n`);
    const told = new Set<string>();
    for (const one of series) {
      parts.push(lineOf(name, type, one, told));
      if (++sinceTurn % seriesPerTurn === 0) await new Promise((resolve) => setImmediate(resolve));
    }
  }
  return parts.join("");
}

/** `told`: the labels of those before it. */
function lineOf(name: string, type: Metric["type"], one: MetricSeries, told: Set<string>): string {
  if (!isValue(type, one.value)) return leftOut("a value of it is none", name);
  const { pairs, anyOrder } = writtenLabels(one.labels);
  if (told.has(anyOrder)) return leftOut("two values of it have the same labels", name);
  told.add(anyOrder);
  return textOf(name, pairs, one.value);
}

/** A histogram takes the names of its parts too. */
const namesOf = (name: string, type: Metric["type"]): readonly string[] =>
  type === "histogram" ? [name, `${name}_bucket`, `${name}_sum`, `${name}_count`] : [name];

const isName = (name: unknown): boolean => typeof name === "string" && /^[a-zA-Z_:][a-zA-Z0-9_:]*$/.test(name);

const types: ReadonlySet<unknown> = new Set<Metric["type"]>(["counter", "gauge", "histogram"]);

const leftOut = (why: string, name: unknown): string => `# left out, ${why}: ${JSON.stringify(name)}\n`;

/** A plugin in plain JavaScript may tell anything. */
function isValue(type: Metric["type"], value: unknown): boolean {
  if (type !== "histogram") return typeof value === "number" || typeof value === "bigint";
  if (typeof value !== "object" || value === null) return false;
  const { bounds, counts, sum }: Partial<Record<keyof Buckets, unknown>> = value;
  return areNumbers(bounds) && areNumbers(counts) && typeof sum === "number";
}

/** Typed arrays are as good. */
const areNumbers = (value: unknown): boolean =>
  Array.isArray(value) ? value.every((number) => typeof number === "number") : ArrayBuffer.isView(value);

function textOf(name: string, pairs: string, value: MetricSeries["value"]): string {
  if (typeof value !== "object") return `${name}${braced(pairs)} ${numberText(value)}\n`;
  return histogramText(name, pairs, value);
}

function histogramText(name: string, pairs: string, { bounds, counts, sum }: Buckets): string {
  const before = pairs === "" ? `${name}_bucket{le="` : `${name}_bucket{${pairs},le="`;
  let text = "";
  let below = 0;
  for (const [at, bound] of bounds.entries()) {
    below += counts[at] ?? 0;
    text += `${before}${bound}"} ${below}\n`;
  }
  below += counts[bounds.length] ?? 0;
  return `${text}${before}+Inf"} ${below}\n${name}_sum${braced(pairs)} ${numberText(sum)}\n${name}_count${braced(pairs)} ${below}\n`;
}

const braced = (pairs: string): string => (pairs === "" ? "" : `{${pairs}}`);

/**
 * A label's text is the dearest part of its line, and the same at every scrape. Names that begin with two underscores are
 * the reader's own: one of `__name__` fails the whole page.
 */
const known = new WeakMap<MetricSeries["labels"], WrittenLabels>();

interface WrittenLabels {
  /** In the order that they were given in. */
  readonly pairs: string;
  /** The same for all that say the same. */
  readonly anyOrder: string;
}

function writtenLabels(labels: MetricSeries["labels"]): WrittenLabels {
  const written = known.get(labels);
  if (written !== undefined) return written;
  const each = Object.entries(labels)
    .filter(([name]) => /^(?!__)[a-zA-Z_][a-zA-Z0-9_]*$/.test(name) && name !== "le")
    .map(([name, value]) => `${name}="${escapedLabel(value)}"`);
  const made = { pairs: each.join(","), anyOrder: each.toSorted().join(",") };
  known.set(labels, made);
  return made;
}

const escapedHelp = (text: string): string => wellFormed(text).replace(/\\/g, "\\\\").replace(/\n/g, "\\n");

const escapedLabel = (text: string): string => escapedHelp(text).replace(/"/g, '\\"');

/** Half a surrogate pair has no UTF-8; a bare CR ends a line for readers that are not strict. */
const wellFormed = (text: string): string => String(text).toWellFormed().replace(/\r/g, " ");

/** Digits in full as long as they are exact; the format has its own words for what is no number. */
function numberText(value: number | bigint): string {
  if (value === Infinity) return "+Inf";
  if (value === -Infinity) return "-Inf";
  return String(value);
}
