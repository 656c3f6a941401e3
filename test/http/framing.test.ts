import { afterAll, afterEach, describe, expect, test } from "bun:test";
import { createServer } from "node:net";
import { chat } from "../support/clients.ts";
import { Connection } from "../support/connection.ts";
import { invariants } from "../support/invariants.ts";
import { answers, frames, newUpstreamId } from "../support/openai-answers.ts";
import { gate, until } from "../support/poll.ts";
import { openStream } from "../support/scripts.ts";
import { setUp } from "../support/setup.ts";

/** What is between the lines of HTTP/1.1: every vector on a connection of its own, byte for byte. */
const setup = await setUp();
const { gateway, upstream, key } = setup;
upstream.on("hello", answers());
upstream.on("smuggled", answers());
afterEach(() => invariants(setup));
afterAll(setup.stop);

const line = "POST /v1/chat/completions HTTP/1.1\r\n";
const fields = `host: gateway.test\r\nauthorization: Bearer ${key.key}\r\ncontent-type: application/json\r\n`;
const body = JSON.stringify(chat("mock/hello"));
const length = body.length;
const hex = length.toString(16);
const whole = (model: string, stream = false): string => {
  const text = JSON.stringify(chat(`mock/${model}`, stream ? { stream } : {}));
  return `${line}${fields}content-length: ${text.length}\r\n\r\n${text}`;
};
/** A whole request of its own, if anything takes it for one. */
const smuggled = whole("smuggled");
const chunked = `${hex}\r\n${body}\r\n0\r\n\r\n`;
const withFields = (more: string, payload: string): string => `${line}${fields}${more}\r\n\r\n${payload}`;

/** Sends, and waits for the end of the connection. */
async function sent(text: string): Promise<Connection> {
  const connection = new Connection(gateway.url);
  connection.send(text);
  await until("the connection ends", () => connection.closedMs !== null);
  return connection;
}

describe("a request whose end is in doubt is refused, its connection closed, and what follows it is no request", () => {
  const te = (value: string) => withFields(`transfer-encoding: ${value}`, chunked);
  const cl = (value: string) => withFields(`content-length: ${value}`, body);
  const inChunks = (payload: string) => withFields("transfer-encoding: chunked", payload);
  const vectors: Record<string, string> = {
    "a length and chunks": withFields(`content-length: ${length}\r\ntransfer-encoding: chunked`, "0\r\n\r\n"),
    "chunks and a length": withFields("transfer-encoding: chunked\r\ncontent-length: 4", chunked),
    "two lengths": withFields(`content-length: ${length}\r\ncontent-length: 0`, body),
    "a length twice": withFields(`content-length: ${length}\r\ncontent-length: ${length}`, body),
    "a list of lengths": cl(`${length}, ${length}`),
    "a length with a plus": cl(`+${length}`),
    "a hexadecimal length": cl(`0x${hex}`),
    "a negative length": cl("-1"),
    "a length beyond all numbers": cl("100000000000000000000"),
    "an empty length": cl(""),
    "a length with a space inside": cl(`${length} 0`),
    "a space before the colon of a length": withFields(`content-length : ${length}`, body),
    "an unknown transfer coding": te("xchunked"),
    "a vertical tab before chunked": te("\x0bchunked"),
    "gzip, chunked": te("gzip, chunked"),
    "chunked, identity": te("chunked, identity"),
    "two transfer codings": te("chunked\r\ntransfer-encoding: identity"),
    "a space before the colon of a coding": withFields("transfer-encoding : chunked", chunked),
    "chunks in HTTP/1.0": te("chunked").replace("HTTP/1.1", "HTTP/1.0"),
    "bare line feeds": smuggled.replaceAll("\r\n", "\n"),
    "a folded header": withFields(`x-one: a\r\n b\r\ncontent-length: ${length}`, body),
    "a NUL in a header": withFields(`x-one: a\0b\r\ncontent-length: ${length}`, body),
    "a bare CR in a header": withFields(`x-one: a\rb\r\ncontent-length: ${length}`, body),
    "a header without a colon": withFields(`nonsense\r\ncontent-length: ${length}`, body),
    "a header without a name": withFields(`: a\r\ncontent-length: ${length}`, body),
    "a space in a header's name": withFields(`x one: a\r\ncontent-length: ${length}`, body),
    "a chunk size with 0x": inChunks(`0x${hex}\r\n${body}\r\n0\r\n\r\n`),
    "a chunk size beyond all numbers": inChunks(`fffffffffffffffff\r\n${body}\r\n0\r\n\r\n`),
    "a negative chunk size": inChunks(`-1\r\n${body}\r\n0\r\n\r\n`),
    "a chunk that does not end where it says": inChunks(`${hex}\r\n${body}0\r\n\r\n`),
    "chunks with bare line feeds": inChunks(`${hex}\n${body}\n0\n\n`),
    "a last chunk without its line end": inChunks(`${hex}\r\n${body}\r\n0\r\nXX`),
    trailers: inChunks(`${hex}\r\n${body}\r\n0\r\nauthorization: Bearer other\r\n\r\n`),
    "no host": whole("hello").replace("host: gateway.test\r\n", ""),
    "two hosts": whole("hello").replace("host: gateway.test\r\n", "host: gateway.test\r\nhost: other\r\n"),
    ...Object.fromEntries(
      [
        "",
        "a b",
        "a/health?x=",
        "a@b",
        "a:99999",
        "a:b",
        "[::1",
        "a,b",
        "1.2.3.4.5",
        "999.9.9.9",
        "xn--a",
        "[1:2]",
      ].map((host) => [`host: ${host}`, whole("hello").replace("gateway.test", host)]),
    ),
  };
  for (const [what, text] of Object.entries(vectors))
    test(what, async () => {
      const before = upstream.log.length;
      const connection = await sent(text + smuggled);
      for (const { start } of connection.answers()) expect(start).toMatch(/^HTTP\/1\.1 (?:400|413|501|505) /);
      expect(connection.received).not.toContain(" 200 ");
      expect(upstream.requestsFor("smuggled")).toEqual([]);
      // A request that was whole before its trailer may have been sent on; it is never answered as another.
      if (what !== "trailers") expect(upstream.log).toHaveLength(before);
    });
});

describe("what is no request to a gateway", () => {
  const strange: Record<string, string> = {
    "HTTP/0.9": "GET /healthz\r\n\r\n",
    "HTTP/1.2": "GET /healthz HTTP/1.2\r\nhost: x\r\n\r\n",
    "HTTP/2 by name": "GET /healthz HTTP/2.0\r\nhost: x\r\n\r\n",
    "the preface of HTTP/2": "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "a space in the path": "GET /healthz x HTTP/1.1\r\nhost: x\r\n\r\n",
    "tabs between the words": "GET\t/healthz\tHTTP/1.1\r\nhost: x\r\n\r\n",
    "a method in small letters": "get /healthz HTTP/1.1\r\nhost: x\r\n\r\n",
    "OPTIONS *": "OPTIONS * HTTP/1.1\r\nhost: x\r\n\r\n",
    TLS: `\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03${"\0".repeat(50)}`,
    "bytes of nothing": "\0\x01\x02\x03\r\n\r\n",
    "a header of 20 KB": `GET /healthz HTTP/1.1\r\nhost: x\r\nx: ${"a".repeat(20_000)}\r\n\r\n`,
    "300 headers": `GET /healthz HTTP/1.1\r\nhost: x\r\n${"x: a\r\n".repeat(300)}\r\n`,
    "a path of 64 KB": `GET /healthz?${"a".repeat(65_536)} HTTP/1.1\r\nhost: x\r\n\r\n`,
    "a cookie of 20 KB": `GET /healthz HTTP/1.1\r\nhost: x\r\ncookie: a=${"a".repeat(20_000)}\r\n\r\n`,
  };
  for (const [what, text] of Object.entries(strange))
    test(`${what}: refused and closed`, async () => {
      const connection = await sent(text);
      for (const { start } of connection.answers())
        expect(start).toMatch(/^HTTP\/1\.1 (?:400|404|405|431|414|501|505) /);
    });

  test.each(["GET /nope", "GET /v1/models", "GET /dashboard/login", "POST /v1beta/models/m:streamGenerateContent"])(
    "%s for a host that no URL can have: refused, and no fault of ours",
    async (start) => {
      const connection = await sent(`${start} HTTP/1.1\r\nhost: 1.2.3.4.5\r\ncontent-length: 0\r\n\r\n`);
      expect(connection.statuses()).toEqual([400]);
      expect(gateway.log()).not.toContain("a reason of our own");
    },
  );

  test.each(["/healthz", "/readyz"])("%s is told over HTTP/1.0, which needs no host", async (path) => {
    const connection = await sent(`GET ${path} HTTP/1.0\r\n\r\n`);
    expect(connection.statuses()).toEqual([200]);
  });

  test("a target elsewhere opens no connection there", async () => {
    let connections = 0;
    const canary = createServer((socket) => {
      connections++;
      socket.destroy();
    });
    await new Promise<void>((resolve) => canary.listen(0, "127.0.0.1", resolve));
    const address = canary.address();
    const target = `127.0.0.1:${typeof address === "object" && address ? address.port : 0}`;
    const end = "host: x\r\nconnection: close\r\n\r\n";
    for (const start of [
      `GET http://${target}/canary HTTP/1.1`,
      `CONNECT ${target} HTTP/1.1`,
      `GET //${target}/canary HTTP/1.1`,
      `GET /http://${target}/ HTTP/1.1`,
    ]) {
      const connection = await sent(`${start}\r\n${end}`);
      expect(connection.statuses().every((status) => [400, 404, 405, 501].includes(status))).toBe(true);
    }
    expect(connections).toBe(0);
    canary.close();
  });
});

describe("one connection", () => {
  test("carries 50 requests one after the other, each with its own credential", async () => {
    const connection = new Connection(gateway.url);
    const isGood = (at: number) => at % 3 !== 1;
    for (let at = 0; at < 50; at++) {
      connection.send(isGood(at) ? whole("hello") : whole("hello").replace(key.key, "wrong"));
      await until(`answer ${at}`, () => connection.answers().length === at + 1);
    }
    expect(connection.statuses()).toEqual(Array.from({ length: 50 }, (_, at) => (isGood(at) ? 200 : 401)));
    connection.close();
  });

  test("is closed by the runtime when a request comes before the answer to the one before it", async () => {
    const connection = await sent(whole("hello").replace(key.key, "wrong").repeat(2) + whole("hello").repeat(48));
    // Whatever was answered until then came in order.
    for (const status of connection.statuses().slice(0, 2)) expect(status).toBe(401);
    for (const status of connection.statuses().slice(2)) expect(status).toBe(200);
  });

  test("takes chunk extensions, Expect and an upgrade that it does not know for what they are", async () => {
    for (const text of [
      withFields("transfer-encoding: chunked", `${hex};name=value\r\n${body}\r\n0\r\n\r\n`),
      withFields(`expect: 100-continue\r\ncontent-length: ${length}`, body),
      withFields(`connection: upgrade\r\nupgrade: h2c\r\ncontent-length: ${length}`, body),
    ]) {
      const connection = new Connection(gateway.url);
      connection.send(text);
      await until("200", () => connection.statuses().includes(200));
      connection.close();
    }
  });
});

describe("headers of one hop", () => {
  test("named by Connection, and all that a client says about itself, stay here", async () => {
    const connection = new Connection(gateway.url);
    const own = {
      connection: "close, x-secret",
      "keep-alive": "timeout=5",
      te: "trailers",
      trailer: "x-after",
      upgrade: "websocket",
      "proxy-authorization": "Basic own-word",
      "proxy-connection": "keep-alive",
      "x-secret": "own-word",
      cookie: "own-word=1",
      forwarded: "for=own-word",
      "x-forwarded-for": "own-word",
      via: "own-word",
    };
    const lines = Object.entries(own).map(([name, value]) => `${name}: ${value}\r\n`);
    connection.send(withFields(`${lines.join("")}content-length: ${length}`, body));
    await until("the answer", () => connection.statuses().length === 1);
    const head = upstream.log.at(-1)?.request;
    expect(head?.head).not.toContain("own-word");
    expect(head?.head).not.toContain(key.key);
    for (const name of Object.keys(own)) if (name !== "connection") expect(head?.headers[name]).toBeUndefined();
    expect(head?.headers.connection ?? "").not.toContain("x-secret");
    connection.close();
  });
});

describe("events go on at once", () => {
  const ways: Record<string, string> = {
    "a client that would take gzip": whole("events", true).replace("host:", "accept-encoding: gzip, br, zstd\r\nhost:"),
    "a client that closes": whole("events", true).replace("host:", "connection: close\r\nhost:"),
    "HTTP/1.0": whole("events", true).replace("HTTP/1.1", "HTTP/1.0"),
  };
  for (const [what, text] of Object.entries(ways))
    test(`to ${what}`, async () => {
      const seen = [gate(), gate(), gate()];
      upstream.on("events", async (exchange) => {
        exchange.upstreamId = newUpstreamId();
        const events = frames(exchange.upstreamId, { text: "one two three" });
        const stream = await openStream(exchange);
        for (const [at, event] of events.entries()) {
          await stream.send(event);
          // The next one is sent only when the client has this one.
          await Promise.race([seen[at]?.opened, exchange.over]);
        }
        await stream.end();
      });
      const streaming = new Connection(gateway.url);
      streaming.send(text);
      for (const [at, event] of seen.entries()) {
        await until(`event ${at}`, () => streaming.received.split("data: ").length - 1 >= at + 1);
        event.open();
      }
      await until("the end", () => streaming.received.includes("data: [DONE]"));
      expect(streaming.received.toLowerCase()).toContain("x-accel-buffering: no");
      expect(streaming.received.toLowerCase()).not.toContain("content-encoding");
      streaming.close();
    });
});
