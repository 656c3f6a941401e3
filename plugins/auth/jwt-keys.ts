import { createLocalJWKSet, type JSONWebKeySet, type JWTVerifyGetKey } from "jose";
import type { Context } from "llm-proxy/plugin";

/** The issuer's keys as they were read once. The same object as long as the issuer shows the same keys. */
export interface KeySet {
  readonly keyOf: JWTVerifyGetKey;
  /** To tell a changed set from the same one. */
  readonly text: string;
}

/** Where the keys of an issuer are kept: read when a token needs them, never at the boot. */
export interface KeyStore {
  /** The set in use; `null`: there is none that may be used before a new one was looked for. Starts a look when it is due. */
  current(): KeySet | null;
  /** After a look if one is due or on its way. `null`: the keys cannot be had, and what was known is too old. */
  settled(): Promise<KeySet | null>;
  /** For a token whose key is not in `old`: a set that the issuer shows since, or `null`. */
  newerThan(old: KeySet): Promise<KeySet | null>;
  /** Whole seconds ≥ 1 until the issuer is asked again. */
  retryAfterSeconds(): number;
}

/** In use, a set is looked at again behind the caller's back. */
const refreshAfterMs = 5 * 60_000;
/** Beyond it a caller waits for the look, so that a key that the issuer took back is refused from here on. */
const maxAgeMs = 10 * 60_000;
/** Between two looks, whoever asks: a thousand tokens with made-up key ids cost the issuer one request. */
const cooldownMs = 10_000;
/** The same while there is no set at all, so that an issuer that comes back is found soon. */
const emptyCooldownMs = 4_000;

/** `staleMs`: how long a set is used that the issuer could not be asked for again. */
export function keyStore(
  read: () => Promise<JSONWebKeySet>,
  { now, logger }: Pick<Context, "now" | "logger">,
  staleMs: number,
): KeyStore {
  let set: KeySet | null = null;
  let readMs = 0;
  let askedMs = Number.NEGATIVE_INFINITY;
  let failed = false;
  let pending: Promise<void> | null = null;

  const usable = (): KeySet | null => (set !== null && now() - readMs <= staleMs ? set : null);
  const cooldown = () => (usable() === null ? emptyCooldownMs : cooldownMs);
  /** A clock that was set back has waited long enough. */
  const mayAsk = () => now() < askedMs || now() - askedMs >= cooldown();

  async function look(): Promise<void> {
    try {
      const keys = await read();
      const text = JSON.stringify(keys);
      if (set?.text !== text) set = { keyOf: createLocalJWKSet(keys), text };
      readMs = now();
      failed = false;
    } catch (error) {
      failed = true;
      logger.warn(
        { error, keys: usable() === null ? "none" : "those of before" },
        "the keys of the issuer cannot be read",
      );
    }
  }

  function ask(): Promise<void> | null {
    if (pending || !mayAsk()) return pending;
    askedMs = now();
    pending = look().finally(() => {
      pending = null;
    });
    return pending;
  }

  return {
    current() {
      const known = usable();
      if (known === null) return null;
      const ageMs = now() - readMs;
      if (ageMs < refreshAfterMs) return known;
      const waits = ageMs >= maxAgeMs && !failed;
      if (!waits) void ask();
      return waits ? null : known;
    },
    async settled() {
      await ask();
      return usable();
    },
    async newerThan(old) {
      await ask();
      const known = usable();
      return known === old ? null : known;
    },
    retryAfterSeconds: () => Math.max(1, Math.ceil((askedMs + cooldown() - now()) / 1_000)),
  };
}

/** Keys that never change: of the file. */
export function fixedKeys(keys: JSONWebKeySet): KeyStore {
  const set: KeySet = { keyOf: createLocalJWKSet(keys), text: JSON.stringify(keys) };
  return fixed(set);
}

/** One secret that issuer and proxy share. */
export const sharedSecret = (secret: Uint8Array): KeyStore => fixed({ keyOf: () => secret, text: "" });

const fixed = (set: KeySet): KeyStore => ({
  current: () => set,
  settled: () => Promise.resolve(set),
  newerThan: () => Promise.resolve(null),
  retryAfterSeconds: () => 1,
});
