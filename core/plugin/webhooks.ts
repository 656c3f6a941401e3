import type { LoadedConfig } from "../config/config.ts";
import { ConfigError } from "../config/problem.ts";
import type { Awaitable, Kind } from "./plugin.ts";

/** What an instance answers at `POST /hooks/NAME`. */
export interface Webhook {
  readonly kind: Kind;
  readonly name: string;
  readonly answer: (request: Request) => Awaitable<Response>;
  /** Covers what is secret in its config. */
  readonly mask: (text: string) => string;
}
export type Webhooks = ReadonlyMap<string, Webhook>;

/** By the name of the instance, which is all that the path says: throws `ConfigError` where two have one. */
export function webhooksOf(all: readonly Webhook[], { source }: Pick<LoadedConfig, "source">): Webhooks {
  const found = new Map<string, Webhook>();
  const problems = all.flatMap((webhook) => {
    const { kind, name } = webhook;
    const other = found.get(name);
    if (!other) return found.set(name, webhook) && [];
    const message = `has a webhook, as ${other.kind}.${name} has, and both would be at /hooks/${name}; name one of them otherwise`;
    return [source.problem([kind, name], message, "key")];
  });
  if (problems.length > 0) throw new ConfigError(problems);
  return found;
}
