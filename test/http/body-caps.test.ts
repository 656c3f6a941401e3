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

describe("many bodies at once", () => {
  for (const framing of ["length", "chunks"] as const)
    test(`by ${framing}: those beyond their memory are refused, and what was taken is served`, async () => {
      const body = bodyOf(mib);
      const half = body.length / 2;
      const begin = (at: number, connection: Connection) =>
        connection.send(
          framing === "length"
            ? head(`content-length: ${mib}`) + body.slice(0, half)
            : `${head(`transfer-encoding: chunked\r\nx-at: ${at}`)}${chunk(body.slice(0, half))}`,
        );
      const connections = Array.from({ length: 20 }, () => new Connection(gateway.url));
      connections.forEach((connection, at) => begin(at, connection));
      const open = () => connections.filter((connection) => !isOver(connection));
      // By what has come, not by what may: in chunks twice as many fit while each is half there.
      const fit = framing === "length" ? 5 : 10;
      await until("the others are refused", () => open().length <= fit);
      for (const connection of connections.filter(isOver)) expect(connection.statuses()).toEqual([503]);
      const taken = open();
      expect(taken.length).toBeGreaterThan(0);
      for (const connection of taken.slice(0, 3))
        connection.send(framing === "length" ? body.slice(half) : `${chunk(body.slice(half))}0\r\n\r\n`);
      // In chunks the rest of a body may find no room either.
      await until("the first ones are answered", () => taken.slice(0, 3).every(isOver));
      if (framing === "length") for (const each of taken.slice(0, 3)) expect(each.statuses()).toEqual([200]);
      for (const connection of connections) connection.close();
      await until("there is room again", async () => {
        const connection = new Connection(gateway.url);
        connection.send(head(`content-length: ${mib}`) + body);
        await until("an answer", () => isOver(connection));
        connection.close();
        return connection.statuses()[0] === 200;
      });
    });
});
