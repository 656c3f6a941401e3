import type { Metric, MetricSeries } from "../plugin/plugin.ts";
import type { ReceiverState } from "../storage/outbox.ts";
import type { Courier } from "./courier.ts";

/** Of each receiver of the config: how far it is behind, and what failed. */
export function outboxMetrics(
  couriers: readonly Pick<Courier, "name" | "counts">[],
  states: readonly ReceiverState[],
  nowMs: number,
): readonly Metric[] {
  const all = (value: (courier: (typeof couriers)[number], state: ReceiverState | undefined) => number) =>
    couriers.map((one): MetricSeries => {
      const state = states.find(({ name }) => name === one.name);
      return { labels: labelsOf(one.name), value: value(one, state) };
    });
  return [
    {
      name: "llm_proxy_outbox_waiting_events",
      type: "gauge",
      help: "Events that a receiver has not had yet.",
      series: all((_, state) => (state ? state.waiting + state.behind : 0)),
    },
    {
      name: "llm_proxy_outbox_lag_seconds",
      type: "gauge",
      help: "How long the oldest of them waits.",
      series: all((_, state) => Math.max(0, nowMs - (state?.oldestMs ?? nowMs)) / 1_000),
    },
    {
      name: "llm_proxy_outbox_dead_events",
      type: "gauge",
      help: "Events that a receiver did not take for three days; they are tried again when somebody asks for it.",
      series: all((_, state) => state?.dead ?? 0),
    },
    {
      name: "llm_proxy_outbox_delivered_events_total",
      type: "counter",
      help: "Events that a receiver took.",
      series: all(({ counts }) => counts.delivered),
    },
    {
      name: "llm_proxy_outbox_failures_total",
      type: "counter",
      help: "Events in deliveries that failed, once for each time.",
      series: all(({ counts }) => counts.failed),
    },
  ];
}

/** One object a name: the text of labels is made once. */
const known = new Map<string, MetricSeries["labels"]>();
function labelsOf(receiver: string): MetricSeries["labels"] {
  const labels = known.get(receiver) ?? { receiver };
  known.set(receiver, labels);
  return labels;
}
