import { nextOf, type Pieces, ReadBody, type ResponseHeaders, type UpstreamResponse } from "./upstream-response.ts";

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
export function decoded(response: UpstreamResponse): UpstreamResponse {
  const format = formats[response.headers.get("content-encoding")?.trim().toLowerCase() ?? ""];
  // Where there is no body, none has an end to miss.
  return format === undefined || response.length === 0 ? response : new DecodedResponse(response, format);
}

class DecodedResponse implements UpstreamResponse {
  readonly status: number;
  readonly headers: ResponseHeaders;
  readonly length = null;
  readonly #response: UpstreamResponse;
  readonly #format: string;

  constructor(response: UpstreamResponse, format: string) {
    this.status = response.status;
    this.headers = { get: (name) => (ofCoded.has(name) ? null : response.headers.get(name)) };
    this.#response = response;
    this.#format = format;
  }

  bytes(): Promise<Uint8Array> {
    return new Response(this.#stream()).bytes();
  }
  body(): Pieces | null {
    const body = this.#stream();
    return body && new ReadBody(body);
  }

  #stream(): ReadableStream<Uint8Array> | null {
    const pieces = this.#response.body();
    if (!pieces) return null;
    const coded = new ReadableStream<Uint8Array<ArrayBuffer>>(
      {
        async pull(controller) {
          const piece = await nextOf(pieces);
          if (piece === null) controller.close();
          // Bodies are never in memory that threads share.
          else controller.enqueue(piece as Uint8Array<ArrayBuffer>);
        },
        cancel: () => pieces.cancel(),
      },
      { highWaterMark: 0 },
    );
    // The types of the runtime know fewer formats than it does.
    return coded.pipeThrough(new DecompressionStream(this.#format as CompressionFormat));
  }
}

/** What they say is of the body as it came. */
const ofCoded: ReadonlySet<string> = new Set(["content-encoding", "content-length"]);
