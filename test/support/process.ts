import { Database } from "bun:sqlite";
import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Limits } from "../../core/plugin/limits.ts";
import { until } from "./poll.ts";
import { runtimeVariables } from "./runtime-variables.ts";

const root = join(import.meta.dir, "..", "..");

/** So that nothing outlives a run that was killed, or a file that failed before its `afterAll`. Linux has it. */
const setpriv = Bun.which("setpriv");
const dieWithUs = setpriv === null ? [] : [setpriv, "--pdeathsig", "KILL"];

export interface GatewayOptions {
  /** YAML text of `llm-proxy.yaml`; none: the built-in default. */
  readonly config?: string;
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** Put before the program, e.g. `strace -f`. */
  readonly wrapper?: readonly string[];
  /** What is run; default: `bun core/main.ts`. */
  readonly program?: readonly string[];
}

export interface NewKeyBody {
  readonly name?: string;
  readonly accountId?: string;
  readonly models?: readonly string[];
  readonly expiresAt?: number;
  readonly budget?: { readonly usd: number | string; readonly window: string };
  readonly limits?: Limits;
  readonly content?: "on" | "off" | null;
}
export interface CreatedKey {
  readonly id: string;
  readonly key: string;
}

/** A running process of the product, driven from outside only: HTTP, signals, its files. */
export class Gateway {
  readonly url: string;
  readonly adminToken = `admin-canary-${crypto.randomUUID()}`;
  readonly directory = mkdtempSync(join(tmpdir(), "llm-proxy-test-"));
  readonly dataDir = join(this.directory, "data");
  /** Texts that must never show up in a log or a database file. */
  readonly secrets = new Set<string>([this.adminToken]);
  readonly #options: GatewayOptions;
  readonly #port: number;
  #child: ChildProcess | null = null;
  #exited: Promise<number | null> = Promise.resolve(null);
  #database: Database | null = null;

  constructor(port: number, options: GatewayOptions) {
    this.#port = port;
    this.#options = options;
    this.url = `http://127.0.0.1:${port}`;
    if (options.config !== undefined) writeFileSync(join(this.directory, "llm-proxy.yaml"), options.config);
  }

  get pid(): number {
    return this.#child?.pid ?? 0;
  }
  get running(): boolean {
    return this.#child !== null && this.#child.exitCode === null && this.#child.signalCode === null;
  }
  get environment(): Record<string, string | undefined> {
    const { config, env } = this.#options;
    return {
      PATH: process.env.PATH,
      HOME: this.directory,
      ...runtimeVariables,
      // The whole suite, and each soak, can be run over either.
      LLM_PROXY_TRANSPORT: process.env.LLM_PROXY_TRANSPORT,
      HOST: "127.0.0.1",
      PORT: String(this.#port),
      LLM_PROXY_DATA: this.dataDir,
      LLM_PROXY_ADMIN_TOKEN: this.adminToken,
      ...(config === undefined ? {} : { LLM_PROXY_CONFIG: join(this.directory, "llm-proxy.yaml") }),
      ...env,
    };
  }

  /** Starts the process without waiting for it to serve. */
  spawn(): void {
    const { wrapper = [], program = [process.execPath, "core/main.ts"] } = this.#options;
    const [command = "", ...args] = [...dieWithUs, ...wrapper, ...program];
    const log = openSync(this.logPath, "a");
    // The working folder is the product's own; a `data` folder or a `.env` there would show as a failed test.
    this.#child = spawn(command, args, { cwd: root, env: this.environment, stdio: ["ignore", log, log] });
    closeSync(log);
    const child = this.#child;
    this.#exited = new Promise((resolve) => {
      child.once("exit", (code) => resolve(code));
    });
  }

  async start(): Promise<void> {
    this.spawn();
    await until(
      "/readyz 200",
      async () => {
        if (!this.running) throw new Error(`the process ended at start:\n${this.log()}`);
        return (await this.get("/readyz"))?.status === 200;
      },
      { deadlineMs: 20_000 },
    ).catch((error: unknown) => {
      throw new Error(`${String(error)}\n${this.log()}`);
    });
  }

  /** SIGTERM, and the exit code once it is gone. */
  async stop(): Promise<number | null> {
    return this.#end("SIGTERM");
  }
  async kill(): Promise<void> {
    await this.#end("SIGKILL");
  }
  async restart(): Promise<void> {
    if (this.running) await this.stop();
    await this.start();
  }
  exited(): Promise<number | null> {
    return this.#exited;
  }
  /** Stops what runs and deletes its files. */
  async dispose(): Promise<void> {
    await this.#end("SIGKILL");
    rmSync(this.directory, { recursive: true, force: true });
  }

  async #end(signal: "SIGTERM" | "SIGKILL"): Promise<number | null> {
    this.#database?.close();
    this.#database = null;
    if (this.running) this.#child?.kill(signal);
    return this.#exited;
  }

  get logPath(): string {
    return join(this.directory, "log.txt");
  }
  log(): string {
    return readFileSync(this.logPath, "utf8");
  }

  /** Rows of a query, read beside the running process. */
  sql<Row = Record<string, unknown>>(query: string, ...values: (string | number | null)[]): Row[] {
    this.#database ??= new Database(join(this.dataDir, "llm-proxy.db"), { readonly: true });
    const statement = this.#database.prepare(query);
    try {
      // The shape of a row is what the test says it selects.
      return statement.all(...values) as Row[];
    } finally {
      // One that waits for the collector keeps a closed connection, and with it a log that the next process has replaced.
      statement.finalize();
    }
  }

  async get(path: string, headers: Readonly<Record<string, string>> = {}): Promise<Response | null> {
    return fetch(`${this.url}${path}`, { headers, redirect: "manual" }).catch(() => null);
  }

  /** A request to the admin API; throws unless it is answered 2xx. */
  async admin<T = unknown>(method: string, path: string, body?: unknown): Promise<T> {
    const response = await fetch(`${this.url}${path}`, {
      method,
      headers: {
        authorization: `Bearer ${this.adminToken}`,
        ...(body === undefined ? {} : { "content-type": "application/json" }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const text = await response.text();
    if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${text}`);
    // The shape is what the contract says of this path; a wrong one fails in the test that reads it.
    return (text === "" ? null : JSON.parse(text)) as T;
  }

  async createKey(body: NewKeyBody = {}): Promise<CreatedKey> {
    const created = await this.admin<CreatedKey>("POST", "/api/keys", { name: "test", ...body });
    this.secrets.add(created.key);
    return created;
  }
}

export async function startGateway(options: GatewayOptions = {}): Promise<Gateway> {
  const gateway = new Gateway(await freePort(), options);
  try {
    await gateway.start();
  } catch (error) {
    await gateway.dispose();
    throw error;
  }
  return gateway;
}

export const freePort = (): Promise<number> =>
  new Promise((resolve, reject) => {
    const server = createServer();
    server.once("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const address = server.address();
      const port = typeof address === "object" && address ? address.port : 0;
      server.close(() => resolve(port));
    });
  });
