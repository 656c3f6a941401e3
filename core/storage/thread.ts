import { clearInterval, setInterval } from "node:timers";
import { threadPort } from "../runtime/worker.ts";
import { checkpointEveryMs, checkpointsOf } from "./checkpoints.ts";
import type { ThreadWork } from "./storage-thread.ts";

/** What a thread of the storage runs: checkpoints, until it is told to stop. */
const port = threadPort();
// Written by `storageThread` only.
const { path } = port.data as ThreadWork;

/** Failures in a row (a full disk, say) until the thread gives up, for its end to be logged and another to try. */
const maxFailures = 25;

const checkpoints = await checkpointsOf(path);
let failures = 0;
const timer = setInterval(() => {
  try {
    checkpoints.tick();
    failures = 0;
  } catch (error) {
    failures += 1;
    if (failures < maxFailures) return;
    checkpoints.close();
    throw error;
  }
}, checkpointEveryMs);

port.onMessage(() => {
  clearInterval(timer);
  checkpoints.close();
  port.close();
});
port.post("ready");
