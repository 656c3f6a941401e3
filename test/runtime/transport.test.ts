import { afterEach, describe, expect, test } from "bun:test";
import { brotliCompressSync, constants, gzipSync, zstdCompressSync } from "node:zlib";
import { gate, until } from "../support/poll.ts";
import {
  askerOf,
  chunkedHead,
  codeOf,
  kinds,
  outcome,
  peersThat,
  piecesOf,
  sends,
  sendsAndEnds,
  stopPeers,
  textOf,
  whole,
  readOf,
} from "../support/transports.ts";

/** What both ways to a provider must do alike with an answer, byte by byte. Where they rightly differ, the name of the test says so. */

afterEach(stopPeers);

describe.each(kinds)("%s", (kind) => {
  const { isFetch, ask, text } = askerOf(kind);

  // ── whole answers ─────────────────────────────────────────────────────────────────────────────────────────────────

  test.each<[string, string[], string]>([
    ["by its length", [whole("hello")], "200 hello"],
    ["in pieces of one byte", [...whole("hello")], "200 hello"],
    ["by chunks", [`${chunkedHead}3\r\nhel\r\n2;a=b\r\nlo\r\n0\r\nx-trailer: 1\r\n\r\n`], "200 hello"],
    ["by chunks, in pieces of one byte", [...`${chunkedHead}3\r\nhel\r\n02\r\nlo\r\n0\r\n\r\n`], "200 hello"],
    [
      "after others on the way to it",
      ["HTTP/1.1 100 Continue\r\n\r\n", "HTTP/1.1 103 Early\r\nlink: x\r\n\r\n", whole("hello")],
      "200 hello",
    ],
    ["with no body", [whole("")], "200 "],
    ["204", ["HTTP/1.1 204 No Content\r\n\r\n"], "204 "],
    ["304 that says how long it would be", ["HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n"], "304 "],
    ["204 of compressed nothing", ["HTTP/1.1 204 No Content\r\nContent-Encoding: gzip\r\n\r\n"], "204 "],
    ["of another status", [whole("no", "", "599 Whatever")], "599 no"],
    ["with no reason", ["HTTP/1.1 200\r\nContent-Length: 2\r\n\r\nok"], "200 ok"],
    ["the same length twice", [whole("hello", "Content-Length: 5\r\n")], "200 hello"],
    ["with bare line feeds", ["HTTP/1.1 200 OK\nContent-Length: 5\n\nhello"], "200 hello"],
    ["of HTTP/1.0", ["HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\nhello"], "200 hello"],
  ])("reads an answer %s", async (_, pieces, expected) => {
    const peers = await peersThat(sends(...pieces));
    expect(await outcome(ask(peers))).toBe(expected);
    const gathered = await (await ask(await peersThat(sends(...pieces)))).bytes();
    expect(textOf(gathered)).toBe(expected.slice(4));
  });

  test("reads an answer that ends with its connection", async () => {
    const peers = await peersThat(sendsAndEnds("HTTP/1.1 200 OK\r\n\r\nhel", "lo"));
    expect(await outcome(ask(peers))).toBe("200 hello");
    expect(await text(peers)).toBe("hello");
  });

  test("tells headers in whichever case they came, joined where they came more than once, in their own bytes", async () => {
    const { headers } = await ask(
      await peersThat(sends(whole("x", "X-ONE: 1\r\nx-two:a\r\nX-Two:  b \r\nx-odd: \xe9\xff\r\nx-empty:\r\n"))),
    );
    expect(["x-one", "x-two", "x-odd", "x-empty", "x-none", "one"].map((name) => headers.get(name))).toEqual([
      "1",
      "a, b",
      "\xe9\xff",
      "",
      null,
      null,
    ]);
  });

  test("sends what it is told to, byte by byte, and 20 MB of it; reads 20 MB, at once and in pieces", async () => {
    const large = Buffer.alloc(20 * 2 ** 20, "0123456789abcde");
    const peers = await peersThat(async (peer) => {
      await peer.send(`HTTP/1.1 200 OK\r\nContent-Length: ${large.length}\r\n\r\n`);
      await peer.send(large);
    });
    const body = `"é€😀\0"${large.toString("latin1")}`;
    const headers = { "x-own": "caf\xe9 \xff", authorization: "Bearer  two spaces" };
    const first = await (await ask(peers, { body, headers })).bytes();
    expect(Buffer.compare(first, large)).toBe(0);
    const { head, body: got } = peers.asked[0]?.requests[0] ?? {};
    expect(Buffer.from(body).equals(got ?? Buffer.alloc(0))).toBe(true);
    expect(head?.split("\r\n")[0]).toBe("POST /v1 HTTP/1.1");
    expect(head?.toLowerCase()).toContain(`\r\nhost: 127.0.0.1:${peers.port}`);
    expect(head).toContain("x-own: caf\xe9 \xff\r\n");
    expect(head).toContain("Bearer  two spaces\r\n");
    expect((await piecesOf(await ask(peers))).length).toBe(large.length);
  });

  test("sends one length and no coding, whatever headers it is given", async () => {
    const peers = await peersThat(sends(whole("x")));
    await text(peers, { headers: { "Content-length": "7", "TRANSFER-ENCODING": "chunked", "x-own": "1" } }).catch(
      () => {},
    );
    const head = peers.asked[0]?.requests[0]?.head ?? "";
    expect(head.match(/^content-length: .*/gim)).toHaveLength(1);
    expect(head).not.toMatch(/^transfer-encoding/im);
  });

  test.each([{ "x-a": "1\r\nx-b: 2" }, { "x-a": "1\n2" }, { "x a": "1" }, { "x-a": "\0" }, { "x-a": "€" }])(
    "sends no header that is none: %j",
    async (headers) => {
      const peers = await peersThat(sends(whole("x")));
      expect(await ask(peers, { headers: { ...headers } }).catch((error: unknown) => error)).toBeInstanceOf(TypeError);
      expect(peers.asked).toHaveLength(0);
    },
  );

  test("300 at once", async () => {
    const peers = await peersThat((peer) => peer.send(whole("x".repeat(50_000))));
    const lengths = await Promise.all(Array.from({ length: 300 }, async () => (await text(peers)).length));
    expect(new Set(lengths)).toEqual(new Set([50_000]));
  });

  // ── answers that are none ─────────────────────────────────────────────────────────────────────────────────────────

  test.each<[string, string]>([
    ["garbage", "SSH-2.0-OpenSSH_9.2\r\n\r\n"],
    ["HTTP/0.9", "<html>hello</html>"],
    ["HTTP/2", "HTTP/2 200 OK\r\nContent-Length: 2\r\n\r\nok"],
    ["no status", "HTTP/1.1 OK\r\nContent-Length: 2\r\n\r\nok"],
    ["a header without a name", "HTTP/1.1 200 OK\r\n: x\r\n\r\n"],
    ["a line that is no header", "HTTP/1.1 200 OK\r\nhello\r\nContent-Length: 2\r\n\r\nok"],
    ["two lengths", whole("hello", "Content-Length: 6\r\n")],
    ["a negative length", "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\nok"],
    ["a length in words", "HTTP/1.1 200 OK\r\nContent-Length: 0x5\r\n\r\nhello"],
    ["a head that the end cuts", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n"],
    ["nothing", ""],
    ["another protocol", "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\nhello"],
    ["NUL in a header", "HTTP/1.1 200 OK\r\nx: a\0b\r\nContent-Length: 2\r\n\r\nok"],
  ])("fails at %s", async (_, bytes) => {
    const peers = await peersThat(sendsAndEnds(bytes));
    const told = await outcome(ask(peers));
    // What fetch takes for an answer by its own reading is no fault of ours; it must not be more than was sent.
    if (isFetch && told !== "!") return expect(bytes).toContain(told.slice(4).replace("!", ""));
    expect(told).toBe("!");
    expect(peers.asked).toHaveLength(1);
  });

  test.each<[string, string[], string]>([
    ["a length that is not reached", ["HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n", "hello"], "200 hello!"],
    ["chunks without their end", [chunkedHead, "5\r\nhello\r\n"], "200 hello!"],
    ["a chunk cut in the middle", [chunkedHead, "9\r\nhello"], "200 hello!"],
    ["a chunk of no size", [chunkedHead, "5\r\nhello\r\nxyz\r\n"], "200 hello!"],
    ["a chunk of negative size", [chunkedHead, "5\r\nhello\r\n-1\r\n"], "200 hello!"],
    ["a chunk larger than numbers", [chunkedHead, "5\r\nhello\r\nfffffffffffffffff\r\nx"], "200 hello!"],
    ["a chunk longer than it says", [chunkedHead, "5\r\nhello world\r\n0\r\n\r\n"], "200 hello!"],
    ["no last empty line", [chunkedHead, "5\r\nhello\r\n0\r\n"], "200 hello!"],
  ])("gives what came before, and no clean end, at %s", async (_, pieces, expected) => {
    const told = await outcome(ask(await peersThat(sendsAndEnds(...pieces))));
    // fetch drops what lies unread when it fails, and needs no empty line at the end.
    if (isFetch)
      expect(["200 !", "!", expected, ...(pieces.join("").endsWith("0\r\n") ? ["200 hello"] : [])]).toContain(told);
    else expect(told).toBe(expected);
  });

  test.each([
    ["after a length", "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhello"],
    ["after chunks", `${chunkedHead}5\r\nhello\r\n`],
    ["after a body without length", "HTTP/1.1 200 OK\r\n\r\nhello"],
  ])("a reset %s is no clean end (to fetch it is one where there is no length)", async (_, bytes) => {
    const cut = gate();
    const peers = await peersThat(async (peer) => {
      await peer.send(bytes);
      await cut.opened;
      peer.reset();
    });
    const pieces = (await ask(peers)).body();
    expect(textOf((await readOf(pieces)) ?? new Uint8Array())).toBe("hello");
    cut.open();
    const last = await readOf(pieces).catch((error: unknown) => error);
    if (isFetch && bytes.includes("OK\r\n\r\n")) expect(last).toBeNull();
    else expect(codeOf(last)).toBe("ECONNRESET");
  });

  test.each<[string, string, string]>([
    ["a head without end", "HTTP/1.1 200 OK\r\n", `x: ${"y".repeat(8_000)}\r\n`],
    ["a header without end", "HTTP/1.1 200 OK\r\nx: ", "y".repeat(8_000)],
    ["the size of a chunk without end", `${chunkedHead}5;`, "y".repeat(8_000)],
    ["trailers without end", `${chunkedHead}0\r\n`, `x: ${"y".repeat(8_000)}\r\n`],
  ])("sockets only (fetch reads on until its call times out): %s ends", async (_, start, more) => {
    if (isFetch) return;
    const peers = await peersThat(async (peer) => {
      await peer.send(start);
      while (!peer.isClosed && peer.sentBytes < 50_000_000) await peer.send(more);
    });
    expect(await outcome(ask(peers))).toEndWith("!");
    const peer = peers.asked[0];
    await until("the connection is closed", () => peer?.isClosed);
    expect(peer?.sentBytes).toBeLessThan(10_000_000);
  });

  test.each<[string, string]>([
    [
      "both a length and chunks",
      "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
    ],
    [
      "chunks in HTTP/1.0",
      "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
    ],
    ["a 204 of some length", "HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n"],
    ["a 204 in chunks", "HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n"],
  ])("sockets only: after %s the connection is not used again", async (_, bytes) => {
    if (isFetch) return;
    const peers = await peersThat(sends(bytes));
    expect(await outcome(ask(peers))).not.toContain("!");
    await outcome(ask(peers));
    expect(peers.asked).toHaveLength(2);
  });

  test.each([
    ["a folded header", "HTTP/1.1 200 OK\r\nx: a\r\n b\r\nContent-Length: 2\r\n\r\nok"],
    ["a space before the colon", "HTTP/1.1 200 OK\r\nContent-Length : 2\r\n\r\nok"],
    ["a bare return in a header", "HTTP/1.1 200 OK\r\nx: a\rSet-Cookie: b\r\nContent-Length: 2\r\n\r\nok"],
    ["a coding that nobody asked for", "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n"],
  ])("sockets only (fetch reads it in its way): fails at %s", async (_, bytes) => {
    if (!isFetch) expect(await outcome(ask(await peersThat(sendsAndEnds(bytes))))).toBe("!");
  });

  // ── compressed ────────────────────────────────────────────────────────────────────────────────────────────────────

  const coded = {
    gzip: gzipSync,
    br: (bytes: Uint8Array) => brotliCompressSync(bytes, { params: { [constants.BROTLI_PARAM_QUALITY]: 1 } }),
    zstd: zstdCompressSync,
  } as const;
  test.each(Object.keys(coded) as (keyof typeof coded)[])("takes %s off, and keeps a bomb bounded", async (name) => {
    const answers = (body: Uint8Array) =>
      peersThat(
        sends(`HTTP/1.1 200 OK\r\nContent-Encoding: ${name}\r\nContent-Length: ${body.byteLength}\r\n\r\n`, body),
      );
    const small = await ask(await answers(coded[name](Buffer.from("hello".repeat(1_000)))));
    expect(small.headers.get("content-encoding")).toBeNull();
    expect(small.headers.get("content-length")).toBeNull();
    expect(textOf(await small.bytes())).toBe("hello".repeat(1_000));

    const bomb = coded[name](Buffer.alloc(64 * 2 ** 20));
    const before = process.memoryUsage().rss;
    const pieces = (await ask(await answers(bomb))).body();
    for (let bytes = 0; bytes < 4 * 2 ** 20;) bytes += (await readOf(pieces))?.byteLength ?? Infinity;
    await pieces?.cancel();
    expect(process.memoryUsage().rss - before).toBeLessThan(48 * 2 ** 20);

    const cut = coded[name](crypto.getRandomValues(new Uint8Array(1_000))).subarray(0, 500);
    expect(await outcome(ask(await answers(cut)))).toEndWith("!");
  });
});
