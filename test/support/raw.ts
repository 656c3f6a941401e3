import { connect, type Socket } from "node:net";
import { type HttpMessage, readMessage } from "./http-message.ts";

/** What a client saw on its socket, byte for byte. */
export interface RawAnswer extends HttpMessage {
  readonly status: number;
  readonly text: string;
  readonly callId: string | null;
}

export interface RawRequest {
  readonly method?: string;
  readonly path?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Uint8Array;
  /** Called after each piece; `true` resets the connection there, as a client that vanishes does. */
  readonly leaveWhen?: (received: string) => boolean;
}

/**
 * One request on a connection of its own. For what `fetch` cannot show: odd methods, exact bytes, more than 256 at
 * once, a body that was cut. `null`: the connection ended before a whole head came.
 */
export function sendRaw(
  url: string,
  { method = "POST", path = "/", headers = {}, body = "", leaveWhen }: RawRequest,
): Promise<RawAnswer | null> {
  const { host } = new URL(url);
  const payload = Buffer.from(body);
  const fields = { host, "content-length": String(payload.length), connection: "close", ...headers };
  const head = [
    `${method} ${path} HTTP/1.1`,
    ...Object.entries(fields).map(([name, value]) => `${name}: ${value}`),
  ].join("\r\n");
  return sendBytes(url, Buffer.concat([Buffer.from(`${head}\r\n\r\n`, "latin1"), payload]), leaveWhen);
}

/** The same with every byte in the caller's hand. */
export function sendBytes(
  url: string,
  bytes: Uint8Array,
  leaveWhen?: (received: string) => boolean,
): Promise<RawAnswer | null> {
  const { hostname, port } = new URL(url);
  return new Promise((resolve) => {
    const socket = connect({ host: hostname, port: Number(port) });
    const parts: Buffer[] = [];
    let settled = false;
    const finish = (ended: boolean): void => {
      if (settled) return;
      const answer = readMessage(Buffer.concat(parts), ended, "response");
      if (!answer && !ended) return;
      settled = true;
      socket.destroy();
      resolve(answer ? describe(answer.message) : null);
    };
    socket.setNoDelay(true);
    socket.on("connect", () => socket.write(bytes));
    socket.on("data", (piece) => {
      parts.push(Buffer.from(piece));
      if (leaveWhen?.(Buffer.concat(parts).toString("latin1"))) {
        reset(socket);
        finish(true);
      } else finish(false);
    });
    socket.on("error", () => finish(true));
    socket.on("close", () => finish(true));
  });
}

const reset = (socket: Socket): void => void socket.resetAndDestroy();

function describe(message: HttpMessage): RawAnswer {
  const status = Number(/^HTTP\/1\.[01] (\d{3})/.exec(message.start)?.[1] ?? Number.NaN);
  return { ...message, status, text: message.body.toString("utf8"), callId: message.headers["x-request-id"] ?? null };
}
