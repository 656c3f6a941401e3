import { threadPort } from "../../core/runtime/worker.ts";

/** A thread that never gets ready, nor answers, until it is told to stop. */
const port = threadPort();
port.onMessage((order) => {
  if (order === "stop") port.close();
});
