import type { ConfigService } from "./config-service.ts";
import type { LimitBook } from "../pipeline/limit-book.ts";
import type { Shadows } from "../pipeline/shadow.ts";
import type { Services } from "../pipeline/services.ts";
import type { Metric } from "../plugin/plugin.ts";
import type { LoopLag } from "../runtime/loop-lag.ts";
import { processUsage } from "../runtime/process-usage.ts";

export interface ProcessMetricsInput {
  readonly services: Pick<
    Services,
    | "open"
    | "drains"
    | "watch"
    | "overload"
    | "database"
    | "limits"
    | "content"
    | "breakers"
    | "bulkheads"
    | "retries"
    | "shadows"
  >;
  readonly lag: Pick<LoopLag, "read">;
  readonly strays: { readonly count: number };
  readonly troubles: () => readonly string[];
  readonly config: Pick<ConfigService, "state">;
  /** `null` for a reader who has shown no credential. */
  readonly version: string | null;
}

/** What the process knows of itself without counting anything while it serves: read at the scrape. */
export function processMetrics({
  services,
  lag,
  strays,
  troubles,
  config,
  version,
}: ProcessMetricsInput): readonly Metric[] {
  const { database, open, drains, watch, overload, limits, content, breakers, bulkheads, retries, shadows } = services;
  const { commitsWaiting, finalsWaiting, heldNano, goneCalls, sweptCalls, strayCalls } = database.load();
  const { lastMs, maxMs } = lag.read();
  const usage = processUsage();
  const { loadedMs, lastReload } = config.state();
  return [
    gauge("llm_proxy_ready", "1: /readyz says 200.", troubles().length === 0 ? 1 : 0),
    gauge(
      "llm_proxy_storage_trouble",
      "1: storage cannot be written, so no call is admitted.",
      flag(database.trouble()),
    ),
    gauge("llm_proxy_config_loaded_seconds", "Since when the config is in use.", loadedMs / 1_000),
    gauge("llm_proxy_config_reload_failed", "1: the latest reload was refused.", lastReload?.ok === false ? 1 : 0),
    gauge("llm_proxy_open_calls", "Calls in flight, those included that are not admitted yet.", open.size),
    gauge("llm_proxy_open_streams", "Streams that are being sent.", watch.size()),
    gauge("llm_proxy_stalled_streams", "Those of them whose client takes nothing.", watch.held()),
    single("counter", "llm_proxy_shed_calls_total", "Calls refused because there was too much to do.", overload.shed),
    refusals(limits),
    single("counter", "llm_proxy_retries_total", "Attempts that asked the same target again.", retries.taken),
    single("counter", "llm_proxy_retries_denied_total", "Those the budget for retries did not allow.", retries.denied),
    single("counter", "llm_proxy_breakers_opened_total", "How often a target was left alone.", breakers.opened),
    single("counter", "llm_proxy_breaker_skips_total", "Attempts not made because it was.", breakers.skipped),
    single("counter", "llm_proxy_provider_busy_total", "Attempts that found no place.", bulkheads.refused),
    ...providerGauges(services),
    ...shadowCounters(shadows),
    gauge("llm_proxy_drains", "Answers still read for their usage, after their client has left.", drains.size),
    gauge("llm_proxy_held_nano_usd", "Held on all budgets by calls in flight, in 1e-9 USD.", heldNano),
    gauge("llm_proxy_commits_waiting", "Writes that wait for the next commit.", commitsWaiting),
    gauge("llm_proxy_final_records_waiting", "Final records that wait for a storage that fails.", finalsWaiting),
    single("counter", "llm_proxy_deleted_calls_total", "Calls deleted for their age, ever.", goneCalls),
    single("counter", "llm_proxy_swept_calls_total", "Calls of dead processes that were ended here.", sweptCalls),
    single("counter", "llm_proxy_stray_calls_total", "Calls of this process that nobody worked on.", strayCalls),
    single("counter", "llm_proxy_content_stored_total", "Calls whose content was kept.", content.counts.stored),
    single("counter", "llm_proxy_content_failed_total", "Contents that could not be written.", content.counts.failed),
    single("counter", "llm_proxy_content_skipped_total", "Those there was no memory for.", content.counts.skipped),
    single("counter", "llm_proxy_stray_errors_total", "Errors of plugins that nobody handled.", strays.count),
    gauge("llm_proxy_event_loop_lag_seconds", "How late the newest timer ran.", lastMs / 1_000),
    gauge("llm_proxy_event_loop_lag_max_seconds", "How late the latest ran in the last 30 to 60 s.", maxMs / 1_000),
    gauge("llm_proxy_heap_used_bytes", "JavaScript heap in use.", usage.heapUsedBytes),
    single("counter", "process_cpu_seconds_total", "User and system CPU time.", usage.cpuSeconds),
    gauge("process_resident_memory_bytes", "Resident memory.", usage.rssBytes),
    gauge("process_start_time_seconds", "Start of the process since the epoch.", usage.startedSeconds),
    ...(usage.openFds === null ? [] : [gauge("process_open_fds", "Open file descriptors.", usage.openFds)]),
    ...(version === null ? [] : [buildInfo(version)]),
  ];
}

const flag = (trouble: string | null): number => (trouble === null ? 0 : 1);

const noLabels = {};

const single = (type: "counter" | "gauge", name: string, help: string, value: number): Metric => ({
  name,
  type,
  help,
  series: [{ labels: noLabels, value }],
});

const gauge = (name: string, help: string, value: number): Metric => single("gauge", name, help, value);

const shadowCounters = ({ sent, dropped, inFlight }: Shadows): readonly Metric[] => [
  gauge("llm_proxy_shadow_calls", "Copies for shadows on their way.", [...inFlight.values()].reduce(sum, 0)),
  single("counter", "llm_proxy_shadow_calls_total", "Copies sent to shadows.", sent),
  {
    name: "llm_proxy_shadow_calls_dropped_total",
    type: "counter",
    help: "Copies not sent: too many on their way, too much to do, or no price, account or budget for them.",
    series: [...dropped].map(([reason, value]) => ({ labels: { reason }, value })),
  },
];
const sum = (left: number, right: number): number => left + right;

const refusals = ({ met }: LimitBook): Metric => ({
  name: "llm_proxy_limit_refusals_total",
  type: "counter",
  help: "Calls that a limit refused, or, where it is not enforced, would have refused.",
  series: [...met.values()].map(({ labels, count }) => ({ labels, value: count })),
});

/** By provider only: clients make up names of models. */
function providerGauges({ breakers, bulkheads }: Pick<Services, "breakers" | "bulkheads">): readonly Metric[] {
  const open = new Map<string, number>();
  for (const { provider, state } of breakers.list())
    if (state !== "closed") open.set(provider, (open.get(provider) ?? 0) + 1);
  const places = bulkheads.list();
  const gaugeOf = (name: string, help: string, values: readonly (readonly [string, number])[]): Metric => ({
    name,
    type: "gauge",
    help,
    series: values.map(([provider, value]) => ({ labels: { provider }, value })),
  });
  const waiting = places.map(({ provider, waiting: count }) => [provider, count] as const);
  const queued = places.map(({ provider, queued: count }) => [provider, count] as const);
  const known = places.map(({ provider }) => [provider, open.get(provider) ?? 0] as const);
  return [
    gaugeOf("llm_proxy_open_breakers", "Models of a provider that are left alone now.", known),
    gaugeOf("llm_proxy_provider_waiting", "Requests to a provider whose answer has not begun.", waiting),
    gaugeOf("llm_proxy_provider_queued", "Calls that wait for a place at a provider.", queued),
  ];
}

const buildInfo = (version: string): Metric => ({
  name: "llm_proxy_build_info",
  type: "gauge",
  help: "Always 1; the version is in its label.",
  series: [{ labels: { version }, value: 1 }],
});
