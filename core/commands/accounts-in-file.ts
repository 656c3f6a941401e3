import type { Config } from "../config/config.ts";
import type { Plugins } from "../plugin/setup.ts";

/** Ids, names and paths by which a config names accounts, without each of which it could not be used. */
export const accountsIn = (
  { keys, limits }: Pick<Config, "keys" | "limits">,
  { held }: Pick<Plugins, "held">,
): readonly string[] => [
  ...new Set([
    ...keys.map(({ account }) => account),
    ...limits.flatMap(({ scope: { kind, id } }) => (kind === "account" && id !== null ? [id] : [])),
    ...held.flatMap(({ accountsAsked }) => accountsAsked),
  ]),
];
