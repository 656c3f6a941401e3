import { connect, type Socket } from "bun";

/** A client that costs little: raw TCP, requests made beforehand, answers found by their length or last chunk. */

export interface Load {
  readonly port: number;
  /** Whole HTTP requests; taken in turn. */
  readonly requests: readonly Buffer[];
  readonly calls: number;
  readonly concurrency: number;
  /** Calls a second, sent whether or not earlier ones have ended; `null`: each connection sends when it has its answer. */
  readonly rate: number | null;
}
export interface Result {
  readonly calls: number;
  /** Answers other than 200, or cut. */
  readonly failed: number;
  readonly seconds: number;
  /** Milliseconds, sorted; from the planned moment of sending, so that a stall is seen by every call it delays. */
  readonly latencies: Float64Array;
}

interface Connection {
  received: Buffer;
  startedMs: number;
  busy: boolean;
}

export async function run({ port, requests, calls, concurrency, rate }: Load): Promise<Result> {
  const latencies = new Float64Array(calls);
  let sent = 0;
  let ended = 0;
  let failed = 0;
  let finish = () => {};
  const done = new Promise<void>((resolve) => (finish = resolve));
  const idle: Socket<Connection>[] = [];
  const late: number[] = [];

  function send(socket: Socket<Connection>, plannedMs: number) {
    const request = requests[sent++ % requests.length];
    if (request === undefined) throw new Error("no request to send");
    socket.data.startedMs = plannedMs;
    socket.data.busy = true;
    socket.write(request);
  }
  function answered(socket: Socket<Connection>, ok: boolean) {
    const nowMs = performance.now();
    latencies[ended++] = nowMs - socket.data.startedMs;
    if (!ok) failed += 1;
    socket.data.busy = false;
    if (ended === calls) finish();
    else if (rate === null) {
      if (sent < calls) send(socket, nowMs);
    } else {
      const plannedMs = late.shift();
      if (plannedMs === undefined) idle.push(socket);
      else send(socket, plannedMs);
    }
  }
  const open = () =>
    connect<Connection>({
      hostname: "127.0.0.1",
      port,
      socket: {
        open: (socket) => void (socket.data = { received: Buffer.alloc(0), startedMs: 0, busy: false }),
        data(socket, bytes) {
          const { received } = socket.data;
          const whole = received.byteLength > 0 ? Buffer.concat([received, bytes]) : bytes;
          const end = endOfAnswer(whole);
          socket.data.received = end === null ? whole : whole.subarray(end);
          if (end !== null) answered(socket, whole.toString("latin1", 9, 12) === "200");
        },
        close(socket) {
          if (socket.data?.busy) answered(socket, false);
        },
      },
    });

  const sockets = await Promise.all(Array.from({ length: concurrency }, open));
  const startMs = performance.now();
  let timer: ReturnType<typeof setInterval> | undefined;
  if (rate === null) for (const socket of sockets) if (sent < calls) send(socket, performance.now());
  if (rate !== null) {
    idle.push(...sockets);
    let planned = 0;
    timer = setInterval(() => {
      const due = Math.min(calls, Math.floor(((performance.now() - startMs) / 1_000) * rate));
      for (; planned < due; planned++) {
        const plannedMs = startMs + (planned / rate) * 1_000;
        const socket = idle.pop();
        if (socket) send(socket, plannedMs);
        else late.push(plannedMs);
      }
    }, 1);
  }
  await done;
  clearInterval(timer);
  for (const socket of sockets) socket.end();
  return { calls, failed, seconds: (performance.now() - startMs) / 1_000, latencies: latencies.sort() };
}

const lastChunk = Buffer.from("0\r\n\r\n");

/** Where the first answer in `bytes` ends; `null`: not yet. An answer is never followed by another one before its request. */
function endOfAnswer(bytes: Buffer): number | null {
  const headEnd = bytes.indexOf("\r\n\r\n");
  if (headEnd < 0) return null;
  const head = bytes.toString("latin1", 0, headEnd);
  const length = /\r\ncontent-length: *(\d+)/i.exec(head)?.[1];
  if (length !== undefined) {
    const end = headEnd + 4 + Number(length);
    return bytes.byteLength >= end ? end : null;
  }
  return bytes.subarray(-lastChunk.byteLength).equals(lastChunk) ? bytes.byteLength : null;
}

/** `sorted` in milliseconds; `part` in [0, 1]. */
export const percentile = (sorted: Float64Array, part: number): number =>
  sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] ?? Number.NaN;
