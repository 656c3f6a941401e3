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
  startedMs: number;
  busy: boolean;
  answer: Answer;
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
  const handlers = {
    open: (socket: Socket<Connection>) => void (socket.data = { startedMs: 0, busy: false, answer: new Answer() }),
    data(socket: Socket<Connection>, bytes: Buffer) {
      const status = socket.data.answer.take(bytes);
      if (status !== null) answered(socket, status === 200);
    },
    close(socket: Socket<Connection>) {
      if (socket.data?.busy) answered(socket, false);
    },
  };

  const sockets = await Promise.all(
    Array.from({ length: concurrency }, () => connect<Connection>({ hostname: "127.0.0.1", port, socket: handlers })),
  );
  const startMs = performance.now();
  let timer: ReturnType<typeof setInterval> | undefined;
  if (rate === null) for (const socket of sockets) if (sent < calls) send(socket, performance.now());
  if (rate !== null) {
    idle.push(...sockets);
    let planned = 0;
    timer = setInterval(() => {
      const due = Math.min(calls, 1 + Math.floor(((performance.now() - startMs) / 1_000) * rate));
      for (; planned < due; planned++) {
        const plannedMs = startMs + (planned / rate) * 1_000;
        // The one that has waited longest: a server closes a connection which has said nothing for some seconds.
        const socket = idle.shift();
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

/** Finds where each answer of one connection ends. An answer is never followed by another one before its request. */
class Answer {
  /** Of an answer whose head has not ended, or the last bytes of a chunked one. */
  #kept: Buffer | null = null;
  /** 0: the head has not come. */
  #status = 0;
  /** Bytes still to come; `null`: chunked. */
  #missing: number | null = 0;
  /** Length and status of the last answer that came in one piece: the next is most often the same. */
  #usual = 0;

  /** The status once the answer has ended; `null` before. */
  take(bytes: Buffer): number | null {
    if (this.#status === 0 && this.#kept === null && bytes.byteLength === this.#usual && is200(bytes)) return 200;
    return this.#status === 0 ? this.#head(bytes) : this.#rest(bytes);
  }

  #head(bytes: Buffer): number | null {
    const whole: Buffer = this.#kept === null ? bytes : Buffer.concat([this.#kept, bytes]);
    const headEnd = whole.indexOf("\r\n\r\n");
    if (headEnd < 0) {
      this.#kept = Buffer.from(whole);
      return null;
    }
    const head = whole.toString("latin1", 0, headEnd);
    const length = /\r\ncontent-length: *(\d+)/i.exec(head)?.[1];
    const one = this.#kept === null;
    this.#kept = null;
    this.#status = Number(head.slice(9, 12));
    this.#missing = length === undefined ? null : headEnd + 4 + Number(length);
    const status = this.#rest(whole);
    if (one && status === 200 && length !== undefined) this.#usual = bytes.byteLength;
    return status;
  }

  #rest(bytes: Buffer): number | null {
    let over: boolean;
    if (this.#missing === null) {
      const tail: Buffer =
        this.#kept !== null && bytes.byteLength < lastChunk.byteLength ? Buffer.concat([this.#kept, bytes]) : bytes;
      over = tail.subarray(-lastChunk.byteLength).equals(lastChunk);
      this.#kept = over ? null : Buffer.from(tail.subarray(-lastChunk.byteLength));
    } else {
      this.#missing -= bytes.byteLength;
      over = this.#missing <= 0;
    }
    if (!over) return null;
    const status = this.#status;
    this.#status = 0;
    return status;
  }
}

const lastChunk = Buffer.from("0\r\n\r\n");

/** `HTTP/1.1 200`, seen at its digits alone. */
const is200 = (bytes: Buffer): boolean => bytes[9] === 0x32 && bytes[10] === 0x30 && bytes[11] === 0x30;

/** `sorted` in milliseconds; `part` in [0, 1]. */
export const percentile = (sorted: Float64Array, part: number): number =>
  sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] ?? Number.NaN;
