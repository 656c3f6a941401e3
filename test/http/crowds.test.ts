import { afterAll, describe, expect, test } from "bun:test";
import { statSync } from "node:fs";
import { setInterval as every } from "node:timers/promises";
import { chat } from "../support/clients.ts";
import { Connection } from "../support/connection.ts";
import { invariants } from "../support/invariants.ts";
import { answers, frames, newUpstreamId } from "../support/openai-answers.ts";
import { gate, until } from "../support/poll.ts";
import { sendRaw } from "../support/raw.ts";
import { allUsage } from "../support/rows.ts";
import { stalled } from "../support/scripts.ts";
import { setUp } from "../support/setup.ts";
import { residentBytes } from "../support/stalls.ts";

/** Many at once. The guard against silent clients is short here, so that what it must not cut would be cut. */
const clientMs = 5_000;
const setup = await setUp({
  config: `server: { timeouts: { clientMs: ${clientMs} }, overload: { maxLoopLagMs: 60000 } }`,
});
afterAll(setup.stop);
const { gateway, upstream, key } = setup;
const { pid } = gateway;
upstream.on("hello", answers());

const post = (body: object, credential = key.key): string => {
  const text = JSON.stringify(body);
  return `POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${credential}\r\ncontent-type: application/json\r\ncontent-length: ${Buffer.byteLength(text)}\r\n\r\n${text}`;
};
const ask = () =>
  sendRaw(gateway.url, {
    path: "/v1/chat/completions",
    headers: { authorization: `Bearer ${key.key}`, "content-type": "application/json" },
    body: JSON.stringify(chat("mock/hello")),
  });

describe("2,000 idle streams to one upstream", () => {
  test.concurrent(
    "none is cut, each gets a comment while it waits, and all come whole",
    async () => {
      const count = 2_000;
      const end = gate();
      upstream.on("idle", (exchange) => {
        exchange.upstreamId = newUpstreamId();
        const [first = "", ...rest] = frames(exchange.upstreamId, { text: "one two" });
        return stalled(first, end.opened, rest.join(""))(exchange);
      });
      const before = residentBytes(pid);
      const streams = Array.from({ length: count }, () => new Connection(gateway.url));
      for (const stream of streams) stream.send(post(chat("mock/idle", { stream: true })));
      await until(
        "all are upstream at once, beyond the 256 that the runtime allows by itself",
        () => upstream.requestsFor("idle").length === count,
        {
          deadlineMs: 20_000,
        },
      );
      await until("each has its first event", () => streams.every(({ received }) => received.includes("data:")));
      await until("each has a comment", () => streams.every(({ received }) => received.includes(": ping\n\n")), {
        deadlineMs: 20_000,
        everyMs: 100,
      });
      console.log(`${count} idle streams: ${((residentBytes(pid) - before) / 1e6).toFixed(1)} MB more`);
      expect(streams.filter(({ closedMs }) => closedMs !== null)).toEqual([]);
      end.open();
      await until("all are whole", () => streams.every(({ received }) => received.includes("data: [DONE]")));
      // The connection is the client's again, and its silence is no longer the provider's.
      await until("idle connections are closed", () => streams.every(({ closedMs }) => closedMs !== null), {
        deadlineMs: 3 * clientMs,
        everyMs: 50,
      });
      expect(gateway.pid).toBe(pid);
    },
    60_000,
  );
});

describe("slow clients", () => {
  const slow: Record<string, (connection: Connection) => void> = {
    "silent from the start": () => {},
    "a head that never ends": (connection) => connection.send("POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\n"),
    "a body that never ends": (connection) => connection.send(post(chat("mock/hello")).slice(0, -20)),
    "silent after an answer": (connection) => connection.send(post(chat("mock/hello"))),
  };
  test.concurrent(
    "are cut, each way, while others are served",
    async () => {
      const crowds = Object.entries(slow).map(([what, begin]) => {
        const connections = Array.from({ length: 100 }, () => new Connection(gateway.url));
        connections.forEach(begin);
        return { what, connections };
      });
      // A byte now and then is no progress.
      const dripping = Array.from({ length: 50 }, () => new Connection(gateway.url));
      for (const connection of dripping) connection.send("POST /v1/chat/completions HTTP/1.1\r\nx: ");
      const drip = drops(dripping);
      expect((await ask())?.status).toBe(200);
      for (const { what, connections } of [...crowds, { what: "a byte a second", connections: dripping }]) {
        await until(`${what}: all are closed`, () => connections.every(({ closedMs }) => closedMs !== null), {
          deadlineMs: 4 * clientMs,
          everyMs: 50,
        });
        const longest = Math.max(...connections.map(({ closedMs }) => closedMs ?? 0));
        console.log(`${what}: closed after at most ${(longest / 1_000).toFixed(1)} s`);
      }
      await drip;
      expect(gateway.pid).toBe(pid);
    },
    60_000,
  );

  test.concurrent(
    "one whose body is long and slow, but goes on, is served",
    async () => {
      const request = post(chat("mock/hello", { user: "x".repeat(600_000) }));
      const connection = new Connection(gateway.url);
      const startMs = performance.now();
      let sent = 0;
      for await (const _ of every(100)) {
        connection.send(request.slice(sent, sent + 6_000));
        sent += 6_000;
        if (sent >= request.length || connection.closedMs !== null) break;
      }
      await until("an answer", () => connection.closedMs !== null || connection.statuses().length > 0);
      expect(connection.statuses()).toEqual([200]);
      expect(performance.now() - startMs).toBeGreaterThan(clientMs);
      connection.close();
    },
    60_000,
  );

  async function drops(connections: readonly Connection[]): Promise<void> {
    for await (const _ of every(1_000)) {
      if (connections.every(({ closedMs }) => closedMs !== null)) return;
      for (const { socket } of connections) if (!socket.destroyed) socket.write("x");
    }
  }
});

describe("floods of refusals", () => {
  const requests: Record<string, string> = {
    // Beyond what one address may try.
    "401|429": post(chat("mock/hello"), "sk-llmp-wrong"),
    404: "GET /none HTTP/1.1\r\nhost: x\r\n\r\n",
    405: "DELETE /v1/chat/completions HTTP/1.1\r\nhost: x\r\n\r\n",
  };
  test("cost no row and at most 1 MB of log a second", async () => {
    const rows = allUsage(gateway).length;
    const logBytes = statSync(gateway.logPath).size;
    const startedMs = performance.now();
    const each = 100;
    for (const [status, request] of Object.entries(requests)) {
      const connections = Array.from({ length: 50 }, () => new Connection(gateway.url));
      for (const connection of connections) connection.send(request.repeat(each));
      await until(`50 × ${each} answers of ${status}`, () =>
        connections.every(({ received }) => received.split(new RegExp(`HTTP/1.1 (?:${status}) `)).length - 1 === each),
      );
      for (const connection of connections) connection.close();
    }
    const seconds = (performance.now() - startedMs) / 1_000;
    const written = statSync(gateway.logPath).size - logBytes;
    console.log(`${(15_000 / seconds).toFixed(0)} refusals/s: ${(written / 1e3 / seconds).toFixed(0)} kB/s of log`);
    expect(written).toBeLessThan(1e6 * Math.max(1, seconds));
    expect(allUsage(gateway)).toHaveLength(rows);
    expect((await ask())?.status).toBe(200);
    expect(gateway.pid).toBe(pid);
    // Of all of them: the crowds above come at the same time, for each waits long for its end.
    await invariants(setup);
  });
});
