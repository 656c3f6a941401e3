import { closeSync, openSync } from "node:fs";
import { devNull } from "node:os";

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

const codeOf = (error: Error): unknown => ("code" in error ? error.code : null);

/** Why there was no connection, so that nothing was sent, told apart from one that broke afterwards. */
export function unconnected(error: Error | null): Error {
  const code = error === null ? "ECONNRESET" : codeOf(error);
  if (code === "ECONNREFUSED") return descriptorFault() ?? error ?? brokeOff();
  return endings.has(code)
    ? new HttpFault("the connection was closed before the request was sent", "ENOTCONN")
    : (error ?? brokeOff());
}

/** What a connection that ends is said to have ended with. */
const endings: ReadonlySet<unknown> = new Set(["ECONNRESET", "EPIPE", "ECONNABORTED", "ETIMEDOUT"]);

/** Bun says of a socket that it has no file descriptor for that it was refused. */
function descriptorFault(): Error | null {
  try {
    closeSync(openSync(devNull, "r"));
    return null;
  } catch (error) {
    return asError(error);
  }
}
