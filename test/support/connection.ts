import { connect, type Socket } from "node:net";
import { type HttpMessage, readMessage } from "./http-message.ts";

/** One connection of a client that does as it likes: several requests, parts of one, none. */
export class Connection {
  readonly socket: Socket;
  /** All that came, as latin-1. */
  received = "";
  /** ms from the start to the end; `null` while it is open. */
  closedMs: number | null = null;
  readonly #startedMs = performance.now();

  constructor(url: string) {
    const { hostname, port } = new URL(url);
    this.socket = connect({ host: hostname, port: Number(port) });
    this.socket.setNoDelay(true);
    this.socket.on("data", (piece) => (this.received += piece.toString("latin1")));
    // A reset is an end like another; `close` follows.
    this.socket.on("error", () => {});
    this.socket.on("close", () => (this.closedMs = performance.now() - this.#startedMs));
  }

  send(text: string): void {
    this.socket.write(Buffer.from(text, "latin1"));
  }

  /** The whole answers so far; throws at what is no HTTP. */
  answers(): HttpMessage[] {
    const found: HttpMessage[] = [];
    let rest = Buffer.from(this.received, "latin1");
    for (;;) {
      const read = readMessage(rest, this.closedMs !== null, "response");
      if (!read || rest.length === 0) return found;
      found.push(read.message);
      rest = Buffer.from(read.rest);
    }
  }
  statuses(): number[] {
    return this.answers().map(({ start }) => Number(start.split(" ")[1]));
  }
  close(): void {
    this.socket.destroy();
  }
}
