import type { Socket } from "bun";
import { eventsPerStream, paceMs } from "./shape.ts";

/**
 * An upstream that costs next to nothing: raw TCP, answers made beforehand. The request's body says what it gets:
 * `"stream":true` 200 events and a usage chunk, at once or, with `"user":"paced"`, one each 10 ms; else one JSON answer.
 * Run as a process: `bun test/bench/upstream.ts PORT`.
 */

const usage = { prompt_tokens: 300, completion_tokens: 200, total_tokens: 500 };
const chunk = (delta: object, finish: string | null) =>
  `data: ${JSON.stringify({ id: "chatcmpl-bench", object: "chat.completion.chunk", created: 1, model: "m", choices: [{ index: 0, delta, logprobs: null, finish_reason: finish }] })}\n\n`;

const events: readonly string[] = [
  ...Array.from({ length: eventsPerStream - 1 }, (_, at) => chunk({ content: `token ${at} ` }, null)),
  chunk({}, "stop"),
];
const ending = `data: ${JSON.stringify({ id: "chatcmpl-bench", object: "chat.completion.chunk", created: 1, model: "m", choices: [], usage })}\n\ndata: [DONE]\n\n`;

const answer = JSON.stringify({
  id: "chatcmpl-bench",
  object: "chat.completion",
  created: 1,
  model: "m",
  choices: [
    { index: 0, message: { role: "assistant", content: "x".repeat(1_250) }, logprobs: null, finish_reason: "stop" },
  ],
  usage,
});
const json = Buffer.from(
  `HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: ${Buffer.byteLength(answer)}\r\n\r\n${answer}`,
);
const streamHead = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n";
const piece = (text: string) => `${Buffer.byteLength(text).toString(16)}\r\n${text}\r\n`;
const burst = Buffer.from(`${streamHead}${piece(events.join(""))}${piece(ending)}0\r\n\r\n`);
const paced: readonly Buffer[] = [
  Buffer.from(streamHead),
  ...events.map((event) => Buffer.from(piece(event))),
  Buffer.from(`${piece(ending)}0\r\n\r\n`),
];

type Answer = "json" | "burst" | "paced";
interface Connection {
  received: Buffer | null;
  unsent: Buffer | null;
}

/** The last request of its length and its answer: a load sends the same bytes again and again, and comparing costs less than reading. */
const known = new Map<number, { readonly request: Buffer; readonly answer: Answer }>();

function onData(socket: Socket<Connection>, bytes: Buffer) {
  const { received } = socket.data;
  if (received === null) {
    const seen = known.get(bytes.byteLength);
    if (seen?.request.equals(bytes)) return reply(socket, seen.answer);
  }
  let rest: Buffer = received === null ? bytes : Buffer.concat([received, bytes]);
  for (;;) {
    const end = endOfRequest(rest);
    if (end === null) break;
    const request = rest.subarray(0, end);
    const found = answerFor(request);
    known.set(end, { request: Buffer.from(request), answer: found });
    reply(socket, found);
    rest = rest.subarray(end);
  }
  // A copy: the socket's own buffer is used again.
  socket.data.received = rest.byteLength === 0 ? null : Buffer.from(rest);
}

function endOfRequest(bytes: Buffer): number | null {
  const headEnd = bytes.indexOf("\r\n\r\n");
  if (headEnd < 0) return null;
  const head = bytes.toString("latin1", 0, headEnd);
  const end = headEnd + 4 + Number(/\r\ncontent-length: *(\d+)/i.exec(head)?.[1] ?? 0);
  return bytes.byteLength >= end ? end : null;
}

function answerFor(request: Buffer): Answer {
  if (!request.includes('"stream":true')) return "json";
  return request.includes('"user":"paced"') ? "paced" : "burst";
}

function reply(socket: Socket<Connection>, found: Answer) {
  if (found === "paced") streams.push({ socket, at: 0 });
  else send(socket, found === "json" ? json : burst);
}

/** One timer for all paced streams; each starts with the next tick. */
let streams: { readonly socket: Socket<Connection>; at: number }[] = [];
function tick() {
  let ended = false;
  for (const stream of streams) {
    const next = paced[stream.at++];
    if (next !== undefined) send(stream.socket, next);
    ended ||= stream.at >= paced.length;
  }
  if (ended) streams = streams.filter((stream) => stream.at < paced.length);
}

function send(socket: Socket<Connection>, bytes: Buffer) {
  if (socket.data.unsent !== null) {
    socket.data.unsent = Buffer.concat([socket.data.unsent, bytes]);
    return;
  }
  const sent = socket.write(bytes);
  if (sent < bytes.byteLength) socket.data.unsent = bytes.subarray(Math.max(sent, 0));
}

const server = Bun.listen<Connection>({
  hostname: "127.0.0.1",
  port: Number(process.argv[2] ?? 0),
  socket: {
    open: (socket) => void (socket.data = { received: null, unsent: null }),
    data: onData,
    drain(socket) {
      const { unsent } = socket.data;
      socket.data.unsent = null;
      if (unsent !== null) send(socket, unsent);
    },
  },
});
setInterval(tick, paceMs);
process.stdout.write(`${server.port}\n`);
