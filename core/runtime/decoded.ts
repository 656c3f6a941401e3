/** The names of `content-encoding` and of `DecompressionStream`. */
const formats: Readonly<Record<string, string>> = {
  gzip: "gzip",
  "x-gzip": "gzip",
  deflate: "deflate",
  br: "brotli",
  zstd: "zstd",
};

/**
 * The answer without its compression, piece by piece as it is read. The runtime's own way decodes whatever has come at
 * once: half a megabyte can become half a gigabyte before anyone has asked for a byte. An unknown coding stays as it is.
 */
export function decoded(response: Response): Response {
  const format = formats[response.headers.get("content-encoding")?.trim().toLowerCase() ?? ""];
  // `Response` takes no other status; such an answer is refused for its status, unread.
  if (format === undefined || response.status > 599 || !response.body) return response;
  const headers = new Headers(response.headers);
  headers.delete("content-encoding");
  headers.delete("content-length");
  // The types of the runtime know fewer formats than it does.
  const decoder = new DecompressionStream(format as CompressionFormat);
  return new Response(response.body.pipeThrough<Uint8Array>(decoder), { status: response.status, headers });
}
