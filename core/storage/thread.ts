import { clearInterval, setInterval } from "node:timers";
import { openSqlite } from "../runtime/sqlite.ts";
import { stayBehind, threadPort } from "../runtime/worker.ts";
import { checkpointEveryMs, checkpointsOf } from "./checkpoints.ts";
import type { Reads } from "./reads.ts";
import { type WriteGate, writeGate } from "./write-gate.ts";
import { sentError, type ThreadAnswer, type ThreadOrder, type ThreadWork } from "./thread-messages.ts";

/** What a thread of the storage runs: it answers questions and copies the log, until it is told to stop. */
const port = threadPort();
stayBehind();
// Written by `storageThread` only.
const work = port.data as ThreadWork;
const post = (message: ThreadAnswer) => port.post(message);

/** Failures in a row (a full disk, say) until the thread gives up, for its end to be logged and another to try. */
const maxFailures = 25;

const checkpoints = work.gate ? await startCheckpoints(writeGate(work.gate)) : null;
let reader: Awaited<ReturnType<typeof openReader>> | null = null;
let last = Promise.resolve();

port.onMessage((message) => {
  // Posted by `storageThread` only.
  const order = message as ThreadOrder;
  // One after the other: the first question waits for the reader, and an order to stop must not overtake it.
  last = last.then(() => (order === "stop" ? stop() : answer(order)));
});
post({ ready: true });

async function startCheckpoints(gate: WriteGate) {
  // Closed still, should the thread before this one have ended meanwhile.
  gate.open();
  const open = await checkpointsOf(work.path, { gate });
  let failures = 0;
  const timer = setInterval(() => {
    try {
      open.tick();
      failures = 0;
    } catch (error) {
      failures += 1;
      if (failures < maxFailures) return;
      open.close();
      throw error;
    }
  }, checkpointEveryMs);
  return {
    stop() {
      clearInterval(timer);
      open.close();
    },
  };
}

async function answer({ id, name, values }: Exclude<ThreadOrder, "stop">) {
  try {
    reader ??= await openReader();
    post({ id, value: reader.read(name, values) });
  } catch (error) {
    post({ id, error: sentError(error) });
  }
}

/** Opened with the first question: a thread that only copies the log needs none of it. */
async function openReader() {
  const { readsOf } = await import("./reads.ts");
  const client = await openSqlite(work.path, { readonly: true });
  client.exec("PRAGMA busy_timeout = 2000");
  const reads = readsOf(client);
  return {
    close: () => client.close(),
    /** All statements of one question see the same moment. */
    read(name: keyof Reads, values: readonly unknown[]): unknown {
      let value: unknown;
      client
        // The values are the parameters of the read with this name.
        .transaction(() => void (value = (reads[name] as (...values: readonly unknown[]) => unknown)(...values)))
        .deferred();
      return value;
    },
  };
}

function stop() {
  checkpoints?.stop();
  reader?.close();
  port.close();
}
