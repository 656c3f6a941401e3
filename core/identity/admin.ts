import { Buffer } from "node:buffer";
import { createHash, createHmac, timingSafeEqual } from "node:crypto";
import type { Database, SettingRepository } from "../storage/database.ts";
import type { SessionRepository } from "../storage/people.ts";
import { SecretError } from "./secret.ts";

const tokenSetting = "admin-token";
/** By what that of the environment is known again; empty: there was none. */
const givenSetting = "admin-token-given";
/** Its hash and its end. */
const linkSetting = "login-link";
/** As an invitation. */
const linkMs = 7 * 24 * 3_600_000;

/** The operator's own credential: for the admin API, and to log in to the dashboard. */
export interface Admin {
  /**
   * Once at the start, before anything is answered: where the environment gives another token than at the last one, what
   * the one before opened ends. `key`: 32 bytes, without which nobody can try out what a chosen text may be.
   */
  adopt(key: Buffer): Promise<void>;
  verify(token: string): Promise<boolean>;
  /** Whether it is that of the first start, nobody has used it, and it is needed: no owner can sign in yet. */
  isLoginLink(token: string): Promise<boolean>;
  /** `true` once for the link of the first start, `false` ever after. */
  takeLoginLink(token: string): Promise<boolean>;
}

/**
 * `given`: `LLM_PROXY_ADMIN_TOKEN`; it holds alone when it is set. Else the hash in the database decides. Throws
 * `SecretError` for white space, which would let anybody in.
 */
export function adminOf(
  { settings, people, sessions }: Pick<Database, "settings" | "people" | "sessions">,
  given: string | undefined,
  now: () => number,
): Admin {
  const text = given === undefined || given === "" ? null : nonBlank(given);
  const own = text === null ? null : hash(text);
  /** The stored link that the token is of. */
  async function linkOf(token: string): Promise<string | null> {
    const kept = await settings.get(linkSetting);
    // One of before links had an end is over.
    const [digest = "", expiresMs = 0] = kept?.split(" ") ?? [];
    const holds = kept !== null && isHashOf(token, digest) && now() < Number(expiresMs) && !(await people.hasOwner());
    return holds ? kept : null;
  }
  return {
    async adopt(key) {
      const mark = text === null ? "" : createHmac("sha256", key).update(text).digest("hex");
      if (mark === ((await settings.get(givenSetting)) ?? "")) return;
      await endSessions(sessions, now());
      await voidLoginLink(settings);
      await settings.set(givenSetting, mark);
    },
    async verify(token) {
      // Read each time: `admin-token --new` may have changed it beside the running process.
      return isHashOf(token, own ?? (await settings.get(tokenSetting)));
    },
    isLoginLink: async (token) => (await linkOf(token)) !== null,
    async takeLoginLink(token) {
      const kept = await linkOf(token);
      return kept !== null && settings.take(linkSetting, kept);
    },
  };
}

/** Without the line end that a file or a shell may have left on it. */
function nonBlank(given: string): string {
  const token = given.trim();
  if (token === "") throw new SecretError("LLM_PROXY_ADMIN_TOKEN is blank: unset it, or set it to a long random text");
  return token;
}

/** Makes a random token, keeps its hash and returns it; whatever token there was is void, and so is the login link. */
export async function newAdminToken(settings: SettingRepository): Promise<string> {
  const token = randomToken();
  await settings.set(tokenSetting, hash(token));
  await voidLoginLink(settings);
  return token;
}

/** Those of whoever held the admin token. */
export async function endSessions(sessions: SessionRepository, nowMs: number): Promise<void> {
  for (const { digest } of await sessions.list(null, nowMs)) await sessions.remove(digest);
}

export const hasAdminToken = async (settings: SettingRepository): Promise<boolean> =>
  (await settings.get(tokenSetting)) !== null;

/** A token for a link that logs in once. */
export async function newLoginLink(settings: SettingRepository, nowMs: number): Promise<string> {
  const token = randomToken();
  await settings.set(linkSetting, `${hash(token)} ${nowMs + linkMs}`);
  return token;
}

async function voidLoginLink(settings: SettingRepository): Promise<void> {
  const link = await settings.get(linkSetting);
  if (link !== null) await settings.take(linkSetting, link);
}

const isHashOf = (token: string, expected: string | null): boolean =>
  expected !== null && timingSafeEqual(Buffer.from(hash(token)), Buffer.from(expected));

/** Random 256 bits need no slow hash: there is nothing to guess. */
const hash = (token: string): string => createHash("sha256").update(token).digest("hex");

const randomToken = (): string => Buffer.from(crypto.getRandomValues(new Uint8Array(32))).toString("base64url");
