import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { until } from "../support/poll.ts";

/** One program between the load and the upstream, running. */
export interface Subject {
  readonly name: string;
  readonly port: number;
  /** `null`: the upstream itself, whose CPU is not the question. */
  readonly pid: number | null;
  /** A whole HTTP request of the load; one for each key. */
  readonly requests: (body: string) => readonly Buffer[];
  stop(): void;
}

const root = join(import.meta.dir, "../..");
/** Where there are two cores, the subject has one for itself and the load and the upstream share the other. */
const pin = (core: number): string[] =>
  navigator.hardwareConcurrency > 1 && existsSync("/usr/bin/taskset") ? ["taskset", "-c", String(core)] : [];
const loadCore = 1;
const subjectCore = 0;

const request = (body: string, key = "none"): Buffer =>
  Buffer.from(
    `POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer ${key}\r\ncontent-type: application/json\r\ncontent-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
  );

export async function startUpstream(): Promise<Subject> {
  const child = start(["bun", "test/bench/upstream.ts"], loadCore);
  return {
    name: "direct",
    port: Number(await firstLine(child)),
    pid: null,
    requests: (body) => [request(body)],
    stop: () => child.kill(),
  };
}

export async function startBare(upstreamPort: number): Promise<Subject> {
  const child = start(["bun", "test/bench/bare.ts", String(upstreamPort)], subjectCore);
  return {
    name: "bare",
    port: Number(await firstLine(child)),
    pid: child.pid,
    requests: (body) => [request(body)],
    stop: () => child.kill(),
  };
}

/** `null`: not installed. */
export async function startNginx(upstreamPort: number): Promise<Subject | null> {
  const program = ["/usr/sbin/nginx", "/usr/bin/nginx"].find((path) => existsSync(path));
  if (program === undefined) return null;
  const directory = mkdtempSync(join(tmpdir(), "llm-proxy-bench-"));
  const port = freePort();
  const config = join(directory, "nginx.conf");
  writeFileSync(
    config,
    `daemon off; worker_processes 1; pid ${directory}/pid; error_log ${directory}/error.log;
events { worker_connections 8192; }
http { access_log off; client_body_temp_path ${directory}/body; proxy_temp_path ${directory}/proxy; fastcgi_temp_path ${directory}/f; uwsgi_temp_path ${directory}/u; scgi_temp_path ${directory}/s;
  keepalive_requests 1000000;
  upstream up { server 127.0.0.1:${upstreamPort}; keepalive 512; keepalive_requests 1000000; }
  server { listen 127.0.0.1:${port} backlog=4096; location / { proxy_pass http://up; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_buffering off; } } }`,
  );
  const child = start([program, "-c", config, "-p", directory], subjectCore);
  await answering(port);
  const worker = Number(readFileSync(`/proc/${child.pid}/task/${child.pid}/children`, "utf8").trim().split(" ")[0]);
  return {
    name: "nginx",
    port,
    pid: worker,
    requests: (body) => [request(body)],
    stop() {
      child.kill();
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

export interface ProxyOptions {
  readonly name: string;
  readonly upstreamPort: number;
  readonly billing: boolean;
  readonly keys: number;
  /** A data folder with a database in it; default: a new one, removed afterwards. */
  readonly dataDir?: string;
}

const adminToken = "bench-admin-token-of-this-run";

export async function startProxy({ name, upstreamPort, billing, keys, dataDir }: ProxyOptions): Promise<Subject> {
  const directory = mkdtempSync(join(tmpdir(), "llm-proxy-bench-"));
  const data = dataDir ?? join(directory, "data");
  mkdirSync(data, { recursive: true });
  const config = join(directory, "llm-proxy.yaml");
  writeFileSync(
    config,
    `provider: { mock: { use: openai-compatible, baseUrl: "http://127.0.0.1:${upstreamPort}/v1", apiKey: bench-upstream-key } }
${billing ? "" : "billing: {}\n"}prices: [{ target: mock/*, input: 1, output: 2 }]\n`,
  );
  const port = freePort();
  const log = join(directory, "log");
  const child = start(
    ["bun", "core/main.ts", "--config", config, "--data", data, "--port", String(port)],
    subjectCore,
    {
      LLM_PROXY_ADMIN_TOKEN: adminToken,
      BUN_CONFIG_MAX_HTTP_REQUESTS: "65535",
    },
    log,
  );
  await answering(port);
  const made = await Promise.all(Array.from({ length: keys }, (_, at) => createKey(port, at, billing)));
  return {
    name,
    port,
    pid: child.pid,
    requests: (body) => made.map((key) => request(body, key)),
    stop() {
      child.kill();
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

async function createKey(port: number, at: number, budget: boolean): Promise<string> {
  const answer = await fetch(`http://127.0.0.1:${port}/api/keys`, {
    method: "POST",
    headers: { authorization: `Bearer ${adminToken}`, "content-type": "application/json" },
    body: JSON.stringify({ name: `bench ${at}`, ...(budget && { budget: { usd: 1_000_000, window: "day" } }) }),
  });
  const { key } = (await answer.json()) as { key?: string };
  if (key === undefined) throw new Error(`no key: ${answer.status}`);
  return key;
}

function start(command: string[], core: number, env: Record<string, string> = {}, log?: string) {
  return Bun.spawn([...pin(core), ...command], {
    cwd: root,
    env: { ...process.env, ...env },
    stdout: log === undefined ? "pipe" : Bun.file(log),
    stderr: log === undefined ? "inherit" : "ignore",
  });
}

async function firstLine(child: { readonly stdout: unknown }): Promise<string> {
  if (!(child.stdout instanceof ReadableStream)) throw new Error("no output to read");
  const reader = child.stdout.getReader();
  const { value } = await reader.read();
  reader.releaseLock();
  return new TextDecoder().decode(value).trim();
}

const answering = (port: number): Promise<unknown> =>
  until(`an answer on port ${port}`, async () => {
    try {
      return (await fetch(`http://127.0.0.1:${port}/readyz`)).status !== 503;
    } catch {
      return false;
    }
  });

function freePort(): number {
  const server = Bun.serve({ port: 0, fetch: () => new Response() });
  const { port } = server;
  void server.stop(true);
  if (port === undefined) throw new Error("no free port");
  return port;
}
