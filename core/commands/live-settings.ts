import { compiledPatterns } from "../config/patterns.ts";
import type { Settings } from "../config/settings.ts";
import type { ContentSettings } from "../pipeline/content/log.ts";

/**
 * Settings of parts that last as long as the process, because what they count must outlive a reload. They read these
 * objects each time; a reload changes what stands in them.
 */
export interface LiveSettings extends Pick<
  Settings,
  "attempts" | "breaker" | "bulkhead" | "idempotency" | "overload" | "timeouts"
> {
  readonly content: ContentSettings;
}

export const liveSettings = async (settings: Settings): Promise<LiveSettings> => ({
  attempts: { ...settings.attempts },
  breaker: { ...settings.breaker },
  bulkhead: { ...settings.bulkhead },
  idempotency: { ...settings.idempotency },
  overload: { ...settings.overload },
  timeouts: { ...settings.timeouts },
  content: await contentSettings(settings),
});

/** From the next look on. */
export function become(live: LiveSettings, next: LiveSettings): void {
  replace(live.attempts, next.attempts);
  replace(live.breaker, next.breaker);
  replace(live.bulkhead, next.bulkhead);
  replace(live.idempotency, next.idempotency);
  replace(live.overload, next.overload);
  replace(live.timeouts, next.timeouts);
  replace(live.content, next.content);
}

async function contentSettings({ content: { redact, ...sizes } }: Settings): Promise<ContentSettings> {
  return { ...sizes, patterns: await compiledPatterns(redact) };
}

function replace<Of extends object>(old: Of, next: Of): void {
  for (const name of Object.keys(old)) if (!(name in next)) Reflect.deleteProperty(old, name);
  Object.assign(old, next);
}
