import { setImmediate } from "node:timers";

/** Smaller ones are many, and together no more than what the runtime itself needs for them. */
const largeBytes = 256 * 1024;
/** A body may come in millions of chunks, which are handed over one after the other without a turn for anybody else. */
const sliceMs = 4;

/**
 * The whole body of a request; `null`: larger than `maxBytes`. Reads no further than that, whether or not the request
 * says its length, so that a body without end costs no more memory than an honest one.
 * `hold` is told of what has come, where that is worth counting, and throws when there is no room for it. What is only
 * announced takes no memory, and must not keep others out.
 */
export function readBody(
  request: Request,
  maxBytes: number,
  hold: (bytes: number) => void = () => {},
): Promise<Uint8Array | null> {
  const length = request.headers.get("content-length");
  if (length !== null && Number(length) > maxBytes) return Promise.resolve(null);
  // With a length the server reads exactly so much, and the runtime's own way is the cheapest.
  if (length !== null && Number(length) < largeBytes) return request.bytes();
  return readUpTo(request, maxBytes, hold);
}

/** The same of whatever has a body, whose stated length is not believed. */
export async function readUpTo(
  { body }: Pick<Request, "body">,
  maxBytes: number,
  hold: (bytes: number) => void = () => {},
): Promise<Uint8Array | null> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  let sinceMs = performance.now();
  for await (const chunk of body ?? []) {
    bytes += chunk.byteLength;
    if (bytes > maxBytes) return null;
    hold(chunk.byteLength);
    chunks.push(chunk);
    if (performance.now() - sinceMs < sliceMs) continue;
    // What comes meanwhile is handed over as one chunk.
    await new Promise<void>((resolve) => setImmediate(resolve));
    sinceMs = performance.now();
  }
  return joined(chunks);
}

/** One array of all bytes; of a single chunk, the chunk itself. */
export function joined(chunks: readonly Uint8Array[]): Uint8Array {
  const [first] = chunks;
  if (chunks.length === 1 && first) return first;
  const filled = chunks.filter(({ byteLength }) => byteLength > 0);
  const only = filled[0];
  if (filled.length === 1 && only) return only;
  const whole = new Uint8Array(filled.reduce((sum, { byteLength }) => sum + byteLength, 0));
  let at = 0;
  for (const chunk of filled) {
    whole.set(chunk, at);
    at += chunk.byteLength;
  }
  return whole;
}
