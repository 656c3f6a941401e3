/** What a provider answers, from its headers on. Whoever gets one reads its body to the end, or cancels it. */
export interface UpstreamResponse {
  readonly status: number;
  readonly headers: ResponseHeaders;
  /** How many bytes the body is, where that is said and they come as they are; `null`: not known before its end. */
  readonly length: number | null;
  /** All of the body; for one of a `length` that is small. No promise where it has come. Rejects, or throws, where it breaks off. */
  bytes(): Promise<Uint8Array> | Uint8Array;
  /** The body piece by piece; `null`: it has none. May be asked for once, and not beside `bytes`. */
  body(): Pieces | null;
}

export interface ResponseHeaders {
  /** In whichever case it came; `null`: it did not. What came more than once is joined by commas (RFC 9110 §5.3). */
  get(name: string): string | null;
}

/** What comes piece by piece. No promise for each: thousands a second pass here, and each would cost three objects. */
export interface Flow {
  /**
   * The next piece where it is there, whose memory is then the taker's alone: it may be written into. `null`: there will be no
   * more. `undefined`: `waiter` is told when it comes, instead of whoever waited before. Throws where the flow has broken off.
   */
  next(waiter: Waiter): Uint8Array | null | undefined;
}

/** Told once for each time it is left waiting; never from within `next`. Must not throw. */
export interface Waiter {
  /** `null`: there will be no more. */
  came(piece: Uint8Array | null): void;
  failed(error: unknown): void;
}

/** A body as it arrives. */
export interface Pieces extends Flow {
  /** Nothing more is wanted: what has not come yet is not waited for, and a waiter is told the end. */
  cancel(): Promise<void>;
}

/** The next piece, for who has time for a promise. */
export const nextOf = (flow: Flow): Promise<Uint8Array | null> =>
  new Promise((came, failed) => {
    const piece = flow.next({ came, failed });
    if (piece !== undefined) came(piece);
  });

/** A flow out of what is read by promises; `value` absent: there is no more. */
export class ReadFlow implements Flow {
  readonly #read: () => Promise<{ readonly value?: Uint8Array | undefined }>;
  #waiter: Waiter | null = null;

  constructor(read: () => Promise<{ readonly value?: Uint8Array | undefined }>) {
    this.#read = read;
  }

  next(waiter: Waiter): undefined {
    const isRead = this.#waiter !== null;
    this.#waiter = waiter;
    if (!isRead) this.#read().then(this.#came, this.#failed);
  }

  readonly #came = ({ value }: { readonly value?: Uint8Array | undefined }): void => this.#told()?.came(value ?? null);
  readonly #failed = (error: unknown): void => this.#told()?.failed(error);

  #told(): Waiter | null {
    const waiter = this.#waiter;
    this.#waiter = null;
    return waiter;
  }
}

/** The body of an answer of the runtime's own. */
export class ReadBody extends ReadFlow implements Pieces {
  readonly #reader: ReadableStreamDefaultReader<Uint8Array>;
  /** Deno forgets the signal of a request whose response is collected: who aborts it would be read on, and billed. */
  readonly response: Response | null;

  constructor(body: ReadableStream<Uint8Array>, response: Response | null = null) {
    const reader = body.getReader();
    super(() => reader.read());
    this.#reader = reader;
    this.response = response;
  }
  cancel(): Promise<void> {
    return this.#reader.cancel();
  }
}

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
    const { body } = this.#response;
    return body && new ReadBody(body, "Bun" in globalThis ? null : this.#response);
  }
}
