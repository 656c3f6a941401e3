import type { Alias, AliasConditions, AliasShadow, AliasTarget } from "./config.ts";
import type { AliasEntry, AliasTargetEntry } from "./models-schema.ts";

/** An alias of the file with every default in place, every short form written out. */
export function aliasOf(alias: AliasEntry): Alias {
  const { strategy, targets, shadow } = "targets" in alias ? alias : { targets: alias };
  return {
    strategy: strategy ?? "ordered",
    targets: targets.map((entry) => (typeof entry === "string" ? { target: entry, weight: 1 } : targetOf(entry))),
    ...(shadow && { shadow: shadowOf(shadow) }),
  };
}

const shadowOf = ({
  target,
  percent = 100,
  maxInFlight = 10,
  account,
  ...changes
}: NonNullable<Exclude<AliasEntry, readonly unknown[]>["shadow"]>): AliasShadow => ({
  target,
  percent,
  maxInFlight,
  account: account ?? null,
  ...parametersOf(changes),
});

function parametersOf({ drop = [], defaults = {} }: Pick<AliasTargetEntry, "drop" | "defaults">) {
  return drop.length > 0 || Object.keys(defaults).length > 0 ? { parameters: { drop, defaults } } : {};
}

const targetOf = ({ target, weight = 1, when, canary, ...changes }: AliasTargetEntry): AliasTarget => ({
  target,
  weight,
  ...(when && { when: conditionsOf(when) }),
  ...(canary !== undefined && {
    canary: typeof canary === "number" ? { percent: canary, by: "caller" } : { by: "caller", ...canary },
  }),
  ...parametersOf(changes),
});

function conditionsOf({
  account,
  headers,
  operations,
  content,
  tokens,
}: NonNullable<AliasTargetEntry["when"]>): AliasConditions {
  return {
    ...(account && { account: listsOf(account) }),
    ...(headers && { headers: listsOf(headers, (name) => name.toLowerCase()) }),
    ...(operations && { operations }),
    ...(content && { content: { with: content.with ?? [], without: content.without ?? [] } }),
    ...(tokens && { tokens }),
  };
}

const listsOf = (
  texts: Readonly<Record<string, string | readonly string[]>>,
  nameOf: (name: string) => string = (name) => name,
): Readonly<Record<string, readonly string[]>> =>
  Object.fromEntries(
    Object.entries(texts).map(([name, value]) => [nameOf(name), typeof value === "string" ? [value] : value]),
  );
