import { openSync } from "node:fs";
import { devNull } from "node:os";
import { setImmediate } from "node:timers/promises";
import { createEgress, startClient } from "../../core/runtime/egress.ts";
import { socketTransport } from "../../core/runtime/http1/transport.ts";
import { fetchTransport, type TransportOptions } from "../../core/runtime/transport.ts";
import { nextOf } from "../../core/runtime/upstream-response.ts";

/**
 * A process of its own, because the authorities that are trusted are read when one begins: asks each URL of its
 * arguments in both ways, and writes what came of it as JSON. It ends by itself, though its connections stay open.
 * `TAKE_DESCRIPTORS`: with no file descriptor left.
 */
const options: TransportOptions = {
  egress: createEgress({ allow: ["127.0.0.1"], now: Date.now, resolve: () => Promise.resolve(["127.0.0.1"]) }),
  connectTimeoutMs: 10_000,
  now: Date.now,
  env: {},
};
const { signal } = new AbortController();
if (process.env.TAKE_DESCRIPTORS) {
  await startClient();
  try {
    for (;;) openSync(devNull, "r");
  } catch {
    // That was the last one.
  }
}
const body = "x".repeat(4_000_000);
for (const transport of [fetchTransport(options), socketTransport(options)]) {
  const told: (string | number)[] = [];
  for (const url of process.argv.slice(2)) {
    // A name that only the test knows means what the test says.
    const guarded = url.includes(".example.com") ? ({ guarded: true } as const) : {};
    try {
      const pieces = (await transport({ url, headers: {}, body, ...guarded }, signal)).body();
      let bytes = 0;
      for (let piece = pieces && (await nextOf(pieces)); piece; piece = pieces && (await nextOf(pieces))) {
        bytes += piece.byteLength;
        // So that more comes than is read, and the connection has to wait.
        await setImmediate();
      }
      told.push(bytes);
    } catch (error) {
      told.push(error instanceof Error && "code" in error ? String(error.code) : String(error));
    }
  }
  console.log(JSON.stringify(told));
}
