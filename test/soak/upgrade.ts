import { execFileSync, spawnSync } from "node:child_process";
import { copyFileSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { call, chat, openai } from "../support/clients.ts";
import { type Front, hasHaproxy, hasNginx, startHaproxy, startNginx } from "../support/fronts.ts";
import { invariants } from "../support/invariants.ts";
import { answers, frames, newUpstreamId } from "../support/openai-answers.ts";
import { allUsage } from "../support/rows.ts";
import { openStream } from "../support/scripts.ts";
import { setUp, type Setup } from "../support/setup.ts";
import { isAcknowledged, lost, usage } from "./load.ts";
import { doctor, neverShed, type Soak } from "./soak.ts";

const root = join(import.meta.dir, "..", "..");
/** Of a stream, so that each restart meets some of them in the middle. */
const [events, eventMs] = [20, 100];
/** How long load runs before and after each change of the version. */
const calmMs = 3_000;
/** How long an SDK tries by itself: twice, after what nginx tells it to wait. */
const patienceMs = 5_000;
const lanes = { plain: 6, streams: 12, sdk: 4 };

/**
 * Behind each front that is installed, as the README sets it up: the version before the last change of the schema, then this
 * one, then back by the copy that the upgrade made. `count` times; under load that never pauses.
 */
export const upgrade: Soak = async ({ count, print }) => {
  const old = mkdtempSync(join(tmpdir(), "llm-proxy-old-"));
  try {
    const version = checkOut(old);
    if (version === null) return ["needs the history of the repository"];
    const fronts = { ...(hasHaproxy && { haproxy: startHaproxy }), ...(hasNginx && { nginx: startNginx }) };
    const broken: string[] = [];
    for (const [name, start] of Object.entries(fronts))
      for (let round = 1; round <= count; round++) {
        print(`${name}: ${version}, and back`);
        broken.push(...(await there(old, { start, holds: name !== "nginx" }, print)).map((rule) => `${name}: ${rule}`));
      }
    return Object.keys(fronts).length > 0 ? broken : ["needs haproxy or nginx"];
  } finally {
    rmSync(old, { recursive: true, force: true });
  }
};

/** Into a new folder the version that came before the last migration, with what it needs; `null`: it is not known here. */
function checkOut(folder: string): string | null {
  const git = (...args: string[]) => spawnSync("git", args, { cwd: root, maxBuffer: 2 ** 28 });
  const since = git("log", "-1", "--format=%H", "--diff-filter=A", "--", "migrations/sqlite/*.sql")
    .stdout.toString()
    .trim();
  const archive = git("archive", `${since}^`);
  if (since === "" || archive.status !== 0) return null;
  execFileSync("tar", ["-x", "-C", folder], { input: archive.stdout });
  execFileSync(process.execPath, ["install", "--frozen-lockfile", "--production"], { cwd: folder, stdio: "ignore" });
  return git("log", "-1", "--format=%h (%s)", `${since}^`).stdout.toString().trim();
}

interface Kind {
  readonly start: (gateway: Setup["gateway"]) => Promise<Front>;
  /** Whether it keeps calls until the process is back; else it tells clients to come again, which SDKs do. */
  readonly holds: boolean;
}

async function there(old: string, { start, holds }: Kind, print: (line: string) => void): Promise<readonly string[]> {
  const folder = mkdtempSync(join(tmpdir(), "llm-proxy-version-"));
  const version = join(folder, "version");
  writeFileSync(version, old);
  const setup = await setUp({
    config: `server: { ${neverShed} }`,
    key: { name: "carried over", budget: { usd: 1_000_000, window: "lifetime" } },
    wrapper: ["sh", "-c", `cd "$(cat "${version}")" && exec "$@"`, "sh"],
  });
  const { gateway } = setup;
  const front = await start(gateway);
  try {
    script(setup);
    const up = underLoad(setup, front);
    await pause(calmMs);
    writeFileSync(version, root);
    const upMs = await restart(setup);
    await pause(calmMs);
    const first = await up();
    print(`up: away for ${upMs.toFixed(0)} ms; ${first.told}`);
    const broken = [...wrongIn(first, holds, upMs), ...lost(setup, first.acknowledged), ...(await doctor(gateway))];
    await invariants(setup);

    const down = underLoad(setup, front);
    await pause(calmMs);
    const stoppedMs = performance.now();
    await gateway.stop();
    const idsNow = () => new Set(allUsage(gateway).map(({ call_id }) => call_id));
    const before = idsNow();
    writeFileSync(version, old);
    gateway.spawn();
    const code = await gateway.exited();
    // Lets go of the file that was read above.
    await gateway.stop();
    const said =
      gateway
        .log()
        .split("\n")
        .findLast((line) => line.includes("newer")) ?? "";
    if (code === 0 || said === "") broken.push(`the older version took the newer database, exit ${code}`);
    restore(gateway.dataDir);
    await gateway.start();
    const downMs = performance.now() - stoppedMs;
    await pause(calmMs);
    const second = await down();
    const kept = idsNow();
    const gone = second.acknowledged.filter((id) => !kept.has(id) && !before.has(id));
    print(
      `down: refused with ${code} and "${said.trim().slice(0, 160)}"; away for ${downMs.toFixed(0)} ms; ${second.told}`,
    );
    return [
      ...broken,
      ...wrongIn(second, holds, downMs),
      ...(gone.length === 0 ? [] : [`${gone.length} calls are lost, e.g. ${gone[0]}`]),
    ];
  } finally {
    await front.stop();
    await setup.stop();
    rmSync(folder, { recursive: true, force: true });
  }
}

/** As a supervisor does: the end of one process, and then the next; gives how long no new call was taken. */
async function restart({ gateway }: Setup): Promise<number> {
  const startMs = performance.now();
  await gateway.stop();
  await gateway.start();
  return performance.now() - startMs;
}

/** As the README says. */
function restore(dataDir: string): void {
  const copy = readdirSync(dataDir).find((name) => name.endsWith(".backup"));
  if (copy === undefined) throw new Error("the upgrade made no copy");
  copyFileSync(join(dataDir, copy), join(dataDir, "llm-proxy.db"));
  for (const ending of ["-wal", "-shm"]) rmSync(join(dataDir, `llm-proxy.db${ending}`), { force: true });
}

function script({ upstream }: Setup): void {
  upstream.on("fast", answers(usage));
  upstream.on("long", async (exchange) => {
    exchange.upstreamId = newUpstreamId();
    const text = "word ".repeat(events);
    const stream = await openStream(exchange);
    for (const frame of frames(exchange.upstreamId, { ...usage, text }, true)) {
      await stream.send(frame);
      await pause(eventMs);
    }
    await stream.end();
  });
}

interface Seen {
  readonly acknowledged: readonly string[];
  /** Answers other than 200 or 503 from the front, and none at all. */
  readonly refused: readonly string[];
  /** 503 with `Retry-After`. */
  readonly asked: number;
  readonly cut: number;
  /** What an official SDK, with its retries, could not do. */
  readonly sdk: readonly string[];
  readonly told: string;
}

/** Through the front, until it is told to stop. */
function underLoad({ gateway, key }: Setup, front: Front): () => Promise<Seen> {
  const [acknowledged, refused, sdk]: [string[], string[], string[]] = [[], [], []];
  let [isOver, asked, cut, slowestMs, made] = [false, 0, 0, 0, 0];
  const lane = async (model: string, stream: boolean) => {
    while (!isOver) {
      const startMs = performance.now();
      const reply = await call(front, key.key, chat(model, { stream })).catch(String);
      slowestMs = Math.max(slowestMs, performance.now() - startMs);
      if (typeof reply === "string") refused.push(reply);
      else if (reply.status === 503 && reply.headers.has("retry-after")) asked += 1;
      else if (reply.status !== 200) refused.push(`${reply.status} ${reply.text.slice(0, 200)}`);
      else if (isAcknowledged(reply, stream)) acknowledged.push(reply.callId);
      else cut += 1;
      await pause(20);
    }
  };
  const client = openai(gateway, key.key).withOptions({ baseURL: `${front.url}/v1`, maxRetries: 2 });
  const sdkLane = async () => {
    for (; !isOver; made++) {
      const messages = [{ role: "user" as const, content: "Say hello." }];
      await client.chat.completions
        .create({ model: "mock/fast", messages })
        .catch((error: unknown) => sdk.push(String(error)));
      await pause(20);
    }
  };
  const running = Promise.all([
    ...Array.from({ length: lanes.plain }, () => lane("mock/fast", false)),
    ...Array.from({ length: lanes.streams }, () => lane("mock/long", true)),
    ...Array.from({ length: lanes.sdk }, sdkLane),
  ]);
  return async () => {
    isOver = true;
    await running;
    const told = `${acknowledged.length} calls well, ${asked} asked to come again, ${refused.length} refused, ${cut} cut, slowest ${slowestMs.toFixed(0)} ms; of ${made} by an SDK ${sdk.length} failed`;
    return { acknowledged, refused, asked, cut, sdk, told };
  };
}

const wrongIn = ({ refused, asked, cut, sdk }: Seen, holds: boolean, awayMs: number): readonly string[] => [
  ...(refused.length === 0 ? [] : [`${refused.length} calls were refused, e.g. ${refused[0]}`]),
  ...(asked === 0 || !holds ? [] : [`${asked} calls were not held`]),
  ...(cut === 0 ? [] : [`${cut} answers were cut`]),
  ...(sdk.length === 0 || (!holds && awayMs > patienceMs)
    ? []
    : [`an SDK could not do ${sdk.length} calls, e.g. ${sdk[0]}`]),
];
