import { setTimeout as pause } from "node:timers/promises";
import type { Exchange, Script } from "./upstream.ts";

/** Ways in which a scripted upstream answers. */

const eventStream = "text/event-stream; charset=utf-8";

export const json =
  (status: number, body: unknown, headers: Readonly<Record<string, string>> = {}): Script =>
  async (exchange) => {
    const text = typeof body === "string" ? body : JSON.stringify(body);
    await whole(exchange, status, text, { "content-type": "application/json", ...headers });
  };

export async function whole(
  exchange: Exchange,
  status: number,
  body: string | Uint8Array,
  headers: Readonly<Record<string, string>>,
): Promise<void> {
  const payload = Buffer.from(body);
  await exchange.write(
    Buffer.concat([Buffer.from(head(status, { ...headers, "content-length": String(payload.length) })), payload]),
  );
  exchange.finish();
}

export interface Cutting {
  /** Byte offsets at which the answer is cut into writes of their own. */
  readonly cuts?: readonly number[];
  /** How the end is told: by chunked encoding, or by closing the connection. */
  readonly framing?: "chunked" | "close";
  /** `null`: no such header. */
  readonly contentType?: string | null;
}

/** Sends `text` as an event stream and ends well. */
export const sse =
  (text: string | Uint8Array, { cuts = [], framing = "chunked", contentType = eventStream }: Cutting = {}): Script =>
  async (exchange) => {
    const stream = await openStream(exchange, framing, contentType);
    for (const piece of pieces(Buffer.from(text), cuts)) {
      await stream.send(piece);
      // Without a pause the kernel would glue two writes together again, and nothing would be cut.
      if (cuts.length > 0) await pause(1);
    }
    await stream.end();
  };

export interface OpenStream {
  send(bytes: string | Uint8Array): Promise<void>;
  end(): Promise<void>;
}

/** Sends the head of an event stream and leaves the rest to the script. */
export async function openStream(
  exchange: Exchange,
  framing: "chunked" | "close" = "chunked",
  contentType: string | null = eventStream,
): Promise<OpenStream> {
  const chunked = framing === "chunked";
  const fields = {
    ...(contentType === null ? {} : { "content-type": contentType }),
    ...(chunked ? { "transfer-encoding": "chunked" } : { connection: "close" }),
  };
  await exchange.write(head(200, fields));
  return {
    send: async (bytes) => {
      const piece = Buffer.from(bytes);
      if (!chunked) await exchange.write(piece);
      else if (piece.length > 0)
        await exchange.write(
          Buffer.concat([Buffer.from(`${piece.length.toString(16)}\r\n`), piece, Buffer.from("\r\n")]),
        );
    },
    end: async () => {
      if (!chunked) return exchange.close();
      await exchange.write("0\r\n\r\n");
      exchange.finish();
    },
  };
}

/** Takes the request and never answers. */
export const hang: Script = (exchange) => exchange.over;

/** Resets the connection instead of answering. */
export const reset: Script = (exchange) => exchange.reset();

/** Sends part of a stream, then cuts the connection with a RST. */
export const resetAfter =
  (text: string): Script =>
  async (exchange) => {
    const stream = await openStream(exchange);
    await stream.send(text);
    // The RST makes the kernel drop what it still holds.
    await taken();
    exchange.reset();
  };

/** Time for the peer to read what was sent; nothing on this side of a connection could tell that it has. */
export const taken = (): Promise<void> => pause(50);

/** Sends `before`, then nothing until `released`, then `after` and a good end. */
export const stalled =
  (before: string, released: Promise<void>, after: string): Script =>
  async (exchange) => {
    const stream = await openStream(exchange);
    await stream.send(before);
    await Promise.race([released, exchange.over]);
    if (exchange.abandoned) return;
    await stream.send(after);
    await stream.end();
  };

export function head(status: number, headers: Readonly<Record<string, string>>): string {
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}`);
  return `${[`HTTP/1.1 ${status} Scripted`, ...lines].join("\r\n")}\r\n\r\n`;
}

function pieces(bytes: Buffer, cuts: readonly number[]): Buffer[] {
  const edges = [0, ...cuts.toSorted((a, b) => a - b), bytes.length];
  return edges
    .slice(1)
    .map((edge, index) => bytes.subarray(edges[index], edge))
    .filter((piece) => piece.length > 0);
}
