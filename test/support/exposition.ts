/** A reader of the Prometheus text format 0.0.4, written from its description alone. Throws on whatever the format forbids. */
export interface Exposition {
  readonly samples: readonly Sample[];
  readonly types: ReadonlyMap<string, string>;
  readonly comments: readonly string[];
}
export interface Sample {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  /** As it stands there, so that big integers stay exact. */
  readonly value: string;
}

const types = ["counter", "gauge", "histogram", "summary", "untyped"];
const namePattern = /^[a-zA-Z_:][a-zA-Z0-9_:]*/;

export function parseExposition(text: string): Exposition {
  if (!text.endsWith("\n")) throw new Error("the last line has no end");
  const samples: Sample[] = [];
  const comments: string[] = [];
  const typeOf = new Map<string, string>();
  const helped = new Set<string>();
  /** The metric whose block is being read, and those whose block has ended. */
  let current = "";
  const ended = new Set<string>();
  const enter = (metric: string) => {
    if (metric === current) return;
    if (ended.has(metric)) throw new Error(`the lines of ${metric} are not together`);
    ended.add(current);
    current = metric;
  };
  for (const line of text.slice(0, -1).split("\n")) {
    const [, keyword, name = "", rest = ""] = /^# (HELP|TYPE) (\S+) ?(.*)$/.exec(line) ?? [];
    if (keyword === "HELP" || keyword === "TYPE") {
      if (namePattern.exec(name)?.[0] !== name) throw new Error(`not a name: ${line}`);
      enter(name);
      if (keyword === "HELP") {
        if (helped.has(name)) throw new Error(`a second HELP: ${line}`);
        if (/\\(?![\\n])/.test(rest.replaceAll("\\\\", ""))) throw new Error(`an unknown escape: ${line}`);
        helped.add(name);
      } else {
        if (typeOf.has(name) || !types.includes(rest)) throw new Error(`a second or unknown TYPE: ${line}`);
        typeOf.set(name, rest);
      }
    } else if (line.startsWith("#")) comments.push(line);
    else if (line !== "") {
      const sample = sampleOf(line);
      enter(metricOf(sample.name, typeOf));
      if (!typeOf.has(current)) throw new Error(`no TYPE before ${line}`);
      samples.push(sample);
    }
  }
  noneTwice(samples);
  checkHistograms(samples, typeOf);
  return { samples, types: typeOf, comments };
}

/** Sums exact integers over the samples of one name whose labels are these. */
export function total(
  { samples }: Exposition,
  name: string,
  labels: Readonly<Record<string, string | undefined>> = {},
): bigint {
  return samples
    .filter((sample) => sample.name === name)
    .filter((sample) => Object.entries(labels).every(([label, value]) => sample.labels[label] === value))
    .reduce((sum, { value }) => sum + BigInt(value), 0n);
}

function metricOf(name: string, typeOf: ReadonlyMap<string, string>): string {
  const base = name.replace(/_(bucket|sum|count)$/, "");
  return typeOf.get(base) === "histogram" ? base : name;
}

function sampleOf(line: string): Sample {
  const name = namePattern.exec(line)?.[0];
  if (name === undefined) throw new Error(`no name: ${line}`);
  let at = name.length;
  const labels: Record<string, string> = {};
  if (line[at] === "{") {
    at += 1;
    while (line[at] !== "}") {
      const label = /^[a-zA-Z_][a-zA-Z0-9_]*(?==")/.exec(line.slice(at))?.[0];
      if (label === undefined || label in labels) throw new Error(`no label, or one twice: ${line}`);
      at += label.length + 2;
      let value = "";
      while (line[at] !== '"') {
        const character = line[at];
        if (character === undefined) throw new Error(`a value without an end: ${line}`);
        if (character !== "\\") value += character;
        else {
          at += 1;
          const escaped = { "\\": "\\", '"': '"', n: "\n" }[line[at] ?? ""];
          if (escaped === undefined) throw new Error(`an unknown escape: ${line}`);
          value += escaped;
        }
        at += 1;
      }
      labels[label] = value;
      at += 1;
      if (line[at] === ",") at += 1;
      else if (line[at] !== "}") throw new Error(`neither , nor }: ${line}`);
    }
    at += 1;
  }
  const [, value] = /^ (\S+)$/.exec(line.slice(at)) ?? [];
  if (value === undefined || (!/^[+-]Inf$|^NaN$/.test(value) && !Number.isFinite(Number(value))))
    throw new Error(`no value: ${line}`);
  return { name, labels, value };
}

const sorted = (labels: Readonly<Record<string, string>>): string =>
  JSON.stringify(Object.entries(labels).toSorted(([a], [b]) => (a < b ? -1 : 1)));

function noneTwice(samples: readonly Sample[]) {
  const seen = new Set<string>();
  for (const { name, labels } of samples) {
    const key = `${name} ${sorted(labels)}`;
    if (seen.has(key)) throw new Error(`twice: ${key}`);
    seen.add(key);
  }
}

/** Buckets only grow, end with +Inf, and the last is the count. */
function checkHistograms(samples: readonly Sample[], typeOf: ReadonlyMap<string, string>) {
  const counts = new Map<string, string>();
  const last = new Map<string, { readonly le: number; readonly value: number }>();
  for (const { name, labels, value } of samples) {
    const base = name.replace(/_(bucket|count)$/, "");
    if (typeOf.get(base) !== "histogram" || base === name) continue;
    const { le, ...others } = labels;
    const key = `${base} ${sorted(others)}`;
    if (name.endsWith("_count")) counts.set(key, value);
    else {
      const before = last.get(key) ?? { le: -Infinity, value: 0 };
      const bound = le === "+Inf" ? Infinity : Number(le);
      if (!(bound > before.le) || Number(value) < before.value) throw new Error(`buckets out of order: ${key}`);
      last.set(key, { le: bound, value: Number(value) });
    }
  }
  for (const [key, { le, value }] of last)
    if (le !== Infinity || counts.get(key) !== String(value)) throw new Error(`no +Inf, or not the count: ${key}`);
  if (counts.size !== last.size) throw new Error("a histogram without buckets");
}
