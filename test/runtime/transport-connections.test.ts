import { afterEach, describe, expect, jest, test } from "bun:test";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { join } from "node:path";
import { type Peer, startPeers } from "../support/peer.ts";
import { gate, until } from "../support/poll.ts";
import {
  askerOf,
  chunkedHead,
  clock,
  failure,
  kinds,
  outcome,
  peersThat,
  sends,
  sendsAndEnds,
  stopPeers,
  textOf,
  whole,
  readOf,
} from "../support/transports.ts";

/** What both ways to a provider must do alike with their connections. Where they rightly differ, the name of the test says so. */

afterEach(stopPeers);

describe.each(kinds)("%s", (kind) => {
  const { isFetch, ask, text } = askerOf(kind);

  // ── connections that do not come about ────────────────────────────────────────────────────────────────────────────

  test("tells a refused connection, an unknown name and a reset apart, as the pipeline asks for them", async () => {
    const gone = await startPeers(() => {});
    gone.stop();
    expect(await failure(ask(gone))).toBe("ECONNREFUSED");
    expect(await failure(ask({ url: "http://nowhere.invalid/" }))).toBe("ENOTFOUND");
    const resetting = await peersThat((peer) => peer.reset());
    expect(await failure(ask(resetting))).toBe("ECONNRESET");
    expect(resetting.asked).toHaveLength(1);
    const closing = await peersThat((peer) => peer.end());
    expect(await failure(ask(closing))).toBe("ECONNRESET");
    expect(closing.asked).toHaveLength(1);
  });

  test("gives up on a handshake that never ends after connectMs, and one that ends early may be repeated", async () => {
    const mute = await peersThat(() => {});
    const url = mute.url.replace("http:", "https:");
    expect(await failure(ask({ url }, { connectMs: 30 }))).toBe("ConnectTimeoutError");
    await until("its connection is closed", () => mute.all.every(({ isClosed }) => isClosed));
    for (const leave of [(peer: Peer) => peer.end(), (peer: Peer) => peer.reset()]) {
      const hasty = await peersThat(
        () => {},
        (peer) => peer.socket.once("data", () => leave(peer)),
      );
      const code = await failure(ask({ url: hasty.url.replace("http:", "https:") }));
      // fetch does not say whether the request was sent.
      expect(code).toBe(isFetch ? "ECONNRESET" : "ENOTCONN");
    }
  });

  test.if(existsSync("/proc/self/fd"))(
    "where packets get lost, calls hold no file descriptors once they are given up (sockets: but for the first)",
    async () => {
      const script = `const server = require("node:net").createServer().listen({ port: 0, host: "127.0.0.1" }, () => {
        console.log(server.address().port);
        Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 20_000);
      });`;
      // It accepts nothing, and what is beyond its backlog of 512 gets no answer.
      const deaf = Bun.spawn([process.execPath, "-e", script], { stdout: "pipe", stderr: "inherit" });
      const fillers: Socket[] = [];
      try {
        const { value } = await deaf.stdout.getReader().read();
        const port = Number(new TextDecoder().decode(value));
        const url = `http://127.0.0.1:${port}/v1`;
        const opened = () => readdirSync("/proc/self/fd").length;
        for (let at = 0; at < 540; at++) fillers.push(connect({ host: "127.0.0.1", port }).on("error", () => {}));
        let before = -1;
        const unchanged = () => before === (before = fillers.filter(({ connecting }) => connecting).length);
        await until("only the last are left out", () => unchanged() && before > 0 && before < 100, { everyMs: 30 });
        expect(await failure(ask({ url }, { connectMs: 30 }))).toBe("ConnectTimeoutError");
        const openedBefore = opened();
        const codes = await Promise.all(Array.from({ length: 20 }, () => failure(ask({ url }, { connectMs: 30 }))));
        expect(new Set(codes)).toEqual(new Set(["ConnectTimeoutError"]));
        await until("they are closed", () => opened() <= openedBefore + 2);
      } finally {
        deaf.kill("SIGKILL");
        for (const socket of fillers) socket.destroy();
      }
    },
  );

  test.if(existsSync("/proc/net/tcp"))("a peer that is silent is probed within a minute, by the system", async () => {
    const peers = await peersThat(() => {});
    const left = new AbortController();
    const asked = failure(ask(peers, { signal: left.signal }));
    await until("the request is there", () => peers.asked.length === 1);
    // Columns of proc(5): to whom, the state (01: established), and the timer (02: a probe) with the 1/100 s to go.
    const to = `0100007F:${peers.port.toString(16).toUpperCase().padStart(4, "0")}`;
    const own = new RegExp(`: \\S+ ${to} 01 \\S+ (\\w+):(\\w+) `);
    const [, timer, restHundredths = ""] = own.exec(readFileSync("/proc/net/tcp", "latin1")) ?? [];
    expect(timer).toBe("02");
    expect(Number.parseInt(restHundredths, 16)).toBeLessThanOrEqual(6_000);
    left.abort();
    await asked;
  });

  // ── leaving ───────────────────────────────────────────────────────────────────────────────────────────────────────

  test("a signal ends the call before its connection, before the head, and in the body, and the peer sees it", async () => {
    const reason = new Error("left");
    const peers = await peersThat(async (peer, request) => {
      if (request.includes("x-body")) await peer.send("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhello");
    });
    expect(await failure(ask(peers, { signal: AbortSignal.abort(reason) }))).toBe("Error");
    expect(peers.asked).toHaveLength(0);

    const early = new AbortController();
    const asked = ask(peers, { signal: early.signal });
    early.abort(reason);
    expect(await asked.catch((error: unknown) => error)).toBe(reason);

    const beforeHead = new AbortController();
    const waits = ask(peers, { signal: beforeHead.signal });
    await until("the request is there", () => peers.asked.length === 1);
    beforeHead.abort(reason);
    expect(await waits.catch((error: unknown) => error)).toBe(reason);
    await until("the peer sees it", () => peers.asked[0]?.isClosed);

    const inBody = new AbortController();
    const pieces = (await ask(peers, { signal: inBody.signal, headers: { "x-body": "1" } })).body();
    await readOf(pieces);
    const next = readOf(pieces).catch((error: unknown) => error);
    inBody.abort(reason);
    expect(await next).toBe(reason);
    await until("the peer sees it too", () => peers.asked.at(-1)?.isClosed);
  });

  test("a cancelled body ends the read that waits, and the connection", async () => {
    const peers = await peersThat(sends("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhello"));
    const pieces = (await ask(peers)).body();
    await readOf(pieces);
    const next = readOf(pieces);
    await pieces?.cancel();
    expect(await next).toBeNull();
    await until("the peer sees it", () => peers.asked[0]?.isClosed);
  });

  test("a signal after the end changes nothing: the connection is used again", async () => {
    const peers = await peersThat(sends(whole("first")));
    const left = new AbortController();
    const response = await ask(peers, { signal: left.signal });
    expect(textOf(await response.bytes())).toBe("first");
    left.abort();
    expect(await text(peers)).toBe("again");
    expect(peers.asked).toHaveLength(1);
  });

  // ── slow readers ──────────────────────────────────────────────────────────────────────────────────────────────────

  test.each(["length", "chunked"])(
    "a reader that stalls stops the peer, and gets all when it goes on: %s",
    async (framing) => {
      const piece = Buffer.alloc(64 * 1024, "x");
      const count = 400;
      const peers = await peersThat(async (peer) => {
        const isChunked = framing === "chunked";
        await peer.send(isChunked ? chunkedHead : `HTTP/1.1 200 OK\r\nContent-Length: ${piece.length * count}\r\n\r\n`);
        for (let at = 0; at < count; at++)
          await peer.send(isChunked ? Buffer.concat([Buffer.from("10000\r\n"), piece, Buffer.from("\r\n")]) : piece);
        if (isChunked) await peer.send("0\r\n\r\n");
      });
      const pieces = (await ask(peers)).body();
      await readOf(pieces);
      const peer = peers.asked[0];
      let before = -1;
      await until("the peer sends no more", () => before === (before = peer?.sentBytes ?? 0), { everyMs: 50 });
      expect(before).toBeLessThan(14_000_000);
      const bytes = piece.length * count;
      let got = 0;
      for (let next = await readOf(pieces); next; next = await readOf(pieces)) got += next.byteLength;
      expect(got).toBeGreaterThan(bytes - 1_000_000);
      expect(got).toBeLessThan(bytes);
    },
  );

  test("what lay unread when the peer ended is there for who reads later", async () => {
    const body = "x".repeat(1_000_000);
    const peers = await peersThat(sendsAndEnds(`HTTP/1.1 200 OK\r\n\r\n${body}`));
    const pieces = (await ask(peers)).body();
    await until("all is sent", () => (peers.asked[0]?.sentBytes ?? 0) > body.length);
    let got = 0;
    for (let next = await readOf(pieces); next; next = await readOf(pieces)) got += next.byteLength;
    expect(got).toBe(body.length);
  });

  test("a whole answer is gathered though much of it came before it was asked for", async () => {
    const body = "x".repeat(3_000_000);
    const peers = await peersThat(sends(whole(body)));
    const response = await ask(peers);
    let before = -1;
    await until("the peer sends no more", () => before === (before = peers.asked[0]?.sentBytes ?? 0), { everyMs: 30 });
    expect((await response.bytes()).byteLength).toBe(body.length);
  });

  // ── connections that are used again ───────────────────────────────────────────────────────────────────────────────

  test("uses a connection again, but not after `connection: close` of either side", async () => {
    const peers = await peersThat(async (peer, request) =>
      peer.send(request.includes("x-last") ? whole("last", "Connection: Close\r\n") : whole("more")),
    );
    for (let at = 0; at < 3; at++) expect(await text(peers)).toBe("more");
    expect(peers.asked).toHaveLength(1);
    expect(await text(peers, { headers: { "x-last": "1" } })).toBe("last");
    expect(await text(peers)).toBe("more");
    expect(peers.asked).toHaveLength(2);
    // The peer does not close: we do.
    const before = peers.asked.length;
    expect(await text(peers, { headers: { connection: "close" } })).toBe("more");
    const alone = peers.asked.at(-1);
    if (!isFetch) expect(peers.asked).toHaveLength(before + 1);
    await until("it is closed", () => alone?.isClosed);
    expect(await text(peers)).toBe("more");
    expect(alone?.requests.at(-1)?.head).toContain("close");
  });

  test("an answer that nobody asked for reaches nobody (sockets: and ends its connection)", async () => {
    const poison = whole("poison");
    const idle = gate();
    const peers = await peersThat(async (peer, request) => {
      if (request.includes("x-behind")) await peer.send(whole("own") + poison);
      else if (request.includes("x-chunks")) await peer.send(`${chunkedHead}3\r\nown\r\n0\r\n\r\n${poison}`);
      else if (request.includes("x-half")) await peer.send(whole("own") + poison.slice(0, 9));
      else if (request.includes("x-idle")) {
        await peer.send(whole("own"));
        await idle.opened;
        await peer.send(poison);
      } else await peer.send(whole("own"));
    });
    for (const name of ["x-behind", "x-chunks", "x-half", "x-idle"]) {
      expect(await text(peers, { headers: { [name]: "1" } })).toBe("own");
      const peer = peers.asked.at(-1);
      idle.open();
      if (!isFetch || name === "x-idle") await until(`the connection of ${name} is closed`, () => peer?.isClosed);
      expect(await text(peers)).toBe("own");
    }
  });

  test("a connection that the peer closes while it is idle costs no call, and nothing is sent twice", async () => {
    const peers = await peersThat(sends(whole("first")));
    for (let at = 0; at < 5; at++) {
      expect(await text(peers)).toBe("first");
      const last = peers.asked.at(-1);
      last?.end();
      await until("it is gone", () => last?.isClosed);
    }
    expect(peers.asked.map(({ requests }) => requests.length)).toEqual([1, 1, 1, 1, 1]);
  });

  test.each(["reset", "end"] as const)("what was read and then broken by a %s is not sent again", async (way) => {
    const peers = await peersThat(async (peer) => {
      if (peer.requests.length === 1) return peer.send(whole("first"));
      // Longer than what tells of an end that came before the request.
      if (way === "end") clock.atMs += 1_001;
      peer[way]();
    });
    expect(await text(peers)).toBe("first");
    expect(await failure(ask(peers))).toBe("ECONNRESET");
    expect(peers.asked.map(({ requests }) => requests.length)).toEqual([2]);
  });

  test("sockets only (fetch keeps them for 300 s): what was idle for 50 s is not used again", async () => {
    if (isFetch) return;
    const peers = await peersThat(sends(whole("first")));
    await text(peers);
    clock.atMs += 49_999;
    expect(await text(peers)).toBe("again");
    clock.atMs += 50_000;
    expect(await text(peers)).toBe("first");
    expect(peers.asked.map(({ isClosed, requests }) => [isClosed, requests.length])).toEqual([
      [true, 2],
      [false, 1],
    ]);
  });

  test("sockets only (fetch keeps them for 300 s): what nobody uses is closed after 50 s", async () => {
    if (isFetch) return;
    const peers = await peersThat(sends(whole("first")));
    jest.useFakeTimers();
    try {
      await askerOf(kind).text(peers);
      clock.atMs += 50_000;
      jest.advanceTimersByTime(10_000);
    } finally {
      jest.useRealTimers();
    }
    await until("it is closed", () => peers.asked[0]?.isClosed);
    expect(peers.asked).toHaveLength(1);
  });

  test("an answer that came before all of the request ends the connection", async () => {
    const early = await peersThat(
      () => {},
      (peer) => {
        peer.socket.once("data", () => {
          peer.socket.pause();
          void peer.send(whole("too large", "", "413 Content Too Large"));
        });
      },
    );
    expect(await outcome(ask(early, { body: "x".repeat(20_000_000) }))).toBe("413 too large");
    const peer = early.all.at(-1);
    peer?.socket.resume();
    await until("it is closed", () => peer?.isClosed);
  });

  test("a checked address is the one that is asked, by its name", async () => {
    const peers = await peersThat(sends(whole("hello")));
    const url = `http://api.example.com:${peers.port}/v1?a=b`;
    expect(await text({ ...peers, url }, { guarded: true, headers: { host: "other.example" } })).toBe("hello");
    expect(await text({ ...peers, url }, { guarded: true })).toBe("again");
    for (const { head } of peers.asked[0]?.requests ?? []) {
      expect(head).toStartWith("POST /v1?a=b HTTP/1.1\r\n");
      expect(head.match(/^host: .*$/gim)?.map((line) => line.slice(6))).toEqual([`api.example.com:${peers.port}`]);
    }
  });
});

test.if(existsSync("/proc/self/fd"))(
  "a process without file descriptors says so, and not that the peer refused",
  async () => {
    const peers = await peersThat(() => {});
    const script = join(import.meta.dir, "asking-process.ts");
    const child = Bun.spawn(["sh", "-c", `ulimit -n 64; exec "$0" "$1" "$2"`, process.execPath, script, peers.url], {
      env: { ...process.env, TAKE_DESCRIPTORS: "1" },
      stdout: "pipe",
      stderr: "ignore",
      timeout: 10_000,
    });
    expect((await new Response(child.stdout).text()).trim().split("\n")).toEqual([`["EMFILE"]`, `["EMFILE"]`]);
    expect(peers.all).toHaveLength(0);
  },
);
