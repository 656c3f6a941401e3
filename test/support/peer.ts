import { createServer, type Server, type Socket } from "node:net";

/** One connection to a scripted peer. */
export class Peer {
  readonly socket: Socket;
  /** Whole requests that have come, each as its head and body. */
  readonly requests: { readonly head: string; readonly body: Buffer }[] = [];
  isClosed = false;
  /** Bytes that the kernel has taken. */
  sentBytes = 0;

  constructor(socket: Socket) {
    this.socket = socket;
  }

  /** Resolves when the kernel took them, or there is nobody any more. */
  send(bytes: string | Uint8Array): Promise<void> {
    const piece = typeof bytes === "string" ? Buffer.from(bytes, "latin1") : bytes;
    return new Promise((resolve) => {
      if (this.isClosed) return resolve();
      this.socket.once("close", resolve);
      this.socket.write(piece, () => {
        this.sentBytes += piece.byteLength;
        this.socket.off("close", resolve);
        resolve();
      });
    });
  }
  end(): void {
    this.socket.end();
  }
  reset(): void {
    this.socket.resetAndDestroy();
  }
}

/** Called with each whole request. */
export type Answering = (peer: Peer, request: string) => void | Promise<void>;

export interface Peers {
  readonly url: string;
  readonly port: number;
  /** Every connection that was made, in order. */
  readonly all: readonly Peer[];
  /** Those that a request has come on: who looks whether a place is there sends none. */
  readonly asked: readonly Peer[];
  stop(): void;
}

/** A peer that sends just the bytes it is told to. `greet`: called with each connection, before it has sent anything. */
export async function startPeers(answer: Answering, greet: (peer: Peer) => void = () => {}): Promise<Peers> {
  const all: Peer[] = [];
  const server = createServer((socket) => {
    const peer = new Peer(socket);
    all.push(peer);
    socket.setNoDelay(true);
    socket.on("error", () => {});
    socket.on("close", () => (peer.isClosed = true));
    readRequests(peer, answer);
    greet(peer);
  });
  const port = await listen(server);
  return {
    port,
    url: `http://127.0.0.1:${port}/v1`,
    all,
    get asked() {
      return all.filter(({ requests }) => requests.length > 0);
    },
    stop() {
      server.close();
      for (const { socket } of all) socket.destroy();
    },
  };
}

function readRequests(peer: Peer, answer: Answering): void {
  let parts: Buffer[] = [];
  let size = 0;
  let wanted = 0;
  peer.socket.on("data", (piece) => {
    parts.push(Buffer.from(piece));
    size += piece.length;
    if (size < wanted) return;
    const all = Buffer.concat(parts);
    parts = [all];
    const end = all.indexOf("\r\n\r\n");
    if (end === -1) return;
    const head = all.subarray(0, end).toString("latin1");
    wanted = end + 4 + Number(/content-length: (\d+)/i.exec(head)?.[1] ?? 0);
    if (size < wanted) return;
    const body = all.subarray(end + 4, wanted);
    parts = [all.subarray(wanted)];
    size -= wanted;
    wanted = 0;
    peer.requests.push({ head, body });
    void answer(peer, head);
  });
}

const listen = (server: Server): Promise<number> =>
  new Promise((resolve) => {
    server.listen(0, "127.0.0.1", () => {
      const address = server.address();
      resolve(typeof address === "object" && address ? address.port : 0);
    });
  });
