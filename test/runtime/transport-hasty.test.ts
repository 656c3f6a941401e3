import { afterEach, beforeEach, expect, test } from "bun:test";
import type { Peer } from "../support/peer.ts";
import { gate, until } from "../support/poll.ts";
import { askerOf, clock, failure, peersThat, stopPeers, whole } from "../support/transports.ts";

/**
 * What our own client does with peers that close a connection and do not say so before: an end that has come but has not
 * been read is a call lost, because nothing is sent twice. fetch reads it on a thread of its own, and so nearly always in time.
 */

afterEach(stopPeers);

let { ask, text } = askerOf("sockets");
// Ports are given out again: what was learned of a peer must not hold for that of another test.
beforeEach(() => void ({ ask, text } = askerOf("sockets")));
/** Asks on a connection that was used before, which then ends instead of an answer. */
const lose = async (url: string) =>
  expect(await failure(ask({ url }, { headers: { "x-lost": "1" } }))).toBe("ECONNRESET");
const peersThatLose = (lost: (peer: Peer) => void) =>
  peersThat((peer, request) => (request.includes("x-lost") ? lost(peer) : peer.send(whole("more"))));

test("a peer that closes after each answer costs one call, and one more when a minute, two, four are over", async () => {
  const peers = await peersThat((peer) => void peer.socket.end(whole("own")));
  const lostAt: number[] = [];
  const beganMs = clock.atMs;
  for (let second = 0; second < 460; second += 1) {
    clock.atMs = beganMs + second * 1_000;
    // Two in one turn: the second would be given the connection of the first, whose end is there and not read.
    if ((await text(peers)) !== "own") throw new Error("the first of a turn is on a new connection");
    if ((await failure(ask(peers))) === "ECONNRESET") lostAt.push(second);
  }
  expect(lostAt).toEqual([0, 60, 180, 420]);
});

test("a peer that keeps silent connections for five seconds is given no request after four, and all before", async () => {
  const peers = await peersThatLose((peer) => peer.end());
  expect(await text(peers)).toBe("more");
  clock.atMs += 5_000;
  await lose(peers.url);
  expect(await text(peers)).toBe("more");
  clock.atMs += 3_999;
  expect(await text(peers)).toBe("more");
  expect(peers.asked.map(({ requests }) => requests.length)).toEqual([2, 2]);
  clock.atMs += 4_000;
  expect(await text(peers)).toBe("more");
  expect(peers.asked.map(({ requests }) => requests.length)).toEqual([2, 2, 1]);
});

test("an accident is believed for a minute, and forgotten when it is known to be one", async () => {
  const peers = await peersThatLose((peer) => peer.reset());
  expect(await text(peers)).toBe("more");
  await lose(peers.url);
  for (let at = 0; at < 3; at += 1) expect(await text(peers)).toBe("more");
  expect(peers.asked).toHaveLength(4);
  for (let at = 0; at < 2; at += 1) {
    clock.atMs += 60_000;
    for (let again = 0; again < 3; again += 1) expect(await text(peers)).toBe("more");
    expect(peers.asked).toHaveLength(5 + 2 * at);
    // The next one is the first again: a minute, not two.
    await lose(peers.url);
    expect(await text(peers)).toBe("more");
    expect(peers.asked).toHaveLength(6 + 2 * at);
  }
});

test("what ends later than a request is on its way, in the middle of an answer, or on its first, tells nothing", async () => {
  const slow = await peersThatLose((peer) => {
    clock.atMs += 1_001;
    peer.end();
  });
  const torn = await peersThatLose((peer) => void peer.socket.end("HTTP/1.1 200"));
  const dead = await peersThatLose((peer) => peer.reset());
  const busy = await peersThatLose((peer) => peer.reset());
  for (const peers of [slow, torn, dead, busy]) {
    // One that has answered often does not close after each answer.
    for (let at = 0; at < (peers === busy ? 4 : 1); at += 1) if (peers !== dead) expect(await text(peers)).toBe("more");
    await lose(peers.url);
    for (let at = 0; at < 3; at += 1) expect(await text(peers)).toBe("more");
    expect(peers.asked).toHaveLength(2);
  }
});

test("calls that were given up tell nothing either", async () => {
  const never = gate();
  const peers = await peersThat(async (peer, request) => {
    if (request.includes("x-lost")) await never.opened;
    await peer.send(whole("more"));
  });
  expect(await text(peers)).toBe("more");
  const left = new AbortController();
  const asked = failure(ask(peers, { signal: left.signal, headers: { "x-lost": "1" } }));
  await until("it is there", () => peers.asked[0]?.requests.length === 2);
  left.abort();
  await asked;
  never.open();
  for (let at = 0; at < 3; at += 1) expect(await text(peers)).toBe("more");
  expect(peers.asked).toHaveLength(2);
});
