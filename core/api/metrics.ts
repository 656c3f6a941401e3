import type { Outbox } from "../outbox/outbox.ts";
import { answerHeaders } from "../pipeline/answer-headers.ts";
import type { Services } from "../pipeline/services.ts";
import { tallied } from "../plugin/hook-tally.ts";
import type { Observer } from "../plugin/plugin.ts";
import type { Instance } from "../plugin/slots.ts";
import type { Entrance } from "./entrance.ts";
import { exposition, expositionType } from "./exposition.ts";
import { type ProcessMetricsInput, processMetrics } from "./process-metrics.ts";

export interface MetricsDependencies extends Pick<ProcessMetricsInput, "lag" | "strays" | "troubles" | "config"> {
  readonly services: ProcessMetricsInput["services"] & Pick<Services, "observers" | "logger">;
  readonly entrance: Entrance;
  readonly outbox: Pick<Outbox, "metrics">;
  readonly version: string;
}

/**
 * `GET /metrics`: the gauges of the process, then what observers counted. Without an observer that counts it still
 * answers, and says in a comment what is missing.
 */
export function metricsRoute({
  services,
  entrance,
  lag,
  strays,
  troubles,
  config,
  outbox,
  version,
}: MetricsDependencies) {
  const { observers } = services;
  const isOpen = observers.some(({ slot }) => slot.openMetrics === true);

  const isKnown = async (request: Request) => (await entrance.actorOf(request, gate.session)) !== null;

  async function answer(known: boolean): Promise<Response> {
    const taken = new Set<string>();
    let text = await exposition(
      processMetrics({ services, lag, strays, troubles, config, version: known ? version : null }),
      taken,
    );
    text += await exposition(await outbox.metrics(), taken);
    for (const observer of observers) text += await listed(observer, taken, services);
    if (!taken.has("llm_proxy_calls_total")) text += notCounted;
    return new Response(text, { headers });
  }

  return {
    method: "GET" as const,
    path: "/metrics",
    access: isOpen ? ("public" as const) : ("admin" as const),
    permission: isOpen ? null : gate.permission,
    handle: (request: Request) =>
      isOpen
        ? // Whoever cannot be known is a stranger, and strangers may read.
          entrance.answered(async () => answer(await isKnown(request).catch(() => false)))
        : entrance.guarded(request, gate, () => answer(true)),
  };
}

const gate = { permission: "metrics.read", session: true, route: "GET /metrics" } as const;

const headers = {
  "content-type": expositionType,
  ...answerHeaders,
  vary: "Cookie, Authorization",
};

const notCounted = "# Calls, tokens and cost are not counted: the observer section of the config has no prometheus.\n";

/** Observers fail open: the metrics of one that throws are missing, and the log says why. */
async function listed(
  { name, slot }: Instance<Observer>,
  taken: Set<string>,
  { logger }: Pick<Services, "logger">,
): Promise<string> {
  const { metrics } = slot;
  if (!metrics) return "";
  try {
    return await tallied("observer", name, "metrics", () => exposition(metrics.call(slot), taken));
  } catch (error) {
    logger.warn({ plugin: `observer/${name}`, error }, "an observer could not list its metrics");
    return "";
  }
}
