import { Buffer } from "node:buffer";

/** Passes bytes on with every secret replaced. */
export interface Redactor {
  push(chunk: Uint8Array): Uint8Array;
  /** What was held back because it could have been the start of a secret. */
  rest(): Uint8Array;
}

const mask = Buffer.from("***");
const nothing = new Uint8Array(0);

/**
 * A provider that repeats our credential in an answer must not hand it to the client. Bytes are held back only while
 * they could be the start of a secret that the next chunk completes; all others pass at once and unchanged.
 */
export function redactor(secrets: readonly string[]): Redactor {
  const needles = secrets.map((secret) => Buffer.from(secret));
  let held: Uint8Array = nothing;
  return {
    push(chunk) {
      let bytes = asBuffer(held.byteLength > 0 ? Buffer.concat([held, chunk]) : chunk);
      for (const needle of needles) bytes = replaceAll(bytes, needle);
      const keep = Math.max(0, ...needles.map((needle) => openTail(bytes, needle)));
      held = keep > 0 ? bytes.subarray(bytes.byteLength - keep) : nothing;
      return keep > 0 ? bytes.subarray(0, bytes.byteLength - keep) : bytes;
    },
    rest() {
      const last = held;
      held = nothing;
      return last;
    },
  };
}

/** The credentials among an upstream request's headers, as a provider would repeat them. */
export const secretsIn = (headers: Readonly<Record<string, string>>): readonly string[] =>
  Object.entries(headers)
    .filter(([name]) => /authorization|cookie|key|token|secret/i.test(name))
    .map(([, value]) => value.replace(/^(?:bearer|basic) +/i, ""))
    .filter((secret) => secret.length >= 8);

function replaceAll(bytes: Buffer, needle: Buffer): Buffer {
  let at = bytes.indexOf(needle);
  if (at < 0) return bytes;
  const parts: Buffer[] = [];
  let from = 0;
  for (; at >= 0; at = bytes.indexOf(needle, from)) {
    parts.push(bytes.subarray(from, at), mask);
    from = at + needle.byteLength;
  }
  return Buffer.concat([...parts, bytes.subarray(from)]);
}

/** How many bytes at the end are a beginning of `needle`. */
function openTail(bytes: Buffer, needle: Buffer): number {
  const first = needle[0];
  if (first === undefined) return 0;
  let at = bytes.indexOf(first, Math.max(0, bytes.byteLength - needle.byteLength + 1));
  for (; at >= 0; at = bytes.indexOf(first, at + 1)) {
    const length = bytes.byteLength - at;
    if (needle.compare(bytes, at, bytes.byteLength, 0, length) === 0) return length;
  }
  return 0;
}

const asBuffer = (bytes: Uint8Array): Buffer =>
  Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
