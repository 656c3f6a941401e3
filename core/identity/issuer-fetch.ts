import type { CustomFetch } from "openid-client";

/** A set of a dozen RSA keys with certificates is some 30 kB. */
const maxBytes = 512 * 1024;

/** Requests of the library through our own way out; whole answers, and none that could fill the memory. */
export const boundedFetch =
  (fetch: (request: Request) => Promise<Response>): CustomFetch =>
  async (url, { method, headers, body, signal }) => {
    const request = new Request(url, {
      method,
      headers,
      redirect: "manual",
      // The library sends forms alone.
      ...(body instanceof URLSearchParams && { body }),
      ...(signal && { signal }),
    });
    const response = await fetch(request);
    const bytes = await bytesOf(response);
    const kept = new Headers(response.headers);
    // They are of what came, before it was decompressed.
    for (const name of ["content-encoding", "content-length", "transfer-encoding"]) kept.delete(name);
    const { status } = response;
    return new Response(bodyless.has(status) ? null : bytes, { status, headers: kept });
  };

const bodyless: ReadonlySet<number> = new Set([101, 204, 205, 304]);

async function bytesOf(response: Response): Promise<Uint8Array<ArrayBuffer>> {
  const parts: Uint8Array[] = [];
  let length = 0;
  for await (const part of response.body ?? []) {
    length += part.byteLength;
    if (length > maxBytes) throw new Error(`an answer of the issuer is larger than ${maxBytes} bytes`);
    parts.push(part);
  }
  const bytes = new Uint8Array(length);
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.byteLength;
  }
  return bytes;
}
