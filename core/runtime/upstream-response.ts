/** What a provider answers, from its headers on. Whoever gets one reads its body to the end, or cancels it. */
export interface UpstreamResponse {
  readonly status: number;
  readonly headers: ResponseHeaders;
  /** How many bytes the body is, where that is said and they come as they are; `null`: not known before its end. */
  readonly length: number | null;
  /** All of the body; for one of a `length` that is small. Rejects where it breaks off. */
  bytes(): Promise<Uint8Array>;
  /** The body piece by piece; `null`: it has none. May be asked for once, and not beside `bytes`. */
  body(): Pieces | null;
}

export interface ResponseHeaders {
  /** In whichever case it came; `null`: it did not. What came more than once is joined by commas (RFC 9110 §5.3). */
  get(name: string): string | null;
}

/** A body as it arrives: one read at a time. */
export interface Pieces {
  /** Rejects where the body breaks off. */
  read(): Promise<Piece>;
  /** Nothing more is wanted: what has not come yet is not waited for, and a read that waits ends. */
  cancel(): Promise<void>;
}
export type Piece = { readonly done: boolean; readonly value?: Uint8Array | undefined };

/** The answer of a fetch. */
export class FetchedResponse implements UpstreamResponse {
  readonly #response: Response;

  constructor(response: Response) {
    this.#response = response;
  }

  get status(): number {
    return this.#response.status;
  }
  get headers(): ResponseHeaders {
    return this.#response.headers;
  }
  get length(): number | null {
    const { headers } = this.#response;
    const length = headers.get("content-encoding") === null ? headers.get("content-length") : null;
    return length === null ? null : Number(length);
  }
  bytes(): Promise<Uint8Array> {
    return this.#response.bytes();
  }
  body(): Pieces | null {
    return this.#response.body?.getReader() ?? null;
  }
}
