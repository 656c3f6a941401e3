import { Database } from "bun:sqlite";
import { spawn, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { chat } from "../support/clients.ts";
import { answers } from "../support/openai-answers.ts";
import { until } from "../support/poll.ts";
import { freePort } from "../support/process.ts";
import { reset } from "../support/scripts.ts";
import { flood, stall } from "../support/stalls.ts";
import { startUpstream } from "../support/upstream.ts";

/**
 * What a newcomer sees, with nothing configured, and what a runtime does with connections on its own: `bun test/deno/smoke.ts COMMAND…` starts the command in the working
 * folder, as `deno run -A core/main.ts` or `bun run start`, and prints one `ok` or `not ok` line per check.
 */
const command = process.argv.slice(2);
if (command.length === 0) {
  console.error("usage: bun test/deno/smoke.ts COMMAND [ARGUMENT…]");
  process.exit(2);
}

const startMs = 120_000;
const stopMs = 15_000;
const adminToken = crypto.randomUUID();
const keyForm = /sk-llmp-[0-9A-Za-z]{12}-[0-9A-Za-z]{49}/;
const loginLink = /\/dashboard\/login\S*[?#]\S+/;

const data = mkdtempSync(join(tmpdir(), "llm-proxy-smoke-"));
let failed = false;
try {
  const key = await newcomer();
  await connections(key);
} catch (error) {
  failed = true;
  console.log(`not ok - ${command.join(" ")}: ${String(error)}`);
} finally {
  rmSync(data, { recursive: true, force: true });
}
process.exit(failed ? 1 : 0);

/** Returns the first key. */
async function newcomer(): Promise<string> {
  const first = await start();
  const key = keyForm.exec(first.output())?.[0] ?? "";
  const messages = [{ role: "user", content: "smoke and mirrors" }];
  const call = (body: object) =>
    fetch(`${first.url}/v1/chat/completions`, {
      method: "POST",
      headers: { authorization: `Bearer ${key}`, "content-type": "application/json" },
      body: JSON.stringify({ model: "echo", messages, ...body }),
    });

  await check("answers /readyz", async () => (await fetch(`${first.url}/readyz`)).status === 200);
  await check("prints a first key and a login link", () => key !== "" && loginLink.test(first.output()));
  await check("answers a chat", async () => {
    const answer = await (await call({})).json();
    return answer.choices[0].message.content.includes("smoke and mirrors") && answer.usage.total_tokens > 0;
  });
  await check("streams a chat to its end", async () => {
    const response = await call({ stream: true });
    const text = await response.text();
    const type = response.headers.get("content-type") ?? "";
    return (
      type.startsWith("text/event-stream") && text.split("\n\n").length > 2 && text.trimEnd().endsWith("data: [DONE]")
    );
  });
  await check("refuses a call without a key", async () => {
    const response = await fetch(`${first.url}/v1/chat/completions`, { method: "POST", body: "{}" });
    return response.status === 401 && (await response.json()).error.message !== "";
  });
  await check("shows the login page", async () => (await fetch(`${first.url}/dashboard/login`)).status === 200);
  await check("answers the curl it prints", () => pasted(first.output()));
  await check("stops on SIGTERM", () => first.stop());

  const second = await start();
  await check(
    "prints no secret at the second start",
    () => !keyForm.test(second.output()) && !loginLink.test(second.output()),
  );
  await check("still takes the first key", async () => {
    const models = await fetch(`${second.url}/v1/models`, { headers: { authorization: `Bearer ${key}` } });
    return models.status === 200 && (await models.text()).includes("echo");
  });
  await check("refuses an empty password", async () => {
    const body = new URLSearchParams({ email: "nobody@example.com", password: "" });
    return (await fetch(`${second.url}/dashboard/login`, { method: "POST", body })).status === 401;
  });
  await check("stops on SIGTERM again", () => second.stop());
  await check("tells of no error until it ends", () => !/"level":"error"|\berror\b.*:/i.test(second.output()));
  return key;
}

async function connections(key: string): Promise<void> {
  const upstream = await startUpstream();
  const file = join(data, "smoke.yaml");
  writeFileSync(
    file,
    `server: { timeouts: { drainMs: 300 } }
provider: { mock: { use: openai-compatible, baseUrl: "${upstream.baseUrl}", apiKey: sk-of-nobody } }
prices: [{ target: mock/*, input: 1, output: 1 }]
`,
  );
  const proxy = await start({ LLM_PROXY_CONFIG: file, LLM_PROXY_ADMIN_TOKEN: adminToken });
  const headers = { authorization: `Bearer ${key}`, "content-type": "application/json" };
  const ask = async (model: string) => {
    const body = JSON.stringify(chat(`mock/${model}`));
    return (await fetch(`${proxy.url}/v1/chat/completions`, { method: "POST", headers, body })).status;
  };
  upstream.on("good", answers());
  upstream.on("broken", reset);
  await check("sends a call once though its connection breaks", async () => {
    const found = [await ask("good"), await ask("broken")];
    return found.join() === "200,502" && upstream.requestsFor("broken").length === 1;
  });

  upstream.on("flood", flood(100e6));
  const { socket } = await stall(proxy.url, key, "mock/flood");
  await until("the client is seen to take nothing", async () => {
    const metrics = await fetch(`${proxy.url}/metrics`, { headers: { authorization: `Bearer ${adminToken}` } });
    return (await metrics.text()).includes("llm_proxy_stalled_streams 1");
  });
  await check("stops though a client reads nothing", () => proxy.stop());
  await check("and its call has its record", () => {
    const rows = new Database(join(data, "llm-proxy.db")).query("SELECT status FROM v_usage WHERE model = ?");
    const found = rows.values("mock/flood").flat().join();
    if (found !== "shutdown") throw new Error(found);
    return true;
  });
  socket.destroy();
  await upstream.stop();
}

interface Running {
  readonly url: string;
  output(): string;
  /** SIGTERM to all it started; `true` once every process is gone. */
  stop(): Promise<boolean>;
}

async function start(settings: Readonly<Record<string, string>> = {}): Promise<Running> {
  const port = await freePort();
  const [program = "", ...args] = command;
  // A group of its own: between us and the server there may be npx, a package script and a shell.
  const child = spawn(program, args, {
    detached: true,
    env: { ...process.env, HOST: "127.0.0.1", PORT: String(port), LLM_PROXY_DATA: data, ...settings },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let output = "";
  const keep = (chunk: Buffer) => {
    output += chunk.toString();
  };
  child.stdout.on("data", keep);
  child.stderr.on("data", keep);

  const signal = (name: NodeJS.Signals | 0): boolean => {
    try {
      return process.kill(-(child.pid ?? 0), name);
    } catch {
      return false;
    }
  };
  const url = `http://127.0.0.1:${port}`;
  try {
    await until(
      `${command.join(" ")} is ready`,
      async () => {
        if (child.exitCode !== null) throw new Error(`exit code ${child.exitCode}`);
        return (await fetch(`${url}/readyz`).catch(() => null))?.ok;
      },
      { deadlineMs: startMs, everyMs: 50 },
    );
  } catch (error) {
    signal("SIGKILL");
    throw new Error(`${String(error)}\n${output}`, { cause: error });
  }
  return {
    url,
    output: () => output,
    async stop() {
      signal("SIGTERM");
      const gone = await until("every process is gone", () => !signal(0), { deadlineMs: stopMs, everyMs: 50 }).catch(
        () => false,
      );
      if (!gone) signal("SIGKILL");
      return gone;
    },
  };
}

async function check(name: string, holds: () => boolean | Promise<boolean>): Promise<void> {
  let reason = "";
  const ok = await Promise.resolve()
    .then(holds)
    .catch((error: unknown) => {
      reason = `: ${String(error)}`;
      return false;
    });
  failed ||= !ok;
  console.log(`${ok ? "ok" : "not ok"} - ${command.join(" ")}: ${name}${reason}`);
}

/** Runs the printed command as a newcomer would: pasted into a shell. */
function pasted(output: string): boolean {
  const text = /^\s*curl (?:.*\\\r?\n)*.*$/m.exec(output)?.[0] ?? "false";
  const { status, stdout } = spawnSync("sh", ["-c", text], { encoding: "utf8" });
  return status === 0 && stdout.includes("choices");
}
