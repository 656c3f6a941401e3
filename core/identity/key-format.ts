import { crc32 } from "node:zlib";

/** A key of ours: `sk-llmp-<public id>-<secret><checksum>`. 43 characters of base62 are 256 random bits. */
const form = /^sk-llmp-([0-9A-Za-z]{12})-([0-9A-Za-z]{43})([0-9A-Za-z]{6})$/;
const alphabet = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
export const checksumLength = 6;

export interface MadeKey {
  /** The whole key; shown once. */
  readonly key: string;
  /** `sk-llmp-<public id>`: safe to show. */
  readonly prefix: string;
  readonly last4: string;
}

export function makeKey(): MadeKey {
  const prefix = `sk-llmp-${randomText(12)}`;
  const body = `${prefix}-${randomText(43)}`;
  const key = body + checksum(body);
  return { key, prefix, last4: key.slice(-4) };
}

/** Whether a credential looks like a key of ours at all, and whether it can be one: typing errors fail the checksum. */
export function inspectKey(credential: string): "not-ours" | "damaged" | "whole" {
  if (!credential.startsWith("sk-llmp-")) return "not-ours";
  if (!form.test(credential)) return "damaged";
  const body = credential.slice(0, -checksumLength);
  return checksum(body) === credential.slice(-checksumLength) ? "whole" : "damaged";
}

/** CRC32 in base62, which secret scanners can verify without asking us. */
export function checksum(text: string): string {
  let rest = crc32(text);
  let digits = "";
  for (let at = 0; at < checksumLength; at++) {
    digits = alphabet.charAt(rest % 62) + digits;
    rest = Math.floor(rest / 62);
  }
  return digits;
}

export function randomText(length: number): string {
  let text = "";
  while (text.length < length) {
    for (const byte of crypto.getRandomValues(new Uint8Array(length * 2))) {
      // 248 = 4 × 62: above it, some characters would be more likely than others.
      if (byte < 248 && text.length < length) text += alphabet.charAt(byte % 62);
    }
  }
  return text;
}
