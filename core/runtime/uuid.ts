/** A UUIDv7 (RFC 9562 §5.7): sorts by the time it was made, to the millisecond. */
export const uuidv7 = (nowMs: number): string =>
  "Bun" in globalThis ? Bun.randomUUIDv7("hex", nowMs) : portableUuidv7(nowMs);

function portableUuidv7(nowMs: number): string {
  const bytes = crypto.getRandomValues(new Uint8Array(10));
  const time = Math.floor(nowMs).toString(16).padStart(12, "0");
  // The version and the variant take the place of the first four bits of `rand_a` and the first two of `rand_b`.
  const a = (0x7000 | (((byte(bytes, 0) & 0x0f) << 8) | byte(bytes, 1))).toString(16);
  const b = (0x8000 | (((byte(bytes, 2) & 0x3f) << 8) | byte(bytes, 3))).toString(16);
  let c = "";
  for (let at = 4; at < 10; at++) c += byte(bytes, at).toString(16).padStart(2, "0");
  return `${time.slice(0, 8)}-${time.slice(8)}-${a}-${b}-${c}`;
}

const byte = (bytes: Uint8Array, at: number): number => bytes[at] ?? 0;
