import { Buffer } from "node:buffer";
import { createCipheriv, createDecipheriv, hash, randomBytes } from "node:crypto";

const nonceBytes = 12;
const tagBytes = 16;

/**
 * AES-256-GCM (NIST SP 800-38D): nonce, tag, then the text. What it is kept as (`place`: whose, and which one) is bound in,
 * so that nothing opens in another place than its own. `key` is 32 bytes, of a purpose of its own; a random nonce serves
 * 2^32 texts of one key.
 */
export function sealed(key: Buffer, place: readonly string[], plain: string | Uint8Array): Buffer {
  const nonce = randomBytes(nonceBytes);
  const cipher = createCipheriv("aes-256-gcm", key, nonce).setAAD(boundTo(place));
  const first = typeof plain === "string" ? cipher.update(plain, "utf8") : cipher.update(plain);
  const last = cipher.final();
  return Buffer.concat([nonce, cipher.getAuthTag(), first, last]);
}

/** `null`: made with another key, for another place, or damaged. */
export function opened(key: Buffer, place: readonly string[], bytes: Uint8Array): Buffer | null {
  if (bytes.byteLength < nonceBytes + tagBytes) return null;
  const nonce = bytes.subarray(0, nonceBytes);
  const tag = bytes.subarray(nonceBytes, nonceBytes + tagBytes);
  try {
    const cipher = createDecipheriv("aes-256-gcm", key, nonce, { authTagLength: tagBytes });
    cipher.setAAD(boundTo(place)).setAuthTag(tag);
    return Buffer.concat([cipher.update(bytes.subarray(nonceBytes + tagBytes)), cipher.final()]);
  } catch {
    return null;
  }
}

export interface KeyRing {
  /** By the first key. */
  seal(place: readonly string[], plain: string): Buffer;
  /** By whichever key it was sealed with; `null`: by none of them, for another place, or damaged. */
  open(place: readonly string[], bytes: Uint8Array): { readonly plain: Buffer; readonly isCurrent: boolean } | null;
}

/** Of the first key, which seals, and those before it, which only open. What is sealed begins with the name of its key. */
export function keyRing(current: Buffer, previous: readonly Buffer[]): KeyRing {
  const keys = [current, ...previous].map((key) => ({ key, name: nameOf(key) }));
  return {
    seal: (place, plain) => Buffer.concat([nameOf(current), sealed(current, place, plain)]),
    open(place, bytes) {
      const named = keys.find(({ name }) => name.equals(bytes.subarray(0, keyNameBytes)));
      const plain = named ? opened(named.key, place, bytes.subarray(keyNameBytes)) : null;
      return plain && { plain, isCurrent: named?.key === current };
    },
  };
}

const keyNameBytes = 4;
const nameOf = (key: Buffer): Buffer => Buffer.from(hash("sha256", key, "hex"), "hex").subarray(0, keyNameBytes);

const boundTo = (place: readonly string[]): Buffer => Buffer.from(JSON.stringify(place));
