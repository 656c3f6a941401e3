import type { Services } from "../pipeline/services.ts";
import { modelTable } from "../pipeline/models.ts";
import { tokenizerThread } from "../pipeline/tokenizer/tokenizer.ts";
import type { Plugins } from "../plugin/setup.ts";

/** What the stages get of the plugins, and of what depends on them alone. */
export const servicesOf = (
  plugins: Plugins,
  providers: Services["providers"],
  aliases: Parameters<typeof modelTable>[0],
) => ({
  database: plugins.database,
  providers,
  models: modelTable(aliases, providers, plugins.billing?.slot ?? null),
  auth: plugins.auth,
  rateLimit: plugins.rateLimit,
  billing: plugins.billing,
  tokenizer: tokenizerThread(),
  observers: plugins.observer.filter(({ slot }) => slot.callEnded !== undefined || slot.metrics !== undefined),
});
