/**
 * The whole body of a request; `null`: larger than `maxBytes`. Reads no further than that, whether or not the request
 * says its length, so that a body without end costs no more memory than an honest one.
 */
export function readBody(request: Request, maxBytes: number): Promise<Uint8Array | null> {
  const length = request.headers.get("content-length");
  if (length === null) return readUpTo(request, maxBytes);
  // With a length the server reads exactly so much, and the runtime's own way is the cheapest.
  return Number(length) > maxBytes ? Promise.resolve(null) : request.bytes();
}

async function readUpTo(request: Request, maxBytes: number): Promise<Uint8Array | null> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of request.body ?? []) {
    bytes += chunk.byteLength;
    if (bytes > maxBytes) return null;
    chunks.push(chunk);
  }
  return joined(chunks);
}

/** One array of all bytes; of a single chunk, the chunk itself. */
export function joined(chunks: readonly Uint8Array[]): Uint8Array {
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
