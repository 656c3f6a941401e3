import { afterAll, expect, test } from "bun:test";
import { connect, type Socket } from "node:net";
import { type BodySource, bodyStream, type Outlet } from "../../core/runtime/body-stream.ts";
import { serve } from "../../core/runtime/serve.ts";
import { gate, until } from "../support/poll.ts";

/** How a streamed body goes out, as it is served and as anybody may read it. */

/** Writes as told, and keeps what it is told. */
class Told implements BodySource {
  outlet: Outlet | null = null;
  lefts = 0;
  readonly #first: string;

  constructor(first: string) {
    this.#first = first;
  }
  opened(outlet: Outlet): void {
    this.outlet = outlet;
    void outlet.write(Buffer.from(this.#first));
  }
  async left(): Promise<void> {
    this.lefts += 1;
  }
}

let answering: () => Promise<Response> = async () => new Response();
const listening = await serve({ host: "127.0.0.1", port: 0, idleTimeoutMs: 60_000, fetch: () => answering() });
afterAll(() => listening.stopNow());

interface Client {
  readonly socket: Socket;
  text(): string;
  isClosed(): boolean;
}

function asks(): Client {
  const socket = connect(listening.port, "127.0.0.1");
  let [text, isClosed] = ["", false];
  socket.write("GET / HTTP/1.1\r\nhost: x\r\n\r\n");
  socket.on("data", (piece) => (text += piece.toString("latin1")));
  socket.on("close", () => (isClosed = true));
  socket.on("error", () => {});
  return { socket, text: () => text, isClosed: () => isClosed };
}

function answersWith(first: string): Told {
  const source = new Told(first);
  answering = async () => new Response(bodyStream(source, true));
  return source;
}

test("what is written comes as it is written, and its end is the end of the body", async () => {
  const source = answersWith("one ");
  const client = asks();
  await until("the first piece", () => client.text().includes("one "));
  expect(source.outlet?.write(Buffer.from("two"))).toBeNull();
  await until("the second piece", () => client.text().includes("two"));
  source.outlet?.end();
  await until("the end", () => client.text().endsWith("0\r\n\r\n"));
  expect(source.outlet?.write(Buffer.from("late"))).toBeNull();
  client.socket.destroy();
  expect(client.text()).not.toContain("late");
  expect(source.lefts).toBe(0);
});

test("a client without room is waited for, and gets every byte before the end", async () => {
  const source = answersWith("");
  const client = asks();
  await until("it begins", () => source.outlet !== null);
  client.socket.pause();
  const piece = Buffer.alloc(300_000, "a");
  let written = 0;
  let room: Promise<unknown> | null = null;
  while (!room && written < 500) {
    room = source.outlet?.write(piece) ?? null;
    written += 1;
  }
  expect(written).toBeLessThan(500);
  client.socket.resume();
  await room;
  source.outlet?.end();
  await until("the end", () => client.text().endsWith("0\r\n\r\n"));
  expect(client.text().match(/a{300000}/g)?.length).toBe(written);
  client.socket.destroy();
});

test("a client that leaves is told once, whether the body had begun or not; a body broken off resets it", async () => {
  const begun = answersWith("one");
  const client = asks();
  await until("the first piece", () => client.text().includes("one"));
  client.socket.resetAndDestroy();
  await until("it has left", () => begun.lefts === 1);
  expect(begun.outlet?.write(Buffer.from("late"))).toBeNull();

  const early = new Told("one");
  const [arrived, gone] = [gate(), gate()];
  answering = async () => {
    arrived.open();
    await gone.opened;
    return new Response(bodyStream(early, true));
  };
  const hasty = asks();
  await arrived.opened;
  hasty.socket.resetAndDestroy();
  await until("it is closed", hasty.isClosed);
  // The server has seen it when it has answered the next one.
  answering = async () => new Response("next");
  const next = asks();
  await until("the next answer", () => next.text().endsWith("next"));
  next.socket.destroy();
  gone.open();
  await until("it has left", () => early.lefts === 1);
  expect(early.outlet).toBeNull();

  const broken = answersWith("one");
  const cut = asks();
  await until("the first piece", () => cut.text().includes("one"));
  broken.outlet?.fail(new Error("enough"));
  await until("it is cut", cut.isClosed);
  expect(cut.text()).not.toContain("0\r\n\r\n");
  expect([begun.lefts, early.lefts, broken.lefts]).toEqual([1, 1, 0]);
});

test("who reads it gets the same, and asks for each piece", async () => {
  const source = new Told("one");
  const reader = bodyStream(source, false).getReader();
  const read = async () => {
    const { done, value } = await reader.read();
    return done ? null : Buffer.from(value).toString();
  };
  expect(await read()).toBe("one");
  const taken = source.outlet?.write(Buffer.from("two"));
  let isTaken = false;
  void taken?.then(() => (isTaken = true));
  expect(await read()).toBe("two");
  const last = read();
  await taken;
  expect(isTaken).toBe(true);
  source.outlet?.end();
  expect(await last).toBeNull();

  const other = new Told("one");
  await bodyStream(other, false).cancel();
  expect(other.lefts).toBe(1);
});
