import { targetLoads } from "../pipeline/loads.ts";
import type { Services } from "../pipeline/services.ts";
import { goByLoad, modelTable } from "../pipeline/models.ts";
import { tokenizerThread } from "../pipeline/tokenizer/tokenizer.ts";
import type { Plugins } from "../plugin/setup.ts";

/** What the stages get of the plugins, and of what depends on them alone. */
export function servicesOf(
  plugins: Plugins,
  providers: Services["providers"],
  aliases: Parameters<typeof modelTable>[0],
  now: () => number,
) {
  const loads = goByLoad(aliases) ? targetLoads(now) : null;
  return {
    database: plugins.database,
    providers,
    loads,
    models: modelTable(aliases, providers, plugins.billing?.slot ?? null, { loads, now }),
    auth: plugins.auth,
    rateLimit: plugins.rateLimit,
    billing: plugins.billing,
    tokenizer: tokenizerThread(),
    observers: plugins.observer.filter(({ slot }) => slot.callEnded !== undefined || slot.metrics !== undefined),
  };
}
