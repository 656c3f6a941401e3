import { createHash } from "node:crypto";
import { GatewayError } from "../chat/error.ts";
import type { ConfigSource, DeclaredKey } from "../config/config.ts";
import { ConfigError } from "../config/problem.ts";
import { inspectKey } from "../identity/key-format.ts";
import type { Keys } from "../identity/keys.ts";
import { asAuthor, authorOf } from "../storage/audit-author.ts";
import type { AccountRepository } from "../storage/database.ts";
import type { KeyRepository, NewKey, StoredSecret } from "../storage/key.ts";

export interface DeclaredKeysDependencies {
  readonly repository: KeyRepository;
  readonly accounts: Pick<AccountRepository, "idOf" | "whyNot">;
  readonly keys: Keys;
  readonly source: ConfigSource;
  readonly now: () => number;
  readonly newId: () => string;
}

/**
 * Makes the keys of the config file what it says, and returns their ids by name. Throws `ConfigError` with the place of
 * the key that cannot be made.
 */
export async function declareKeys(
  declared: readonly DeclaredKey[],
  { repository, accounts, keys, source, now, newId }: DeclaredKeysDependencies,
): Promise<ReadonlyMap<string, string>> {
  const createdMs = now();
  const made = await Promise.all(
    declared.map(async ({ name, secret, account, ...terms }): Promise<NewKey> => {
      const accountId = await accounts.idOf(account);
      if (accountId === null)
        throw new ConfigError([source.problem(["keys", name, "account"], await accounts.whyNot(account))]);
      return { ...terms, ...secretOf(keys, secret), id: newId(), name, accountId, declaredAs: name, createdMs };
    }),
  );
  try {
    const rows = await asAuthor(configFile, () => repository.declare(made, createdMs));
    for (const { id } of rows) keys.forget(id);
    return new Map(rows.flatMap(({ declaredAs, id }) => (declaredAs === null ? [] : [[declaredAs, id]])));
  } catch (error) {
    if (!(error instanceof GatewayError) || error.details.param === undefined) throw error;
    throw new ConfigError([source.problem(["keys", error.details.param], error.message)]);
  }
}

const configFile = authorOf("config-file", "config file");

/** A key of our own form is looked for as one; another by its hash, as those that were made elsewhere. */
function secretOf(keys: Keys, secret: DeclaredKey["secret"]): StoredSecret {
  if ("sha256" in secret)
    return { digest: keys.digestOfHash(secret.sha256), prefix: "declared", last4: "????", imported: true };
  const { key } = secret;
  const last4 = key.slice(-4);
  if (inspectKey(key) === "whole")
    return { digest: keys.digest(key), prefix: key.slice(0, 20), last4, imported: false };
  const sha256 = createHash("sha256").update(key).digest("hex");
  return { digest: keys.digestOfHash(sha256), prefix: "declared", last4, imported: true };
}
