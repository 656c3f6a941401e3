import { closeSync, openSync } from "node:fs";
import { devNull, setPriority } from "node:os";
import { parentPort, Worker, workerData } from "node:worker_threads";

/** A second thread of this process that runs one file. It never keeps the process alive. */
export interface Thread {
  post(message: unknown): void;
  /** Ends it at once; `onEnd` is still told. A statement that runs in it runs to its end. */
  kill(): void;
}

export interface ThreadEvents {
  onMessage(message: unknown): void;
  /** Once, however it ended; `null`: by itself. */
  onEnd(error: Error | null): void;
}

/** For `startThread`: a file of this program by its path from the root, also where the program was built into one file. */
export const threadFile = (path: `core/${string}.ts`): URL =>
  import.meta.url.endsWith("/core/runtime/worker.ts")
    ? new URL(`../../${path}`, import.meta.url)
    : // There all shared parts lie in the root, and what threads start with where it was, built.
      new URL(path.replace(/ts$/, "js"), import.meta.url);

/** More than a thread needs for its start. */
const startDescriptors = 16;

/** Throws where the runtime has no threads, and where too few file descriptors are left. `data` is copied to the thread. */
export function startThread(entry: URL, data: unknown, { onMessage, onEnd }: ThreadEvents): Thread {
  mustHaveDescriptors();
  const worker = new Worker(entry, { workerData: data });
  let ended = false;
  const end = (error: Error | null) => {
    if (ended) return;
    ended = true;
    onEnd(error);
  };
  worker.on("message", onMessage);
  worker.on("error", (error) => end(error instanceof Error ? error : new Error(String(error))));
  worker.on("exit", (code) => end(code === 0 ? null : new Error(`exit code ${code}`)));
  worker.unref();
  return { post: (message) => worker.postMessage(message), kill: () => void worker.terminate() };
}

/** Without one left, the runtime ends the whole process when a thread starts. */
function mustHaveDescriptors(): void {
  const open: number[] = [];
  try {
    for (let at = 0; at < startDescriptors; at++) open.push(openSync(devNull, "r"));
  } finally {
    for (const descriptor of open) closeSync(descriptor);
  }
}

/** The other end, for the file that the thread runs. */
export interface ThreadPort {
  readonly data: unknown;
  post(message: unknown): void;
  onMessage(listen: (message: unknown) => void): void;
  /** Lets the thread end: nothing more arrives. */
  close(): void;
}

export function threadPort(): ThreadPort {
  const port = parentPort;
  if (port === null) throw new Error("this file is run by a thread only");
  return {
    data: workerData,
    post: (message) => port.postMessage(message),
    onMessage: (listen) => void port.on("message", listen),
    close() {
      if ("Bun" in globalThis) port.close();
      // Deno's port has no end: its global has, as in a browser's worker.
      else (globalThis as unknown as { close(): void }).close();
    },
  };
}

/** Of 19, the least: a tenth of a core that somebody else wants as well. */
const backgroundNice = 10;

/**
 * The thread that calls it lets all others go first when they share a core. Linux alone has priorities for a thread;
 * elsewhere it would be the process's, and nothing is done.
 */
export function stayBehind(): void {
  if (process.platform !== "linux") return;
  try {
    setPriority(0, backgroundNice);
  } catch {
    // A sandbox may forbid it: then it runs like the others.
  }
}
