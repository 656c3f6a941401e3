import { afterAll, afterEach, describe, expect, test } from "bun:test";
import { chat } from "../support/clients.ts";
import { Connection } from "../support/connection.ts";
import { invariants } from "../support/invariants.ts";
import { answers } from "../support/openai-answers.ts";
import { until } from "../support/poll.ts";
import { setUp } from "../support/setup.ts";

const mib = 1024 * 1024;
/** Room for the bodies of five calls of 1 MiB: each lies in memory three times. */
const setup = await setUp({
  config: `server: { maxBodyBytes: ${mib}, overload: { maxBufferedBytes: ${16 * mib}, maxLoopLagMs: 60000 } }`,
});
const { gateway, upstream, key } = setup;
upstream.on("hello", answers());
afterEach(() => invariants(setup));
afterAll(setup.stop);

const head = (framing: string): string =>
  `POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${key.key}\r\ncontent-type: application/json\r\n${framing}\r\n\r\n`;
const chunk = (text: string): string => `${text.length.toString(16)}\r\n${text}\r\n`;
/** A body of exactly so many bytes. */
const bodyOf = (bytes: number): string => {
  const empty = JSON.stringify(chat("mock/hello", { user: "" }));
  return JSON.stringify(chat("mock/hello", { user: "x".repeat(bytes - empty.length) }));
};
const isOver = (connection: Connection) => connection.closedMs !== null || connection.statuses().length > 0;
const refused = (connection: Connection) => {
  for (const status of connection.statuses()) expect(status).toBe(413);
};

describe("a body above the limit", () => {
  test("of a known length is refused before a byte of it is sent", async () => {
    const connection = new Connection(gateway.url);
    connection.send(head(`content-length: ${mib + 1}`));
    await until("413", () => connection.statuses().length > 0);
    expect(connection.statuses()).toEqual([413]);
    connection.close();
    expect(upstream.log).toEqual([]);
  });

  test("in chunks is refused or cut as soon as it is above it", async () => {
    const connection = new Connection(gateway.url);
    connection.send(`${head("transfer-encoding: chunked")}${chunk(bodyOf(mib + 1))}0\r\n\r\n`);
    await until("the end", () => isOver(connection));
    refused(connection);
    connection.close();
    expect(upstream.log).toEqual([]);
  });

  test("without end is not read for long", async () => {
    const connection = new Connection(gateway.url);
    connection.send(head("transfer-encoding: chunked"));
    const piece = chunk("x".repeat(64 * 1024));
    // How much the system takes in before the end is seen differs; a body without end is one that goes on until then.
    const feed = () => {
      while (!isOver(connection) && !connection.socket.destroyed) if (!connection.socket.write(piece)) return;
    };
    connection.socket.on("drain", feed);
    feed();
    await until("the end", () => isOver(connection));
    refused(connection);
    connection.close();
  });

  test("at the limit is taken, with a length and in chunks", async () => {
    const body = bodyOf(mib);
    for (const text of [
      head(`content-length: ${mib}`) + body,
      `${head("transfer-encoding: chunked")}${chunk(body)}0\r\n\r\n`,
    ]) {
      const connection = new Connection(gateway.url);
      connection.send(text);
      await until("200", () => connection.statuses().length > 0);
      expect(connection.statuses()).toEqual([200]);
      connection.close();
    }
  });
});

/** The first part of a body of `mib`, and what makes it whole. */
function inHalves(framing: "length" | "chunks"): readonly [begin: string, end: string] {
  const body = bodyOf(mib);
  const [first, second] = [body.slice(0, mib / 2), body.slice(mib / 2)];
  return framing === "length"
    ? [head(`content-length: ${mib}`) + first, second]
    : [head("transfer-encoding: chunked") + chunk(first), `${chunk(second)}0\r\n\r\n`];
}

/** Memory is given back only when the proxy has seen that a client is gone. */
async function allAreGone(): Promise<void> {
  const credential = { authorization: `Bearer ${gateway.adminToken}` };
  await until("nothing is held any more", async () => {
    const metrics = await (await gateway.get("/metrics", credential))?.text();
    return metrics?.includes("\nllm_proxy_open_calls 0\n") === true;
  });
}

describe("many bodies at once", () => {
  afterEach(allAreGone);
  for (const framing of ["length", "chunks"] as const)
    test(`by ${framing}: those beyond their memory are refused, and what fits is served`, async () => {
      const [begin, end] = inHalves(framing);
      const connections = Array.from({ length: 20 }, () => new Connection(gateway.url));
      for (const connection of connections) connection.send(begin);
      const open = () => connections.filter((connection) => !isOver(connection));
      // By what has come, not by what may: twice as many fit while each is half there.
      await until("the others are refused", () => open().length <= 10);
      for (const connection of connections.filter(isOver)) expect(connection.statuses()).toEqual([503]);
      const taken = open();
      expect(taken.length).toBeGreaterThan(0);
      for (const connection of taken.slice(4)) connection.close();
      await until("a body finds room for its rest", async () => {
        const connection = new Connection(gateway.url);
        connection.send(begin + end);
        await until("an answer", () => isOver(connection));
        connection.close();
        return connection.statuses()[0] === 200;
      });
      for (const connection of taken.slice(0, 4)) connection.close();
    });

  test("that are only announced keep nobody out", async () => {
    const idle = Array.from({ length: 40 }, () => new Connection(gateway.url));
    for (const connection of idle) connection.send(`${head(`content-length: ${mib}`)}{`);
    for (const framing of ["length", "chunks"] as const) {
      const connection = new Connection(gateway.url);
      connection.send(inHalves(framing).join(""));
      await until("an answer", () => isOver(connection));
      expect(connection.statuses()).toEqual([200]);
      connection.close();
    }
    expect(idle.filter(isOver)).toEqual([]);
    for (const connection of idle) connection.close();
  });
});
