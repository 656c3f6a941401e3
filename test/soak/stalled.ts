import { invariants } from "../support/invariants.ts";
import { until } from "../support/poll.ts";
import { allUsage } from "../support/rows.ts";
import { setUp } from "../support/setup.ts";
import { flood, stall } from "../support/stalls.ts";
import { rssMb, type Soak, unhandled, watchMemory } from "./soak.ts";

const bytesOfStream = 100e6;
/** What a client that does not read may cost: half of what it would without back-pressure is far beyond. */
const mostMbEach = 4;

/** Clients that read nothing of streams of 100 MB: memory is bounded, and stays where it is. */
export const stalled: Soak = async (size) => {
  const { count, minutes, print } = size;
  const setup = await setUp({
    config: [
      "server:",
      `  timeouts: { stallMs: ${Math.ceil((minutes + 10) * 60_000)} }`,
      "  disconnect: { drainMs: 200 }",
      `  overload: { maxBufferedBytes: ${count * 2 * 1024 * 1024}, maxLoopLagMs: 60000 }`,
    ].join("\n"),
  });
  try {
    const { gateway, upstream, key } = setup;
    upstream.on("flood", flood(bytesOfStream));
    const before = rssMb(gateway);
    print(`${count} readers; at the start ${before.toFixed(0)} MB`);
    const readers = await Promise.all(Array.from({ length: count }, () => stall(gateway.url, key.key, "mock/flood")));
    const begun = readers.filter(({ head }) => head.startsWith("HTTP/1.1 200")).length;
    const most = await watchMemory(gateway, size);
    const sent = upstream.log.reduce((sum, { bytesSent }) => sum + bytesSent, 0);
    print(
      `${begun} streams begun; the upstream could send ${(sent / 1e6).toFixed(0)} MB of ${(count * bytesOfStream) / 1e6}`,
    );
    print(`at most ${most.toFixed(0)} MB: ${((most - before) / count).toFixed(2)} MB each`);
    for (const { socket } of readers) socket.resetAndDestroy();
    await until("a record for each", () => allUsage(gateway).length === count, { deadlineMs: 30_000 });
    await invariants(setup);
    print(`after they left: ${rssMb(gateway).toFixed(0)} MB`);
    return [
      ...(begun === count ? [] : [`${count - begun} readers were refused`]),
      ...((most - before) / count <= mostMbEach ? [] : [`more than ${mostMbEach} MB for each reader`]),
      ...unhandled(gateway),
    ];
  } finally {
    await setup.stop();
  }
};
