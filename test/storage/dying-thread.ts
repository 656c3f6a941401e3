import { threadPort } from "../../core/runtime/worker.ts";

/** A thread that gets ready and dies of the first thing it hears. */
const port = threadPort();
port.onMessage(() => {
  throw new Error("this thread dies");
});
port.post({ ready: true });
