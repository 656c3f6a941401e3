import { Buffer } from "node:buffer";
import { opened, sealed } from "../runtime/seal.ts";
import type { PeopleRepository } from "../storage/people.ts";
import { randomText } from "./key-format.ts";
import { digestOf } from "./person.ts";

/** Loaded when somebody has a second factor. */
const library = () => import("otpauth");

const stepMs = 30_000;
const enrolmentMs = 15 * 60_000;
const recoveryCodes = 10;

/** What an authenticator app takes, and the same sealed, to come back with the first code: nothing is kept until then. */
export interface Enrolment {
  /** Base32. */
  readonly secret: string;
  /** `otpauth://…`, as a QR code holds it. */
  readonly uri: string;
  readonly enrolment: string;
}

/** The second factor of people: six digits every 30 seconds (RFC 6238), or a recovery code, each taken once. */
export interface SecondFactor {
  begin(person: { readonly id: string; readonly email: string }): Promise<Enrolment>;
  /** What was begun, once more; `null`: it is over or another's. */
  begun(person: { readonly id: string; readonly email: string }, enrolment: string): Promise<Enrolment | null>;
  /** The recovery codes, shown once; `null`: the code is wrong, or the enrolment is over or another's. */
  confirm(personId: string, enrolment: string, code: string): Promise<readonly string[] | null>;
  take(personId: string, kept: Uint8Array, code: string): Promise<boolean>;
}

export interface SecondFactorDependencies {
  readonly people: Pick<PeopleRepository, "setTotp" | "takeStep" | "takeRecovery">;
  /** 32 bytes, for this purpose alone. */
  readonly key: Buffer;
  readonly now: () => number;
}

export function secondFactor({ people, key, now }: SecondFactorDependencies): SecondFactor {
  /** A step before and after the current one, as clocks differ (RFC 6238 §5.2). */
  async function stepOf(secret: string, code: string): Promise<number | null> {
    if (!/^\d{6}$/.test(code)) return null;
    const timestamp = now();
    const delta = (await totpOf(secret)).validate({ token: code, timestamp, window: 1 });
    return delta === null ? null : Math.floor(timestamp / stepMs) + delta;
  }
  /** `null`: it is over or another's. */
  function secretIn(personId: string, enrolment: string): string | null {
    const plain = opened(key, ["totp-enrolment", personId], Buffer.from(enrolment, "base64url"));
    if (plain === null) return null;
    // Only we could seal it.
    const { secret, untilMs } = JSON.parse(plain.toString()) as { readonly secret: string; readonly untilMs: number };
    return untilMs > now() ? secret : null;
  }
  const shown = async (secret: string, email: string, enrolment: string): Promise<Enrolment> => ({
    secret,
    uri: (await totpOf(secret, email)).toString(),
    enrolment,
  });
  return {
    async begin({ id, email }) {
      const { Secret } = await library();
      const secret = new Secret({ size: 20 }).base32;
      const untilMs = now() + enrolmentMs;
      const kept = sealed(key, ["totp-enrolment", id], JSON.stringify({ secret, untilMs }));
      return shown(secret, email, kept.toString("base64url"));
    },
    async begun({ id, email }, enrolment) {
      const secret = secretIn(id, enrolment);
      return secret === null ? null : shown(secret, email, enrolment);
    },
    async confirm(personId, enrolment, code) {
      const secret = secretIn(personId, enrolment);
      const step = secret === null ? null : await stepOf(secret, plainCode(code));
      if (secret === null || step === null || !(await people.takeStep(personId, step))) return null;
      const codes = Array.from({ length: recoveryCodes }, () => `${randomText(5)}-${randomText(5)}`);
      await people.setTotp(personId, {
        secret: sealed(key, ["totp", personId], secret),
        recovery: codes.map((one) => digestOf(`${personId} ${one}`)),
      });
      return codes;
    },
    async take(personId, kept, code) {
      const typed = plainCode(code);
      if (/^[0-9A-Za-z]{5}-[0-9A-Za-z]{5}$/.test(typed))
        return people.takeRecovery(personId, digestOf(`${personId} ${typed}`));
      const secret = opened(key, ["totp", personId], kept);
      if (secret === null) throw new Error("a second factor was sealed with another master secret");
      const step = await stepOf(secret.toString(), typed);
      return step !== null && people.takeStep(personId, step);
    },
  };
}

/** @param secret Base32. */
async function totpOf(secret: string, label = "") {
  const { TOTP } = await library();
  return new TOTP({ issuer: "LLM Proxy", label, algorithm: "SHA1", digits: 6, period: stepMs / 1_000, secret });
}

/** Apps show codes with a space in the middle. */
const plainCode = (code: string): string => code.replace(/\s/g, "");
