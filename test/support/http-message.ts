/** One HTTP/1.1 message, as it lay on the wire. */
export interface HttpMessage {
  /** Request line or status line. */
  readonly start: string;
  /** Names in lower case; of a repeated header, all values joined by `, `. */
  readonly headers: Readonly<Record<string, string>>;
  /** Head as received, for what the joined form hides. */
  readonly head: string;
  readonly body: Buffer;
  /** The body came to the end that its framing promised. */
  readonly complete: boolean;
}

const blankLine = Buffer.from("\r\n\r\n");

/**
 * Reads the first message in `bytes`; `null` while more bytes are needed. `ended`: no more will come, so a body without
 * a length is over and a body with one is cut. Strict on purpose: what is not HTTP/1.1 throws.
 */
export function readMessage(
  bytes: Buffer,
  ended: boolean,
  kind: "request" | "response",
): { message: HttpMessage; rest: Buffer } | null {
  const headEnd = bytes.indexOf(blankLine);
  if (headEnd < 0) return null;
  const head = bytes.subarray(0, headEnd).toString("latin1");
  const [start = "", ...lines] = head.split("\r\n");
  const headers = readHeaders(lines);
  const payload = bytes.subarray(headEnd + 4);
  const done = (body: Buffer, rest: Buffer, complete: boolean) => ({
    message: { start, headers, head, body, complete },
    rest,
  });

  if (headers["transfer-encoding"]?.toLowerCase() === "chunked") {
    const { body, rest } = readChunks(payload);
    if (rest) return done(body, rest, true);
    return ended ? done(body, Buffer.alloc(0), false) : null;
  }
  const length = headers["content-length"] ?? (kind === "request" || hasNoBody(start) ? "0" : null);
  if (length !== null) {
    const size = hasNoBody(start) ? 0 : Number(length);
    if (payload.length >= size) return done(payload.subarray(0, size), payload.subarray(size), true);
    return ended ? done(payload, Buffer.alloc(0), false) : null;
  }
  return ended ? done(payload, Buffer.alloc(0), true) : null;
}

const hasNoBody = (start: string): boolean => /^HTTP\/1\.[01] (1\d\d|204|304)/.test(start);

function readHeaders(lines: readonly string[]): Record<string, string> {
  const headers: Record<string, string> = {};
  for (const line of lines) {
    const colon = line.indexOf(":");
    if (colon < 1) throw new Error(`not a header line: ${JSON.stringify(line)}`);
    const name = line.slice(0, colon).toLowerCase();
    const value = line.slice(colon + 1).trim();
    headers[name] = headers[name] === undefined ? value : `${headers[name]}, ${value}`;
  }
  return headers;
}

/** `rest` is `null` while the last chunk has not come. */
function readChunks(payload: Buffer): { body: Buffer; rest: Buffer | null } {
  const parts: Buffer[] = [];
  let at = 0;
  while (true) {
    const lineEnd = payload.indexOf("\r\n", at);
    if (lineEnd < 0) return { body: Buffer.concat(parts), rest: null };
    const size = Number.parseInt(payload.subarray(at, lineEnd).toString("latin1"), 16);
    if (Number.isNaN(size)) throw new Error("not a chunk size");
    const dataEnd = lineEnd + 2 + size;
    if (payload.length < dataEnd + 2) {
      parts.push(payload.subarray(lineEnd + 2, dataEnd));
      return { body: Buffer.concat(parts), rest: null };
    }
    parts.push(payload.subarray(lineEnd + 2, dataEnd));
    at = dataEnd + 2;
    if (size === 0) return { body: Buffer.concat(parts), rest: payload.subarray(at) };
  }
}
