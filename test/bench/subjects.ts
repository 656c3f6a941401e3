import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { freePort } from "../support/process.ts";
import { runtimeVariables } from "../support/runtime-variables.ts";
import { requestOf } from "./shape.ts";
import { answering, firstLine, loadCore, start, type Subject, subjectCore } from "./spawn.ts";

export async function startUpstream(): Promise<Subject> {
  const child = start(["bun", "test/bench/upstream.ts"], loadCore);
  return {
    name: "direct",
    port: Number(await firstLine(child)),
    pid: null,
    requests: (kind) => [requestOf(kind)],
    stop: () => child.kill(),
  };
}

export async function startBare(upstreamPort: number): Promise<Subject> {
  const child = start(["bun", "test/bench/bare.ts", String(upstreamPort)], subjectCore);
  return {
    name: "bare",
    port: Number(await firstLine(child)),
    pid: child.pid,
    requests: (kind) => [requestOf(kind)],
    stop: () => child.kill(),
  };
}

/** Keys with a budget each, as the proxy has. */
export async function startLeast(upstreamPort: number, keys: number, transport: "fetch" | "sockets"): Promise<Subject> {
  const directory = mkdtempSync(join(tmpdir(), "llm-proxy-bench-"));
  const command = ["bun", "test/bench/least.ts", String(upstreamPort), join(directory, "least.db"), transport];
  const child = start(command, subjectCore, runtimeVariables);
  return {
    name: transport === "fetch" ? "least, fetch" : "least",
    port: Number(await firstLine(child)),
    pid: child.pid,
    requests: (kind) => Array.from({ length: keys }, (_, at) => requestOf(kind, `key ${at}`)),
    stop() {
      child.kill();
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

/** `null`: not installed. */
export async function startNginx(upstreamPort: number): Promise<Subject | null> {
  const program = ["/usr/sbin/nginx", "/usr/bin/nginx"].find((path) => existsSync(path));
  if (program === undefined) return null;
  const directory = mkdtempSync(join(tmpdir(), "llm-proxy-bench-"));
  const port = await freePort();
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
    requests: (kind) => [requestOf(kind)],
    stop() {
      child.kill();
      rmSync(directory, { recursive: true, force: true });
    },
  };
}
