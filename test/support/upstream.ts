import { createServer, type Server, type Socket } from "node:net";
import { type HttpMessage, readMessage } from "./http-message.ts";
import { json } from "./scripts.ts";

/** One request that reached the scripted upstream, and what became of it. */
export class Exchange {
  readonly request: HttpMessage;
  /** The model that Gemini's paths name, or else the `model` of the JSON body; empty when there is none. */
  readonly model: string;
  /** Counts connections; exchanges of one have the same. */
  readonly connection: number;
  /** The id that the script put into its answer; `null` when it put none. */
  upstreamId: string | null = null;
  bytesSent = 0;
  /** The answer was sent to its end. */
  finished = false;
  /** The proxy closed the connection before the answer was finished. */
  abandoned = false;
  /** Opens when the connection is gone or the answer finished. */
  readonly over: Promise<void>;
  readonly #socket: Socket;
  readonly #markOver: () => void;

  constructor(request: HttpMessage, socket: Socket, connection: number) {
    this.request = request;
    this.connection = connection;
    this.model = modelInPath(request) || modelOf(request.body);
    this.#socket = socket;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.over = promise;
    this.#markOver = resolve;
  }

  /** Sends bytes and waits until the kernel took them. */
  async write(bytes: string | Uint8Array): Promise<void> {
    const piece = Buffer.from(bytes);
    if (this.#socket.destroyed) return;
    await new Promise<void>((resolve) => {
      this.#socket.write(piece, () => resolve());
    });
    this.bytesSent += piece.length;
  }

  /** The answer is complete; the connection stays open for the next request. */
  finish(): void {
    this.finished = true;
    this.#markOver();
  }

  /** The answer ends with the connection. */
  close(): void {
    this.finish();
    this.#socket.end();
  }

  /** Cuts the connection with a RST. */
  reset(): void {
    this.finish();
    this.#socket.resetAndDestroy();
  }

  gone(): void {
    if (!this.finished) this.abandoned = true;
    this.#markOver();
  }

  get json(): Record<string, unknown> {
    // The tests send JSON objects only; anything else should fail the test loudly.
    return JSON.parse(this.request.body.toString("utf8")) as Record<string, unknown>;
  }
}

export type Script = (exchange: Exchange) => void | Promise<void>;

export interface Upstream {
  /** What a provider's `baseUrl` should be. */
  readonly baseUrl: string;
  readonly port: number;
  /** Every request, in order of arrival. */
  readonly log: Exchange[];
  /** Requests whose answer is not over. */
  readonly open: number;
  /** Sets what answers requests for `model`. A model without a script is answered 404. */
  on(model: string, script: Script): void;
  requestsFor(model: string): Exchange[];
  stop(): Promise<void>;
}

/** A provider under the test's control: plain TCP, so that every byte and every fault is its own. */
export async function startUpstream(): Promise<Upstream> {
  const scripts = new Map<string, Script>();
  const log: Exchange[] = [];
  const sockets = new Set<Socket>();
  let connections = 0;
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on("close", () => sockets.delete(socket));
    serve(socket, ++connections, (exchange) => {
      log.push(exchange);
      return (scripts.get(exchange.model) ?? unknownModel)(exchange);
    });
  });
  const port = await listen(server);
  return {
    baseUrl: `http://127.0.0.1:${port}/v1`,
    port,
    log,
    get open() {
      return log.filter((exchange) => !exchange.finished && !exchange.abandoned).length;
    },
    on: (model, script) => void scripts.set(model, script),
    requestsFor: (model) => log.filter((exchange) => exchange.model === model),
    stop: () =>
      new Promise((resolve) => {
        for (const socket of sockets) socket.destroy();
        server.close(() => resolve());
      }),
  };
}

const unknownModel = json(404, {
  error: { message: "no such model here", type: "invalid_request_error", param: null, code: "model_not_found" },
});

/** Answers the requests of one connection, one after the other. */
function serve(socket: Socket, connection: number, answer: (exchange: Exchange) => void | Promise<void>): void {
  let pending = Buffer.alloc(0);
  let current: Exchange | null = null;
  socket.setNoDelay(true);
  const next = (): void => {
    if (current && !current.finished) return;
    const read = readMessage(pending, false, "request");
    if (!read) return;
    pending = Buffer.from(read.rest);
    const exchange = new Exchange(read.message, socket, connection);
    current = exchange;
    void answered(exchange);
  };
  const answered = async (exchange: Exchange): Promise<void> => {
    try {
      await answer(exchange);
    } catch (error) {
      console.error("script failed:", error);
      exchange.reset();
    }
    next();
  };
  socket.on("data", (piece) => {
    pending = Buffer.concat([pending, Buffer.from(piece)]);
    next();
  });
  // A peer that resets is part of what is tested; `close` follows.
  socket.on("error", () => {});
  socket.on("close", () => current?.gone());
}

const listen = (server: Server): Promise<number> =>
  new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const address = server.address();
      if (typeof address === "object" && address) resolve(address.port);
    });
  });

const modelInPath = ({ start }: HttpMessage): string =>
  decodeURIComponent(/\/models\/([^? ]+):\w+[? ]/.exec(start)?.[1] ?? "");

function modelOf(body: Buffer): string {
  try {
    const value: unknown = JSON.parse(body.toString("utf8"));
    return typeof value === "object" && value !== null && "model" in value && typeof value.model === "string"
      ? value.model
      : "";
  } catch {
    return "";
  }
}
