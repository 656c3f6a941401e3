import type { ConfigSource, DeclaredKey, FileLimit } from "../config/config.ts";
import { ConfigError, type Problem } from "../config/problem.ts";
import type { Awaitable } from "../plugin/plugin.ts";
import type { AccountRepository } from "../storage/database.ts";
import type { KeyRepository } from "../storage/key.ts";

export interface DeclaredLimitsDependencies {
  readonly repository: Pick<KeyRepository, "get">;
  readonly accounts: Pick<AccountRepository, "idOf" | "whyNot">;
  readonly source: ConfigSource;
}

/**
 * The limits of the file with the ids of the accounts that they name. A key of the file keeps its name, as it has an id
 * only once it is made. Throws `ConfigError` with the place of each that names nobody: it would count nothing.
 */
export async function declaredLimits(
  limits: readonly FileLimit[],
  keys: readonly Pick<DeclaredKey, "name">[],
  { repository, accounts, source }: DeclaredLimitsDependencies,
): Promise<readonly FileLimit[]> {
  const found: FileLimit[] = [];
  const problems: Problem[] = [];
  for (const [at, limit] of limits.entries()) {
    const { kind, id } = limit.scope;
    const named = id === null ? null : await idOf(kind, id);
    if (id === null || named !== null) found.push({ ...limit, scope: { kind, id: named } });
    else problems.push(source.problem(["limits", at, "scope", "id"], await whyNobody(kind, id)));
  }
  if (problems.length > 0) throw new ConfigError(problems);
  return found;

  async function idOf(kind: FileLimit["scope"]["kind"], id: string): Promise<string | null> {
    if (kind === "account") return accounts.idOf(id);
    const isThere = kind !== "key" || keys.some(({ name }) => name === id) || (await repository.get(id)) !== null;
    return isThere ? id : null;
  }

  function whyNobody(kind: FileLimit["scope"]["kind"], id: string): Awaitable<string> {
    return kind === "account" ? accounts.whyNot(id) : "no key has this id, and none of the file this name";
  }
}

/** With the ids of the keys of the file, by name. */
export const onKeys = (limits: readonly FileLimit[], ids: ReadonlyMap<string, string>): readonly FileLimit[] =>
  limits.map((limit) => {
    const { kind, id } = limit.scope;
    return kind === "key" && id !== null ? { ...limit, scope: { kind, id: ids.get(id) ?? id } } : limit;
  });
