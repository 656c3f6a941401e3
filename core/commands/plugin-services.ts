import { modelTable } from "../pipeline/models.ts";
import { tokenizerThread } from "../pipeline/tokenizer/tokenizer.ts";
import type { Plugins } from "../plugin/setup.ts";

/** What the stages get of the plugins, and of what depends on them alone. */
export const servicesOf = (plugins: Plugins, aliases: Parameters<typeof modelTable>[0]) => ({
  database: plugins.database,
  providers: plugins.providers,
  models: modelTable(aliases, plugins.providers, plugins.billing?.slot ?? null),
  auth: plugins.auth,
  rateLimit: plugins.rateLimit,
  billing: plugins.billing,
  tokenizer: tokenizerThread(),
  observers: plugins.observer.filter(({ slot }) => slot.callEnded !== undefined || slot.metrics !== undefined),
});
