/** An answer that is none by RFC 9112, or a connection that ended before its time. `code` as Node and Bun name it. */
export class HttpFault extends Error {
  override readonly name = "HttpFault";
  readonly code: string;

  constructor(message: string, code = "HTTP_INVALID") {
    super(message);
    this.code = code;
  }
}

/** The connection ended in the middle. */
export const brokeOff = (): HttpFault =>
  new HttpFault("the connection was closed before the answer was whole", "ECONNRESET");

export const asError = (thrown: unknown): Error => (thrown instanceof Error ? thrown : new Error(String(thrown)));
