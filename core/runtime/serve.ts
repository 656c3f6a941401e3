export interface ServeOptions {
  readonly host: string;
  /** 0 takes a free one. */
  readonly port: number;
  /** Silence after which a connection without `keepOpen` is cut, rounded up to seconds; at most 255 s. */
  readonly idleTimeoutMs: number;
  readonly fetch: (request: Request) => Response | Promise<Response>;
}
export interface Listening {
  readonly port: number;
  /** Silence on this request's connection no longer cuts it: a model may think for minutes. */
  keepOpen(request: Request): void;
  /** Silence cuts it again: `keepOpen` holds for the connection, whatever requests it carries afterwards. */
  closeIdle(request: Request): void;
  /** The peer's address; `null` where the runtime does not tell. */
  address(request: Request): string | null;
  /** Accepts no more connections; resolves when those open have ended. */
  stop(): Promise<void>;
  /** Cuts what is open; after `stop`, Deno leaves that to the end of the process. */
  stopNow(): Promise<void>;
}

/** The address is taken, or none of this machine's; the message says what to do. */
class ListenError extends Error {
  override readonly name = "ListenError";

  constructor({ host, port }: ServeOptions, cause: unknown) {
    const isTaken = cause instanceof Error && "code" in cause && cause.code === "EADDRINUSE";
    const reason = cause instanceof Error ? cause.message : "unknown reason";
    super(
      isTaken
        ? `the port is in use (${port} of ${host}): choose another with PORT, --port or server.port`
        : `the proxy cannot listen on port ${port} of ${host} (${reason}): see HOST, --host or server.host, and the port`,
      { cause },
    );
  }
}

/** Throws `ListenError`. */
export async function serve(options: ServeOptions): Promise<Listening> {
  try {
    return await ("Bun" in globalThis ? serveOnBun(options) : serveOnDeno(options));
  } catch (error) {
    throw new ListenError(options, error);
  }
}

async function serveOnBun(options: ServeOptions): Promise<Listening> {
  const idleTimeout = Math.ceil(options.idleTimeoutMs / 1_000);
  const server = Bun.serve({
    hostname: options.host,
    port: options.port,
    idleTimeout,
    // Bun's own refusal has no body: whoever reads one bounds it, and answers in the caller's dialect.
    maxRequestBodySize: Number.MAX_SAFE_INTEGER,
    development: false,
    // Bun shares the port by default outside development: two proxies would answer in turn, each with its own ledger.
    reusePort: false,
    fetch: options.fetch,
    error: () => new Response(null, { status: 500 }),
  });
  return {
    port: server.port ?? options.port,
    keepOpen: (request) => server.timeout(request, 0),
    closeIdle: (request) => server.timeout(request, idleTimeout),
    address: (request) => server.requestIP(request)?.address ?? null,
    stop: () => server.stop(),
    stopNow: () => server.stop(true),
  };
}

/** The part of Deno's API used here; its own types clash with Bun's. */
interface DenoServer {
  readonly addr: { readonly port: number };
  shutdown(): Promise<void>;
}
interface DenoRuntime {
  serve(
    options: { hostname: string; port: number; signal: AbortSignal; onListen: () => void },
    handler: (
      request: Request,
      info: { readonly remoteAddr: { readonly hostname?: string } },
    ) => Response | Promise<Response>,
  ): DenoServer;
}

async function serveOnDeno(options: ServeOptions): Promise<Listening> {
  // Only reached when there is no Bun; the global is Deno's then.
  const { Deno } = globalThis as unknown as { readonly Deno: DenoRuntime };
  const abort = new AbortController();
  const addresses = new WeakMap<Request, string>();
  const server = Deno.serve(
    { hostname: options.host, port: options.port, signal: abort.signal, onListen: () => {} },
    (request, info) => {
      if (info.remoteAddr.hostname !== undefined) addresses.set(request, info.remoteAddr.hostname);
      return options.fetch(request);
    },
  );
  let isStopping = false;
  return {
    port: server.addr.port,
    // Deno cuts no silent connection.
    keepOpen: () => {},
    closeIdle: () => {},
    address: (request) => addresses.get(request) ?? null,
    stop() {
      isStopping = true;
      return server.shutdown();
    },
    async stopNow() {
      // Deno fails to cut what it ends already: what is left then goes with the process.
      if (!isStopping) abort.abort();
    },
  };
}
