import { threadPort } from "../../core/runtime/worker.ts";

/** A thread that gets ready and dies. */
threadPort().post("ready");
setTimeout(() => {
  throw new Error("this thread dies");
}, 1);
