import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { until } from "./poll.ts";
import { freePort, type Gateway } from "./process.ts";

/** A reverse proxy between clients and the product, set up as the README says. */
export interface Front {
  readonly url: string;
  /** What it wrote of its own troubles. */
  log(): string;
  stop(): Promise<void>;
}

/** Where Debian puts what a shell of root looks for only. */
const sbin = "/usr/sbin:/usr/local/sbin";
const nginx = Bun.which("nginx") ?? Bun.which("nginx", { PATH: sbin });
const haproxy = Bun.which("haproxy") ?? Bun.which("haproxy", { PATH: sbin });
const caddy = Bun.which("caddy");
export const hasNginx = nginx !== null;
export const hasHaproxy = haproxy !== null;
export const hasCaddy = caddy !== null;

const readme = readFileSync(join(import.meta.dir, "..", "..", "README.md"), "utf8");

/** The README's block of that language, in words of its own but for addresses and certificates. */
function documented(language: string, changes: readonly (readonly [RegExp, string])[]): string {
  let text = readme.split(`\`\`\`${language}\n`)[1]?.split("\n```")[0] ?? "";
  for (const [what, instead] of changes) {
    if (!what.test(text)) throw new Error(`the README's ${language} block has no ${String(what)}`);
    text = text.replaceAll(what, instead);
  }
  return text;
}

/** `more`: directives of its `http` block. */
export async function startNginx(gateway: Gateway, more = ""): Promise<Front> {
  const port = await freePort();
  const directory = mkdtempSync(join(tmpdir(), "llm-proxy-nginx-"));
  const server = documented("nginx", [
    [/listen 443 ssl;/g, `listen 127.0.0.1:${port} backlog=4096;`],
    [/ *ssl_certificate.*\n/g, ""],
    [/http:\/\/127\.0\.0\.1:8787/g, gateway.url],
  ]);
  const temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map(
    (name) => `${name}_temp_path ${directory}/${name};`,
  );
  writeFileSync(
    join(directory, "nginx.conf"),
    `daemon off; worker_processes 1; pid ${directory}/pid; error_log ${directory}/log;\nevents { worker_connections 8192; }\nhttp { access_log off; ${temporary.join(" ")} ${more}\n${server}\n}\n`,
  );
  return started(
    [nginx ?? "nginx", "-e", join(directory, "log"), "-c", join(directory, "nginx.conf"), "-p", directory],
    {
      port,
      directory,
    },
  );
}

export async function startHaproxy(gateway: Gateway): Promise<Front> {
  const port = await freePort();
  const directory = mkdtempSync(join(tmpdir(), "llm-proxy-haproxy-"));
  const text = documented("haproxy", [
    [/bind :443 .*/g, `bind 127.0.0.1:${port}`],
    [/127\.0\.0\.1:8787/g, gateway.url.slice("http://".length)],
  ]);
  const config = join(directory, "haproxy.cfg");
  writeFileSync(config, `${text}\n`);
  return started([haproxy ?? "haproxy", "-db", "-f", config], { port, directory });
}

export async function startCaddy(gateway: Gateway): Promise<Front> {
  const port = await freePort();
  const directory = mkdtempSync(join(tmpdir(), "llm-proxy-caddy-"));
  const site = documented("caddyfile", [
    [/^llm\.example\.com /g, `http://127.0.0.1:${port} `],
    [/127\.0\.0\.1:8787/g, gateway.url.slice("http://".length)],
  ]);
  const config = join(directory, "Caddyfile");
  writeFileSync(config, `{\n  admin off\n}\n${site}\n`);
  return started([caddy ?? "caddy", "run", "--config", config, "--adapter", "caddyfile"], { port, directory });
}

async function started(
  [command = "", ...args]: readonly string[],
  { port, directory }: { readonly port: number; readonly directory: string },
): Promise<Front> {
  const url = `http://127.0.0.1:${port}`;
  let text = "";
  const child = spawn(command, args, { stdio: ["ignore", "pipe", "pipe"], env: { ...process.env, HOME: directory } });
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding("utf8").on("data", (piece: string) => (text += piece));
  const log = () => text + readOr(join(directory, "log"), "");
  await until("the front answers", async () => {
    if (child.exitCode !== null) throw new Error(`${command} ended: ${log()}`);
    return (await fetch(url).catch(() => null)) !== null;
  });
  return {
    url,
    log,
    async stop() {
      await ended(child);
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

async function ended(child: ChildProcess): Promise<void> {
  const gone = new Promise((resolve) => child.once("exit", resolve));
  if (child.exitCode !== null || child.signalCode !== null) return;
  child.kill("SIGTERM");
  await gone;
}

function readOr(path: string, otherwise: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return otherwise;
  }
}
