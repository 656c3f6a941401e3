import { ConnectTimeoutError } from "../connect.ts";
import type { Exchange, Line } from "./exchange.ts";
import { asError, HttpFault, unconnected } from "./fault.ts";
import type { Place } from "./place.ts";

/** What `connect` of the runtime gives: as much of `Bun.Socket` as is used. */
interface Socket {
  write(data: string | Uint8Array): number;
  pause(): void;
  resume(): void;
  terminate(): void;
  /** Asks a silent peer from time to time whether it is there; first after `initialDelayMs`. */
  setKeepAlive(isWanted: boolean, initialDelayMs: number): boolean;
  /** Keeps the process alive, as it does at first. */
  ref(): void;
  unref(): void;
}

export interface ConnectionEvents {
  /** It has nothing to do, and may be given another exchange. */
  idle(connection: Connection): void;
  closed(connection: Connection): void;
  /** It was given up before anything had answered, or refused, to connect. */
  unanswered(place: Place): void;
  connected(place: Place): void;
  /** The peer ended it where the answer to a further request should have begun. */
  lost(connection: Connection): void;
}

/** A connection that carries one exchange after another. */
export class Connection implements Line {
  readonly place: Place;
  /** When it last had nothing to do, in ms of the clock of whoever keeps it. */
  idleSinceMs = 0;
  /** How long that was, before what it carries now; `null`: it carries its first. */
  idleForMs: number | null = null;
  /** How many exchanges it was given after its first. */
  reuses = 0;
  /** How long the peer says that it keeps it without a request, in ms. */
  keptMs = Infinity;
  readonly #events: ConnectionEvents;
  /** Made for one exchange, and closed after it. */
  readonly #isAlone: boolean;
  #socket: Socket | null = null;
  #exchange: Exchange | null = null;
  /** Of the request: what the socket has not taken yet. */
  #unsent: Uint8Array | null = null;
  /** Requests may go out: it is connected, and over TLS the peer is who it should be. */
  #isReady = false;
  #isPaused = false;
  #timer: ReturnType<typeof setTimeout> | null = null;
  /** `undefined`: it is open, or will be. */
  #ended: Error | null | undefined = undefined;

  /** Begins to connect, with the exchange that waits for it. */
  constructor(place: Place, exchange: Exchange, events: ConnectionEvents) {
    this.place = place;
    this.#exchange = exchange;
    this.#events = events;
    this.#isAlone = exchange.outgoing?.isAlone === true;
    exchange.begin(this);
    const { connectMs } = exchange;
    this.#timer = setTimeout(
      () => this.#end(new ConnectTimeoutError(`no connection after ${connectMs} ms`)),
      Math.min(connectMs, maxTimerMs),
    );
    const { host: hostname, port, isSecure, serverName } = place;
    // An empty object would mean none. Without a name, that of `hostname` is expected, also where it is an address.
    const tls = isSecure ? { tls: { rejectUnauthorized: true, ...(serverName !== null && { serverName }) } } : {};
    // What fails here is told by `connectError` too, and by nothing else when it fails before it begins.
    Bun.connect<Connection>({ hostname, port, ...tls, data: this, socket: handler }).catch((error: unknown) =>
      this.#end(asError(error)),
    );
  }

  get isOpen(): boolean {
    return this.#ended === undefined;
  }

  /** The next exchange, on one that is idle. */
  carry(exchange: Exchange): void {
    this.#exchange = exchange;
    exchange.begin(this);
    this.#socket?.ref();
    this.#send(exchange);
  }

  pause(): void {
    this.#isPaused = true;
    this.#socket?.pause();
  }
  resume(): void {
    this.#isPaused = false;
    this.#socket?.resume();
  }
  cut(): void {
    this.#exchange = null;
    this.#end(null);
  }

  // ── from the socket ─────────────────────────────────────────────────────────────────────────────────────────────────

  opened(socket: Socket): void {
    this.#socket = socket;
    if (this.#ended !== undefined) {
      socket.terminate();
      return;
    }
    socket.setKeepAlive(true, probedMs);
    if (!this.place.isSecure) this.#ready();
  }

  /** `fault`: why the peer is not who it should be, or there is no TLS with it. */
  shaken(isTrusted: boolean, fault: Error | null): void {
    if (this.#ended !== undefined) return;
    if (isTrusted && fault === null) this.#ready();
    else this.#end(fault ?? new HttpFault("the provider's certificate is not trusted", "UNTRUSTED"));
  }

  received(bytes: Uint8Array): void {
    const exchange = this.#exchange;
    if (!exchange) {
      // Nobody asked: it could only be taken for the answer to what is asked next.
      this.#end(null);
      return;
    }
    try {
      exchange.received(bytes);
    } catch (error) {
      exchange.fail(asError(error));
      this.cut();
      return;
    }
    if (exchange.isOver && this.#exchange === exchange) this.#finished(exchange);
  }

  drained(): void {
    const unsent = this.#unsent;
    if (unsent) this.#write(unsent, unsent.byteLength);
  }

  closed(error: Error | null): void {
    this.#end(error);
  }

  // ── its own ─────────────────────────────────────────────────────────────────────────────────────────────────────────

  #ready(): void {
    this.#stopTimer();
    this.#isReady = true;
    this.#events.connected(this.place);
    if (this.#exchange) this.#send(this.#exchange);
  }

  #send(exchange: Exchange): void {
    const { outgoing } = exchange;
    // Not kept as long as its answer takes.
    exchange.outgoing = null;
    if (outgoing) this.#write(outgoing.data, outgoing.byteLength);
  }

  #write(data: string | Uint8Array, byteLength: number): void {
    const written = Math.max(this.#socket?.write(data) ?? 0, 0);
    if (written >= byteLength) this.#unsent = null;
    else this.#unsent = (typeof data === "string" ? utf8.encode(data) : data).subarray(written);
  }

  #finished(exchange: Exchange): void {
    this.#exchange = null;
    // An answer that came before all of its request: the rest would be taken for the next one.
    if (!exchange.keepsOpen || this.#unsent || this.#isAlone) {
      this.#end(null);
      return;
    }
    if (this.#isPaused) this.resume();
    this.#socket?.unref();
    this.keptMs = exchange.keptMs;
    this.#events.idle(this);
  }

  #end(error: Error | null): void {
    if (this.#ended !== undefined) return;
    this.#ended = error;
    this.#stopTimer();
    this.#socket?.terminate();
    this.#unsent = null;
    this.#events.closed(this);
    const isGivenUp = error === null || error instanceof ConnectTimeoutError;
    if (isGivenUp && !this.#socket) this.#events.unanswered(this.place);
    const exchange = this.#exchange;
    this.#exchange = null;
    if (exchange && this.idleForMs !== null && !exchange.hasBegun) this.#events.lost(this);
    exchange?.closed(this.#isReady ? error : unconnected(error));
  }

  #stopTimer(): void {
    if (this.#timer) clearTimeout(this.#timer);
    this.#timer = null;
  }
}

/** One for all connections: each event names its own. */
const handler: Bun.SocketHandler<Connection> = {
  open: (socket) => socket.data.opened(socket),
  handshake: (socket, isTrusted, fault) => socket.data.shaken(isTrusted, fault),
  data: (socket, bytes) => socket.data.received(bytes),
  drain: (socket) => socket.data.drained(),
  close: (socket, error) => socket.data.closed(error ?? null),
  error: (socket, error) => socket.data.closed(error),
  connectError: (socket, error) => socket.data.closed(error),
};

/** While a model thinks nothing is sent, and what is between forgets a silent connection: after 240 s in Azure, 350 s in AWS. */
const probedMs = 60_000;
const maxTimerMs = 2 ** 31 - 1;
const utf8 = new TextEncoder();
