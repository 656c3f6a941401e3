import { connect, type Socket } from "node:net";
import { readFileSync } from "node:fs";
import { openStream } from "./scripts.ts";
import type { Script } from "./upstream.ts";

/** An event of some 16 KB of text. */
const eventOf = (id: string) =>
  Buffer.from(
    `data: ${JSON.stringify({ id, object: "chat.completion.chunk", choices: [{ index: 0, delta: { content: "flood ".repeat(2_700) } }] })}\n\n`,
  );

let floods = 0;

/** Sends events as fast as they are taken, until `bytes` are sent or the connection is gone. */
export const flood =
  (bytes: number): Script =>
  async (exchange) => {
    exchange.upstreamId = `chatcmpl-flood-${++floods}`;
    const event = eventOf(exchange.upstreamId);
    const stream = await openStream(exchange);
    for (let sent = 0; sent < bytes && !exchange.abandoned; sent += event.length) await stream.send(event);
    if (!exchange.abandoned) await stream.end();
  };

/** Starts a call and reads no more than the first bytes of its answer. The caller destroys the socket. */
export function stall(
  url: string,
  key: string,
  model: string,
): Promise<{ readonly socket: Socket; readonly head: string }> {
  const { hostname, port } = new URL(url);
  const body = JSON.stringify({ model, stream: true, messages: [{ role: "user", content: "hello" }] });
  return new Promise((resolve, reject) => {
    const socket = connect({ host: hostname, port: Number(port) });
    socket.on("connect", () =>
      socket.write(
        [
          "POST /v1/chat/completions HTTP/1.1",
          `host: ${hostname}:${port}`,
          `authorization: Bearer ${key}`,
          "content-type: application/json",
          `content-length: ${Buffer.byteLength(body)}`,
          "",
          body,
        ].join("\r\n"),
      ),
    );
    socket.once("data", (piece) => {
      socket.pause();
      resolve({ socket, head: piece.toString("latin1").split("\r\n\r\n")[0] ?? "" });
    });
    socket.on("error", reject);
  });
}

/** Resident memory of a process, in bytes. */
export function residentBytes(pid: number): number {
  const kib = /^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1];
  return Number(kib ?? Number.NaN) * 1024;
}
