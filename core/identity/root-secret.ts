import { Buffer } from "node:buffer";
import { timingSafeEqual } from "node:crypto";
import { opened, sealed } from "../runtime/seal.ts";
import type { Database } from "../storage/database.ts";
import { derivedKey, type MasterSecret, SecretError } from "./secret.ts";

/** What all that the database keeps is sealed with and hashed by. */
export interface RootSecret {
  /** The first master secret of this database: a later one only guards it, so that no key changes with it. */
  readonly value: string;
  /** From now on the master secret guards it, and the one before is needed no more. Does nothing where nothing changed. */
  keep(): Promise<void>;
}

const checkSetting = "secret-check";
const rootSetting = "secret-root";

/**
 * Throws `SecretError` when the master secret is not the database's own, nor the one before it: with another no key would be
 * found, and it is better not to start than to refuse every client. Changes nothing until `keep`; with a change of the
 * master secret sessions end, as whoever knew it may hold one.
 */
export async function rootSecret(
  { settings, sessions }: Pick<Database, "settings" | "sessions">,
  secret: MasterSecret,
): Promise<RootSecret> {
  const check = await settings.get(checkSetting);
  const guarded = await settings.get(rootSetting);
  if (check === null) return { value: secret.value, keep: () => begin(settings, secret) };
  if (isCheckOf(check, secret.value)) return { value: rootOf(guarded, [secret.value]), keep: async () => {} };
  const { previous } = secret;
  if (previous === null || !isCheckOf(check, previous))
    throw new SecretError(
      "the master secret is not the one this database was made with: set LLM_PROXY_SECRET, or restore the file `secret`; after a change of the secret, set LLM_PROXY_SECRET_PREVIOUS to the one before it",
    );
  // A process that died between the two writes below has left it under the new one.
  const value = rootOf(guarded, [previous, secret.value]);
  return {
    value,
    async keep() {
      await sessions.removeAll();
      await settings.set(rootSetting, sealed(guardOf(secret.value), [rootSetting], value).toString("base64"));
      await settings.set(checkSetting, checkOf(secret.value).toString("hex"));
    },
  };
}

async function begin(settings: Database["settings"], secret: MasterSecret): Promise<void> {
  secret.keep();
  await settings.set(checkSetting, checkOf(secret.value).toString("hex"));
}

/** Where the master secret never changed, it is the root itself. */
function rootOf(guarded: string | null, [first, ...others]: readonly [string, ...string[]]): string {
  if (guarded === null) return first;
  for (const secret of [first, ...others]) {
    const root = opened(guardOf(secret), [rootSetting], Buffer.from(guarded, "base64"));
    if (root) return root.toString("utf8");
  }
  throw new SecretError("the setting `secret-root` of this database is damaged: restore a backup of it");
}

const guardOf = (secret: string): Buffer => derivedKey(secret, "root");
const checkOf = (secret: string): Buffer => derivedKey(secret, "secret-check");

function isCheckOf(check: string, secret: string): boolean {
  const [kept, own] = [Buffer.from(check), Buffer.from(checkOf(secret).toString("hex"))];
  return kept.length === own.length && timingSafeEqual(kept, own);
}
