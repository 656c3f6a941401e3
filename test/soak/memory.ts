import { run } from "../bench/load.ts";
import { requestOf } from "../bench/shape.ts";
import { startUpstream } from "../bench/subjects.ts";
import { startGateway } from "../support/process.ts";
import { doctor, neverShed, rssMb, type Soak, unhandled } from "./soak.ts";

const steps = 10;
const connections = 64;
const keys = 10;
const mostMbAtStart = 110;
/** Of the highest of the steps before the last half, in which caches fill and the collector finds its size. */
const flat = 1.1;

/** JSON calls one after the other, everything on: memory does not grow with their number. */
export const memory: Soak = async ({ count, print }) => {
  const upstream = await startUpstream();
  const gateway = await startGateway({
    config: `provider: { mock: { use: openai-compatible, baseUrl: "http://127.0.0.1:${upstream.port}/v1", apiKey: none } }\nserver: { ${neverShed} }\nprices: [{ target: mock/*, input: 1, output: 2 }]\n`,
  });
  try {
    const budget = { usd: 1_000_000, window: "day" };
    const made = await Promise.all(Array.from({ length: keys }, () => gateway.createKey({ name: "memory", budget })));
    const requests = made.map(({ key }) => requestOf("json", key));
    const start = rssMb(gateway);
    print(`at the start ${start.toFixed(0)} MB`);
    const port = Number(new URL(gateway.url).port);
    const calls = Math.ceil(count / steps);
    const figures: number[] = [];
    let failed = 0;
    for (let step = 1; step <= steps; step++) {
      const result = await run({ port, requests, calls, concurrency: connections, rate: null });
      failed += result.failed;
      figures.push(rssMb(gateway));
      print(
        `${step * calls} calls: ${rssMb(gateway).toFixed(0)} MB, ${(calls / result.seconds).toFixed(0)} calls/s, ${result.failed} failed`,
      );
    }
    const [early, late] = [figures.slice(0, steps / 2), figures.slice(steps / 2)].map((half) => Math.max(...half));
    const [row] = gateway.sql<{ n: number }>("select count(*) as n from v_usage where status = 'ok'");
    print(`at most ${early?.toFixed(0)} MB in the first half, ${late?.toFixed(0)} MB in the second; ${row?.n} records`);
    return [
      ...(start <= mostMbAtStart ? [] : [`${start.toFixed(0)} MB at the start are more than ${mostMbAtStart}`]),
      ...((late ?? Number.NaN) <= (early ?? Number.NaN) * flat ? [] : ["memory grows with the number of calls"]),
      ...(failed === 0 ? [] : [`${failed} calls failed`]),
      ...(row?.n === calls * steps - failed ? [] : [`${row?.n} records of ${calls * steps} calls`]),
      ...unhandled(gateway),
      ...(await doctor(gateway)),
    ];
  } finally {
    await gateway.dispose();
    upstream.stop();
  }
};
