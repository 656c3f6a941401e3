import { isDeepStrictEqual } from "node:util";
import type { AliasTarget, Config } from "./config.ts";
import { didYouMean } from "./nearest.ts";
import type { Path } from "./problem.ts";
import type { ConfigFile } from "./schema.ts";

export interface Finding {
  readonly path: Path;
  readonly message: string;
  readonly at?: "key" | "value";
}

/** Longer chains of aliases are mistakes, and would be slow. */
const maxChain = 10;

/** Aliases must end at providers that exist, on every path, and hide nothing. */
export function checkAliases(
  { models, provider }: Pick<Config, "models" | "provider">,
  written: ConfigFile["models"],
): Finding[] {
  const findings: Finding[] = [];
  const aliases = new Map(Object.entries(models));
  const providers = Object.keys(provider);

  for (const [name, { strategy, targets, shadow }] of aliases) {
    if (shadow) {
      const message = aliases.has(shadow.target)
        ? `"${shadow.target}" is an alias; a shadow is one target, written instance/model`
        : targetTrouble(shadow.target, aliases, providers);
      if (message !== null) findings.push({ path: ["models", name, "shadow", "target"], message });
    }
    const owner = providers.find((instance) => name.startsWith(`${instance}/`));
    if (owner !== undefined)
      findings.push({
        path: ["models", name],
        at: "key",
        message: `hides models of provider "${owner}": an alias cannot begin with "${owner}/"`,
      });
    findings.push(...checkTerms(name, targets, targetsOf(name, written)));
    targets.forEach((entry, index) => {
      const { target } = entry;
      const isTwice = targets.slice(0, index).some((before) => isForTheSame(before, entry));
      const message = isTwice
        ? `"${target}" is listed twice${entry.when || entry.canary ? " for the same calls" : ""}`
        : targetTrouble(target, aliases, providers);
      if (message !== null) findings.push({ path: [...targetsOf(name, written), index], message });
    });
    const usual = targets.filter(({ canary }) => !canary);
    if (
      (strategy === "weighted" || strategy === "sticky") &&
      usual.length > 0 &&
      usual.every(({ weight }) => weight === 0)
    )
      findings.push({ path: ["models", name], message: "all weights are 0, so nothing would ever be chosen" });
  }
  return [...findings, ...checkChains(models)];
}

/** One target may be there several times, with other settings for other calls. */
const isForTheSame = (one: AliasTarget, other: AliasTarget): boolean =>
  one.target === other.target && isDeepStrictEqual(one.when, other.when) && isDeepStrictEqual(one.canary, other.canary);

/** How the conditions and shares of one alias fit together. */
function checkTerms(name: string, targets: readonly AliasTarget[], at: Path): Finding[] {
  const findings: Finding[] = [];
  if (targets.every(({ canary }) => canary))
    findings.push({
      path: ["models", name],
      message: "every target is a canary, so nobody would take the other calls",
    });
  for (const [index, { when: { headers = {}, content, tokens } = {}, canary, weight }] of targets.entries()) {
    const find = (path: Path, message: string) => void findings.push({ path: [...at, index, ...path], message });
    if (canary && weight !== 1) find(["weight"], "a canary has a share of its own, and no weight");
    const secret = Object.keys(headers).find((header) => credentialHeaders.has(header));
    if (secret !== undefined) find(["when", "headers"], `${secret} holds a credential, which decides nothing here`);
    const both = content?.with.find((kind) => content.without.includes(kind));
    if (both !== undefined) find(["when", "content"], `"${both}" cannot be both with and without`);
    if (tokens && (tokens.above ?? -1) >= (tokens.upTo ?? Infinity))
      find(["when", "tokens"], "no input is above and up to these");
  }
  return findings;
}

const credentialHeaders: ReadonlySet<string> = new Set([
  "authorization",
  "proxy-authorization",
  "cookie",
  "x-api-key",
  "api-key",
  "x-goog-api-key",
]);

const targetsOf = (name: string, written: ConfigFile["models"]): Path =>
  Array.isArray(written?.[name]) ? ["models", name] : ["models", name, "targets"];

function targetTrouble(
  target: string,
  aliases: ReadonlyMap<string, unknown>,
  providers: readonly string[],
): string | null {
  if (aliases.has(target)) return null;
  const slash = target.indexOf("/");
  if (slash === -1)
    return `"${target}" is no alias; a target is written instance/model${didYouMean(target, aliases.keys())}`;
  const instance = target.slice(0, slash);
  if (!providers.includes(instance)) return `no provider instance "${instance}"${didYouMean(instance, providers)}`;
  return slash === target.length - 1 ? `the model is missing after "${target}"` : null;
}

function checkChains(models: Config["models"]): Finding[] {
  const findings: Finding[] = [];
  const known = new Map<string, number>();

  /** How many aliases the longest way from here passes. A circle is reported where it closes. */
  const depthOf = (name: string, trail: readonly string[]): number => {
    const start = trail.indexOf(name);
    if (start !== -1) {
      findings.push({
        path: ["models", name],
        at: "key",
        message: `goes round in a circle: ${[...trail.slice(start), name].join(" → ")}`,
      });
      return 0;
    }
    const alias = Object.hasOwn(models, name) ? models[name] : undefined;
    // Far past the limit it has been reported already; going on would only fill the stack.
    if (alias === undefined || trail.length > 5 * maxChain) return 0;
    const depth =
      known.get(name) ?? 1 + Math.max(...alias.targets.map(({ target }) => depthOf(target, [...trail, name])));
    known.set(name, depth);
    return depth;
  };

  for (const name of Object.keys(models)) depthOf(name, []);
  for (const [name, depth] of known) {
    // The first alias that is too far away; those before it are too.
    if (depth === maxChain + 1)
      findings.push({ path: ["models", name], at: "key", message: `leads through more than ${maxChain} aliases` });
  }
  return findings;
}
