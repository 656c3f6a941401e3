import { Buffer } from "node:buffer";
import { hkdfSync } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/** The master secret cannot be used; the message says what to do. */
export class SecretError extends Error {
  override readonly name = "SecretError";
}

const minLength = 16;

export interface MasterSecret {
  readonly value: string;
  /** The one before it, while the change is under way; `null`: none was given. */
  readonly previous: string | null;
  /** Writes a new one into the data folder; call it once it is known that no other secret belongs there. */
  keep(): void;
}

/**
 * The master secret: `LLM_PROXY_SECRET`, else the file `secret` in the data folder, made with mode 0600 at the first
 * start. `LLM_PROXY_SECRET_PREVIOUS` is the one before a change. A secret of white space is refused: it would protect nothing.
 */
export function masterSecret(env: Readonly<Record<string, string | undefined>>, dataDir: string): MasterSecret {
  const given = env.LLM_PROXY_SECRET;
  const before = env.LLM_PROXY_SECRET_PREVIOUS;
  const previous = before === undefined || before === "" ? null : checked(before, "LLM_PROXY_SECRET_PREVIOUS");
  const nothing = () => {};
  if (given !== undefined && given !== "")
    return { value: checked(given, "LLM_PROXY_SECRET"), previous, keep: nothing };
  const path = join(dataDir, "secret");
  const kept = textOf(path);
  if (kept !== null) return { value: checked(kept, "the file `secret` in the data folder"), previous, keep: nothing };
  const value = Buffer.from(crypto.getRandomValues(new Uint8Array(32))).toString("base64url");
  return {
    value,
    previous,
    keep() {
      mkdirSync(dataDir, { recursive: true, mode: 0o700 });
      writeFileSync(path, `${value}\n`, { mode: 0o600, flag: "wx" });
    },
  };
}

/** `null`: there is none. */
function textOf(path: string): string | null {
  try {
    return existsSync(path) ? readFileSync(path, "utf8") : null;
  } catch (error) {
    throw new SecretError(
      `the master secret ${path} cannot be read (${error instanceof Error ? error.message : "unknown reason"}): ` +
        "it must be the file that the first start made, and the user that runs the proxy must be able to read it",
    );
  }
}

function checked(value: string, where: string): string {
  const secret = value.trim();
  if (secret.length < minLength)
    throw new SecretError(`${where} is too short: it needs at least ${minLength} characters`);
  return secret;
}

type Purpose =
  | "admin-token"
  | "api-keys"
  | "config-digests"
  | "content"
  | "credentials"
  | "root"
  | "secret-check"
  | "signatures"
  | "answers"
  | "answer-names"
  | "second-factor"
  | "sign-in";

/** A key of its own for each purpose, so that none helps against another (RFC 5869). */
export const derivedKey = (secret: string, purpose: Purpose): Buffer =>
  Buffer.from(hkdfSync("sha256", secret, "", `llm-proxy ${purpose}`, 32));
