import { definePlugin, t } from "llm-proxy/plugin";
import type { CallRecord, Metric, MetricSeries, NamedModels, Observer } from "llm-proxy/plugin";
import { kindOf, ModelCounts } from "./model-counts.ts";

export default definePlugin({
  kind: "observer",
  name: "prometheus",
  api: 1,
  description: "Counts calls, tokens, cost and durations for `GET /metrics`.",
  config: t.Object(
    {
      public: t.Boolean({
        default: false,
        description: "Open `/metrics`, and with it traffic and spend, to anyone who reaches the port.",
      }),
    },
    { additionalProperties: false },
  ),
  setup(options, { named, lasting }): Observer {
    const counting = counted.get(lasting) ?? callMetrics(named);
    counted.set(lasting, counting);
    return { ...counting, openMetrics: options.public };
  },
});

/** A counter that begins anew looks like a restart of the process to whoever scrapes it. */
const counted = new WeakMap<object, Observer>();

/** Models of the price book that get series of their own; those of the file always do. */
const maxBookModels = 1_000;
/** Stands for all models that only clients name, and for calls that reached no provider. */
const other = "other";
/** Instances are as many as the file has; a bound all the same. */
const maxHooks = 1_000;

interface Count {
  value: number;
  readonly labels: MetricSeries["labels"];
}

export function callMetrics(named: NamedModels): Observer {
  const byProvider = new Map<string, Map<string, ModelCounts>>();
  const all: ModelCounts[] = [];
  let bookModels = 0;
  const strangers = new Map<string | null, Count>();
  const sources = new Map<string, Count>();
  const tries = new Map<string, Map<number | null, Count>>();
  const hooks = new Map<string, Count & { calls: number }>();

  function countsOf(provider: string, model: string): ModelCounts {
    const known = byProvider.get(provider)?.get(model);
    if (known) return known;
    if (model !== other) {
      const by = named(provider, model);
      if (by === null || (by === "book" && bookModels >= maxBookModels)) return countsOf(provider, other);
      if (by === "book") bookModels += 1;
    }
    const made = new ModelCounts(provider, model);
    all.push(made);
    const models = byProvider.get(provider) ?? new Map<string, ModelCounts>();
    byProvider.set(provider, models.set(model, made));
    return made;
  }

  function countTry({ provider, status }: CallRecord["tries"][number]) {
    let ofProvider = tries.get(provider);
    if (!ofProvider) tries.set(provider, (ofProvider = new Map<number | null, Count>()));
    const known = ofProvider.get(status);
    if (known) known.value += 1;
    else ofProvider.set(status, { value: 1, labels: { provider, status: status === null ? "none" : String(status) } });
  }

  function countHooks(timings: CallRecord["timings"]) {
    for (const label in timings) {
      let hook = hooks.get(label);
      if (!hook) {
        if (hooks.size >= maxHooks) return;
        const slash = label.indexOf("/");
        hook = { value: 0, calls: 0, labels: { kind: label.slice(0, slash), plugin: label.slice(slash + 1) } };
        hooks.set(label, hook);
      }
      hook.calls += 1;
      hook.value += (timings[label] ?? 0) / 1_000;
    }
  }

  return {
    callEnded(record) {
      countHooks(record.timings);
      if (record.principal === null) {
        const error = kindOf(record.errorKind);
        increment(strangers, error, "error", error ?? "");
        return;
      }
      const counts = countsOf(record.provider ?? "", record.upstreamModel ?? other);
      counts.countOutcome(record);
      if (record.status === "refused") return;
      counts.countUse(record);
      increment(sources, record.source, "source", record.source);
      for (const one of record.tries) countTry(one);
    },
    metrics: () => [
      counter("calls", "Calls that have ended, refused ones too: the rows of v_usage.", outcomesOf(all)),
      counter("input_tokens", "Input, cache reads and writes included.", of(all, "inputTokens")),
      counter("output_tokens", "Output, reasoning included.", of(all, "outputTokens")),
      counter("cache_read_tokens", "Part of the input.", of(all, "cacheReadTokens")),
      counter("cache_write_tokens", "Part of the input.", of(all, "cacheWriteTokens")),
      counter("cache_write_1h_tokens", "Part of the cache writes.", of(all, "cacheWrite1hTokens")),
      counter("reasoning_tokens", "Part of the output.", of(all, "reasoningTokens")),
      counter("cost_nano_usd", "What providers bill, in 1e-9 USD; every digit is exact.", of(all, "cost")),
      counter("charge_nano_usd", "What accounts are charged, in 1e-9 USD; every digit is exact.", of(all, "charge")),
      counter("unpriced_calls", "Admitted calls whose cost is unknown.", of(all, "unpriced")),
      histogram("call_duration_seconds", "From arrival to the end; refused calls are left out.", of(all, "duration")),
      histogram("first_byte_seconds", "From arrival to the first byte of the answer.", of(all, "firstByte")),
      counter("usage_sources", "Admitted calls, by who told what they used.", sources.values()),
      counter("strangers", "Calls refused before their caller was known: they have no row.", strangers.values()),
      counter("upstream_attempts", "By HTTP status; none: no answer, or not asked over HTTP.", inner(tries)),
      counter("plugin_hook_seconds", "Time in the hooks of a plugin, its waits included.", hooks.values()),
      counter("plugin_hook_calls", "Calls that asked a plugin.", callsOf(hooks.values())),
    ],
  };
}

/** Makes the labels only the first time. */
function increment<Key>(counts: Map<Key, Count>, key: Key, label: string, value: string): void {
  const known = counts.get(key);
  if (known) known.value += 1;
  else counts.set(key, { value: 1, labels: { [label]: value } });
}

// ── at a scrape ───────────────────────────────────────────────────────────────────────────────────────────────────────

const counter = (name: string, help: string, series: Iterable<MetricSeries>): Metric => ({
  name: `llm_proxy_${name}_total`,
  type: "counter",
  help,
  series,
});
const histogram = (name: string, help: string, series: Iterable<MetricSeries>): Metric => ({
  name: `llm_proxy_${name}`,
  type: "histogram",
  help,
  series,
});

function* of(all: readonly ModelCounts[], field: Exclude<keyof ModelCounts, "labels" | "outcomes" | `count${string}`>) {
  for (const counts of all) {
    const value = counts[field];
    yield { labels: counts.labels, value: typeof value === "object" && "read" in value ? value.read() : value };
  }
}
function* outcomesOf(all: readonly ModelCounts[]) {
  for (const { outcomes } of all) yield* outcomes;
}
function* inner(tries: ReadonlyMap<string, ReadonlyMap<unknown, MetricSeries>>) {
  for (const ofProvider of tries.values()) yield* ofProvider.values();
}
function* callsOf(hooks: Iterable<Count & { readonly calls: number }>) {
  for (const { labels, calls } of hooks) yield { labels, value: calls };
}
