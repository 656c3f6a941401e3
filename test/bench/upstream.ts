import type { Socket } from "bun";

/**
 * An upstream that costs next to nothing: raw TCP, answers made beforehand. The request's body says what it gets:
 * `"stream":true` 200 events and a usage chunk, at once or, with `"user":"paced"`, one each 10 ms; else one JSON answer.
 * Run as a process: `bun test/bench/upstream.ts PORT`.
 */

export const eventsPerStream = 200;
const paceMs = 10;

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

interface Connection {
  received: Buffer;
  unsent: Buffer;
}

function answerAll(socket: Socket<Connection>) {
  for (;;) {
    const { received } = socket.data;
    const headEnd = received.indexOf("\r\n\r\n");
    if (headEnd < 0) return;
    const head = received.toString("latin1", 0, headEnd).toLowerCase();
    const length = Number(/\r\ncontent-length: *(\d+)/.exec(head)?.[1] ?? 0);
    const end = headEnd + 4 + length;
    if (received.byteLength < end) return;
    const body = received.subarray(headEnd + 4, end);
    socket.data.received = received.subarray(end);
    if (!body.includes('"stream":true')) send(socket, json);
    else if (body.includes('"user":"paced"')) paced(socket);
    else send(socket, burst);
  }
}

function paced(socket: Socket<Connection>) {
  send(socket, Buffer.from(streamHead));
  let at = 0;
  const timer = setInterval(() => {
    const event = events[at++];
    if (event !== undefined) return send(socket, Buffer.from(piece(event)));
    clearInterval(timer);
    send(socket, Buffer.from(`${piece(ending)}0\r\n\r\n`));
  }, paceMs);
}

function send(socket: Socket<Connection>, bytes: Buffer) {
  if (socket.data.unsent.byteLength > 0) {
    socket.data.unsent = Buffer.concat([socket.data.unsent, bytes]);
    return;
  }
  const sent = socket.write(bytes);
  if (sent < bytes.byteLength) socket.data.unsent = bytes.subarray(Math.max(sent, 0));
}

if (import.meta.main) {
  const server = Bun.listen<Connection>({
    hostname: "127.0.0.1",
    port: Number(process.argv[2] ?? 0),
    socket: {
      open: (socket) => void (socket.data = { received: Buffer.alloc(0), unsent: Buffer.alloc(0) }),
      data(socket, bytes) {
        const { received } = socket.data;
        socket.data.received = received.byteLength > 0 ? Buffer.concat([received, bytes]) : bytes;
        answerAll(socket);
      },
      drain(socket) {
        const { unsent } = socket.data;
        socket.data.unsent = Buffer.alloc(0);
        if (unsent.byteLength > 0) send(socket, unsent);
      },
    },
  });
  process.stdout.write(`${server.port}\n`);
}
