/** Takes what a client is to get of a streamed body, piece by piece. */
export interface Outlet {
  /** `null`: it was taken. Else it is kept, and nothing more may come until that resolves: it is taken then, or the client has left. */
  write(piece: Uint8Array): Promise<unknown> | null;
  end(): void;
  /** Breaks the connection off: nobody may take what came for all there is. */
  fail(error: Error): void;
}

/** What a streamed body comes from. */
export interface BodySource {
  /** The client is there. Called once, or never where it has left before. */
  opened(outlet: Outlet): void;
  /** It has left. */
  left(): Promise<void>;
}

/**
 * `isServed`: it goes out over HTTP as it is. Bun then takes what is written as it comes, which costs a fifth less CPU a
 * piece, and a quarter less memory a stream, than its streams that are pulled; and what is written at once goes out with
 * the head, in one packet.
 */
export const bodyStream = (source: BodySource, isServed: boolean): ReadableStream<Uint8Array> =>
  isServed && "Bun" in globalThis
    ? // The standard's types know no such source.
      new ReadableStream<Uint8Array>(new WrittenBody(source) as unknown as UnderlyingDefaultSource<Uint8Array>)
    : new ReadableStream(new PulledBody(source), { highWaterMark: 0 });

/** `type: "direct"` of Bun. */
class WrittenBody implements Bun.DirectUnderlyingSource<Uint8Array>, Outlet {
  readonly type = "direct";
  readonly #source: BodySource;
  /** `null`: it has not begun, or is over. */
  #controller: ReadableStreamDirectController | null = null;
  #ended: (() => void) | null = null;
  #isOver = false;

  constructor(source: BodySource) {
    this.#source = source;
  }

  pull(controller: ReadableStreamDirectController): Promise<void> {
    this.#controller = controller;
    const ended = new Promise<void>((resolve) => {
      this.#ended = resolve;
    });
    this.#source.opened(this);
    return ended;
  }

  cancel(): Promise<void> | void {
    if (this.#isOver) return;
    this.#over();
    return this.#source.left();
  }

  write(piece: Uint8Array): Promise<unknown> | null {
    const controller = this.#controller;
    if (!controller) return null;
    const written = controller.write(piece);
    void controller.flush();
    return typeof written === "number" ? null : written;
  }

  end(): void {
    void this.#controller?.end();
    this.#over();
  }

  fail(error: Error): void {
    this.#controller?.close(error);
    this.#over();
  }

  #over(): void {
    this.#isOver = true;
    this.#controller = null;
    this.#ended?.();
  }
}

/** By the standard. */
class PulledBody implements UnderlyingDefaultSource<Uint8Array>, Outlet {
  readonly #source: BodySource;
  /** `null`: it is over. */
  #controller: ReadableStreamDefaultController<Uint8Array> | null = null;
  /** Of what was written last. */
  #taken: (() => void) | null = null;

  constructor(source: BodySource) {
    this.#source = source;
  }

  start(controller: ReadableStreamDefaultController<Uint8Array>): void {
    this.#controller = controller;
    this.#source.opened(this);
  }

  pull(): void {
    const taken = this.#taken;
    this.#taken = null;
    taken?.();
  }

  cancel(): Promise<void> {
    this.#controller = null;
    return this.#source.left();
  }

  write(piece: Uint8Array): Promise<unknown> {
    this.#controller?.enqueue(piece);
    return new Promise<void>((resolve) => {
      this.#taken = resolve;
    });
  }

  end(): void {
    this.#controller?.close();
    this.#controller = null;
  }

  fail(error: Error): void {
    this.#controller?.error(error);
    this.#controller = null;
  }
}
