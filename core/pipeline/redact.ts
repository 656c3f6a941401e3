import { Buffer } from "node:buffer";

const mask = Buffer.from("***");

/** Secrets, as the bytes to look for. */
export type Needles = readonly Buffer[];

/**
 * A provider that repeats our credential in an answer must not hand it to the client: every secret in it is replaced.
 * The same bytes where it holds none. Of a stream, `whole` are whole events.
 */
export function redacted(whole: Uint8Array, needles: Needles): Uint8Array {
  if (needles.length === 0) return whole;
  let bytes = asBuffer(whole);
  for (const needle of needles) bytes = replaceAll(bytes, needle);
  return bytes;
}

/** The credentials among an upstream request's headers, as a provider would repeat them. */
export function secretsIn(headers: Readonly<Record<string, string>>): Needles {
  const needles: Buffer[] = [];
  for (const name in headers) {
    const value = headers[name];
    if (value === undefined || !mayBeSecret(name)) continue;
    const needle = needleOf(value);
    if (needle.byteLength >= leastSecretBytes) needles.push(needle);
  }
  return needles;
}

/** Shorter ones would be found everywhere. */
const leastSecretBytes = 8;

const mayBeSecret = remembered((name) => /authorization|cookie|key|token|secret/i.test(name));
const needleOf = remembered((value) => Buffer.from(value.replace(/^(?:bearer|basic) +/i, "")));

/** Every call to a provider carries the same few headers. */
function remembered<Made>(make: (text: string) => Made): (text: string) => Made {
  const known = new Map<string, Made>();
  return (text) => {
    const found = known.get(text);
    if (found !== undefined) return found;
    if (known.size >= maxRemembered) known.clear();
    const made = make(text);
    known.set(text, made);
    return made;
  };
}

const maxRemembered = 1_000;

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

const asBuffer = (bytes: Uint8Array): Buffer =>
  Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
