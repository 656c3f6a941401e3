import { threadPort } from "../../core/runtime/worker.ts";

/** A thread that gets ready and never answers. */
const port = threadPort();
port.onMessage((order) => {
  if (order === "stop") port.close();
});
port.post({ ready: true });
