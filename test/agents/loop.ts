import { spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, dirname, join } from "node:path";
import type { DialectName } from "../../core/dialects/dialect.ts";
import { until } from "../support/poll.ts";
import { allUsage, openCalls } from "../support/rows.ts";
import { sse, whole } from "../support/scripts.ts";
import type { Setup } from "../support/setup.ts";
import { spokenStream, spokenWhole, type Turn } from "../support/spoken.ts";
import type { Exchange, Script } from "../support/upstream.ts";
import type { Agent } from "./agents.ts";

/** What became of one task: read a file with a tool, then say what is in it. */
export interface Outcome {
  /** Empty: the loop went as scripted. */
  readonly faults: readonly string[];
  /** Requests that the provider got. */
  readonly asked: number;
  readonly seconds: number;
  /** The last words of the agent and of the proxy, for whoever looks for the fault. */
  readonly trace: string;
}

const deadlineMs = 120_000;

/** `binaries`: the folder with the agents' commands. */
export async function runLoop(agent: Agent, target: DialectName, setup: Setup, binaries: string): Promise<Outcome> {
  const startedMs = performance.now();
  const home = mkdtempSync(join(tmpdir(), "llm-proxy-agent-"));
  const project = join(home, "project");
  const note = join(project, "note.txt");
  // Only the tool can find it out: the prompt does not say it.
  const word = `plum-${crypto.randomUUID().slice(0, 8)}`;
  const upstreamModel = `${agent.name}-to-${target}`.replaceAll(/[^\w]+/g, "-").toLowerCase();
  const to = { url: setup.gateway.url, key: setup.key.key, model: `mock-${target}/${upstreamModel}` };
  try {
    write(note, `The word is ${word}.\n`);
    for (const [path, text] of Object.entries(agent.files?.(to) ?? {})) write(join(home, path), text);
    setup.upstream.on(upstreamModel, scripted(target, agent.reads(note), word));

    const [command, ...args] = agent.command(to, "Read the file note.txt and tell me the word in it.");
    const env = {
      PATH: `${binaries}${delimiter}${process.env["PATH"] ?? ""}`,
      HOME: home,
      TERM: "dumb",
      NO_COLOR: "1",
      ...agent.environment?.(to),
    };
    const { code, stdout, stderr } = await run(join(binaries, command), args, project, env);

    const asked = setup.upstream.requestsFor(upstreamModel);
    if (!setup.gateway.running) throw new Error(`the proxy has ended:\n${setup.gateway.log().slice(-4_000)}`);
    await until("every record to be final", () => openCalls(setup.gateway) === 0);
    const rows = allUsage(setup.gateway).filter((row) => row.model === to.model);
    const faults = [
      ...(code === 0 ? [] : [`exit code ${code ?? "none"}`]),
      ...(stdout.includes(`It says ${word}.`) ? [] : ["the final answer is not on stdout"]),
      ...(asked.some(({ request }) => request.body.includes(word)) ? [] : ["no tool result reached the provider"]),
      ...rows.filter((row) => row.status !== "ok").map((row) => `a call ended as ${row.status}`),
      ...(rows.every((row) => row.dialect === agent.dialect) ? [] : ["a call came in another dialect"]),
    ];
    const trace = [stdout.slice(-2_000), stderr.slice(-3_000), setup.gateway.log().slice(-2_000)].join("\n---\n");
    return { faults, asked: asked.length, seconds: (performance.now() - startedMs) / 1_000, trace };
  } finally {
    rmSync(home, { recursive: true, force: true });
  }
}

function write(path: string, text: string): void {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, text);
}

/** A model that thinks, reads the file, and says its word; without tools it finds a title. */
function scripted(target: DialectName, call: ReturnType<Agent["reads"]>, word: string): Script {
  const first: Turn = {
    thinking: { text: "I should read the file.", signature: "c2lnbmF0dXJl" },
    text: "I will read it.",
    calls: [{ id: "call_1", ...call }],
    usage: { input: 1_000, output: 20, thinking: 6 },
  };
  const last: Turn = { text: `It says ${word}.`, usage: { input: 1_100, cached: 1_000, output: 8 } };
  const title: Turn = { text: "Reading a note", usage: { input: 50, output: 4 } };
  return (exchange) => {
    const { tools } = exchange.json;
    const hasTools = Array.isArray(tools) && tools.length > 0;
    const turn = !hasTools ? title : exchange.request.body.includes(word) ? last : first;
    if (wantsStream(exchange)) return sse(spokenStream(target, turn))(exchange);
    return whole(exchange, 200, spokenWhole(target, turn), { "content-type": "application/json" });
  };
}

const wantsStream = ({ request, json }: Exchange): boolean =>
  json["stream"] === true || request.start.includes(":streamGenerateContent");

function run(
  command: string,
  args: readonly string[],
  cwd: string,
  env: Readonly<Record<string, string>>,
): Promise<{ readonly code: number | null; readonly stdout: string; readonly stderr: string }> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { cwd, env, stdio: ["ignore", "pipe", "pipe"], timeout: deadlineMs });
    let [stdout, stderr] = ["", ""];
    child.stdout.on("data", (piece) => (stdout += String(piece)));
    child.stderr.on("data", (piece) => (stderr += String(piece)));
    child.on("error", reject);
    child.on("close", (code) => resolve({ code, stdout, stderr }));
  });
}
