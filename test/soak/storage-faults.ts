import { Database } from "bun:sqlite";
import { spawnSync } from "node:child_process";
import { closeSync, openSync, rmSync, writeSync } from "node:fs";
import { join } from "node:path";
import { call, chat } from "../support/clients.ts";
import { invariants } from "../support/invariants.ts";
import { answers, frames, newUpstreamId, wantsUsage } from "../support/openai-answers.ts";
import { gate, until } from "../support/poll.ts";
import { stalled } from "../support/scripts.ts";
import { type Setup, setUp } from "../support/setup.ts";
import { isAcknowledged, type Load, lost, underLoad, usage } from "./load.ts";
import { doctor, neverShed, type Soak } from "./soak.ts";

const key = { name: "in trouble", budget: { usd: 1_000_000, window: "lifetime" } };
/** Battery 231 and 232: back within this, without a restart. */
const recoveryMs = 5_000;

/**
 * The disk of the data folder fills up under load, for `minutes`: nothing is answered that is not recorded, and the process
 * goes on by itself when there is space again. `count` times.
 */
export const diskFull: Soak = async ({ count, minutes, print }) => {
  const mount =
    'mkdir -p "$LLM_PROXY_DATA" && mount -t tmpfs -o size=12m,mode=700 tmpfs "$LLM_PROXY_DATA" && exec "$@"';
  const setup = await setUp({ config: `server: { ${neverShed} }`, key, wrapper: ["sh", "-c", mount, "sh"] });
  const { dataDir } = setup.gateway;
  try {
    setup.upstream.on("fast", answers(usage));
    const load = underLoad(setup, { lanes: 8 });
    const broken: string[] = [];
    for (let time = 0; time < count; time += 1) {
      await goes(load, "calls before");
      const ballast = join(dataDir, "ballast");
      fill(ballast);
      broken.push(...(await troubled(setup, load, minutes, true)));
      rmSync(ballast);
      broken.push(...(await recovered(setup, load)));
    }
    return [...broken, ...(await settled(setup, load, print))];
  } finally {
    await setup.gateway.kill();
    spawnSync("umount", [dataDir]);
    await setup.stop();
  }
};

/** Another program holds the database's lock for `minutes`: calls get 503, streams that were open end, nothing is lost. */
export const locked: Soak = async ({ count, minutes, print }) => {
  const setup = await setUp({ config: `server: { ${neverShed} }`, key });
  const release = gate();
  try {
    setup.upstream.on("fast", answers(usage));
    setup.upstream.on("long", (exchange) => {
      const id = (exchange.upstreamId = newUpstreamId());
      const all = frames(id, { text: "one two three", ...usage }, wantsUsage(exchange));
      return stalled(all.slice(0, 2).join(""), release.opened, all.slice(2).join(""))(exchange);
    });
    const load = underLoad(setup, { lanes: 8 });
    const broken: string[] = [];
    for (let time = 0; time < count; time += 1) {
      await goes(load, "calls before");
      let begun = 0;
      const open = Array.from({ length: 10 }, () =>
        call(setup.gateway, setup.key.key, chat("mock/long", { stream: true, max_completion_tokens: 50 }), {
          onPiece: (text) => void (begun += text.includes("one") ? 1 : 0),
        }),
      );
      await until("open streams", () => begun >= open.length);
      const other = new Database(join(setup.gateway.dataDir, "llm-proxy.db"));
      other.exec("PRAGMA busy_timeout = 10000");
      other.exec("BEGIN EXCLUSIVE");
      release.open();
      broken.push(...(await troubled(setup, load, minutes)));
      other.exec("ROLLBACK");
      other.close();
      const ended = await Promise.all(open);
      if (!ended.every((reply) => isAcknowledged(reply, true))) broken.push("a stream that was open did not end well");
      broken.push(
        ...lost(
          setup,
          ended.map(({ callId }) => callId),
        ),
      );
      broken.push(...(await recovered(setup, load)));
    }
    return [...broken, ...(await settled(setup, load, print))];
  } finally {
    await setup.stop();
  }
};

/** Whether a file system of our own can be mounted here, for the data folder. */
export function canMount(): boolean {
  const { status } = spawnSync("unshare", ["-m", "mount", "-t", "tmpfs", "tmpfs", "/mnt"]);
  return status === 0;
}

async function goes(load: Load, what: string): Promise<void> {
  const enough = load.acknowledged.length + 40;
  await until(what, () => load.acknowledged.length >= enough, { deadlineMs: 30_000 });
}

/** Writes until nothing goes in any more. */
function fill(path: string): void {
  const file = openSync(path, "w");
  try {
    for (const size of [65_536, 4_096, 512]) {
      try {
        while (writeSync(file, Buffer.alloc(size)) === size);
      } catch {
        // Full for a piece of this size.
      }
    }
  } finally {
    closeSync(file);
  }
}

/**
 * Until calls are refused, and for `minutes` more: `/readyz` says why, the process lives. None succeeds, but where something
 * still finds its place on the disk. All lanes of the load may be waiting for calls to be recorded that were let in before,
 * so others come meanwhile.
 */
async function troubled(
  { gateway, key: asked }: Setup,
  load: Load,
  minutes: number,
  mayServe = false,
): Promise<readonly string[]> {
  let refused = 0;
  const ask = () =>
    void call(gateway, asked.key, chat("mock/fast", { max_completion_tokens: 50 })).then(
      ({ status }) => (refused += status === 503 ? 1 : 0),
      () => null,
    );
  const isRefused = (times: number) => {
    ask();
    return refused >= times;
  };
  await until("refusals", () => isRefused(20), { deadlineMs: 20_000 });
  const { length } = load.acknowledged;
  const endMs = performance.now() + minutes * 60_000;
  await until("the end of the trouble", () => isRefused(40) && performance.now() >= endMs, {
    deadlineMs: minutes * 60_000 + 20_000,
  });
  await until("/readyz 503", async () => (await gateway.get("/readyz"))?.status === 503, { deadlineMs: 5_000 });
  return [
    ...(mayServe || load.acknowledged.length === length
      ? []
      : [`${load.acknowledged.length - length} calls succeeded in trouble`]),
    ...(gateway.running ? [] : ["the process is gone"]),
  ];
}

async function recovered({ gateway }: Setup, load: Load): Promise<readonly string[]> {
  const enough = load.acknowledged.length + 10;
  const startMs = performance.now();
  await until("calls again", () => load.acknowledged.length >= enough, { deadlineMs: 30_000 });
  const tookMs = performance.now() - startMs;
  const ready = await gateway.get("/readyz");
  return [
    ...(tookMs <= recoveryMs ? [] : [`calls were answered again only after ${tookMs.toFixed(0)} ms`]),
    ...(ready?.status === 200 ? [] : [`/readyz says ${ready?.status} afterwards`]),
  ];
}

/** After the load: everything acknowledged is recorded, exactly, and nothing else went wrong. */
async function settled(setup: Setup, load: Load, print: (line: string) => void): Promise<readonly string[]> {
  await load.stop();
  print(
    `${load.acknowledged.length} acknowledged; answers: ${[...load.statuses].map(([status, n]) => `${n} × ${status}`).join(", ")}`,
  );
  await invariants(setup);
  const others = [...load.statuses.keys()].filter((status) => status !== 200 && status !== 503);
  return [
    ...lost(setup, load.acknowledged),
    ...(others.length > 0 ? [`calls were answered ${others.join(", ")}`] : []),
    ...(await doctor(setup.gateway)),
  ];
}
