import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { freePort } from "../support/process.ts";
import { runtimeVariables } from "../support/runtime-variables.ts";
import { requestOf } from "./shape.ts";
import { answering, start, type Subject, subjectCore } from "./spawn.ts";

export interface ProxyOptions {
  readonly name: string;
  readonly upstreamPort: number;
  readonly billing: boolean;
  /** `server.transport`; default: fetch. */
  readonly transport?: "sockets";
  readonly keys: number;
  /** A data folder with a database in it; default: a new one, removed afterwards. */
  readonly dataDir?: string;
}

export interface Proxy extends Subject {
  readonly pid: number;
  /** From its start to the first answer of `/readyz` that is not 503. */
  readonly readyMs: number;
}

export const adminToken = "bench-admin-token-of-this-run";

export async function startProxy({
  name,
  upstreamPort,
  billing,
  transport,
  keys,
  dataDir,
}: ProxyOptions): Promise<Proxy> {
  const directory = mkdtempSync(join(tmpdir(), "llm-proxy-bench-"));
  const data = dataDir ?? join(directory, "data");
  mkdirSync(data, { recursive: true });
  const config = join(directory, "llm-proxy.yaml");
  writeFileSync(
    config,
    `provider: { mock: { use: openai-compatible, baseUrl: "http://127.0.0.1:${upstreamPort}/v1", apiKey: bench-upstream-key } }
${billing ? "" : "billing: {}\n"}prices: [{ target: mock/*, input: 1, output: 2 }]\n`,
  );
  const port = await freePort();
  const startedMs = performance.now();
  const log = join(directory, "log");
  const child = start(
    ["bun", "core/main.ts", "--config", config, "--data", data, "--port", String(port)],
    subjectCore,
    {
      LLM_PROXY_ADMIN_TOKEN: adminToken,
      ...runtimeVariables,
      ...(transport && { LLM_PROXY_TRANSPORT: transport }),
    },
    log,
  );
  await answering(port);
  const readyMs = performance.now() - startedMs;
  const made = await Promise.all(Array.from({ length: keys }, (_, at) => createKey(port, at, billing)));
  return {
    name,
    port,
    pid: child.pid,
    readyMs,
    requests: (kind) => made.map((key) => requestOf(kind, key)),
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
