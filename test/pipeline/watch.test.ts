import { afterEach, beforeEach, describe, expect, jest, test } from "bun:test";
import { pingMs, watchStreams, type Watch, type Watched } from "../../core/pipeline/watch.ts";

const secondMs = 1_000;
let nowMs = 0;
let watch: Watch;
beforeEach(() => {
  jest.useFakeTimers();
  nowMs = 1_000_000;
  watch = watchStreams(() => nowMs);
});
afterEach(() => {
  watch.stop();
  jest.useRealTimers();
});

/** The clock and the timers go together, a second at a time. */
function pass(seconds: number): void {
  for (let second = 0; second < seconds; second++) {
    nowMs += secondMs;
    jest.advanceTimersByTime(secondMs);
  }
}

interface Stream extends Watched {
  isHeld: boolean;
  readonly pings: number[];
  readonly idle: number[];
  readonly stalls: number[];
  readonly ends: number[];
}
function stream(idleTimeoutMs = 600_000, endMs = Infinity): Stream {
  const pings: number[] = [];
  const idle: number[] = [];
  const stalls: number[] = [];
  const ends: number[] = [];
  return {
    isHeld: false,
    stallTimeoutMs: 60_000,
    stalls,
    onStalled: () => void stalls.push(nowMs - 1_000_000),
    lastMs: nowMs,
    saidMs: nowMs,
    idleTimeoutMs,
    endMs,
    ends,
    onEnd: () => void ends.push(nowMs - 1_000_000),
    pings,
    idle,
    onSilence: () => void pings.push(nowMs - 1_000_000),
    onIdle: () => void idle.push(nowMs - 1_000_000),
  };
}

describe("the watch over streams", () => {
  test("tells of silence after 15 s, and again after each further 15 s", () => {
    const one = stream();
    watch.add(one);
    pass(14);
    expect(one.pings).toEqual([]);
    pass(40);
    expect(one.pings).toEqual([pingMs, 2 * pingMs, 3 * pingMs]);
  });

  test("a byte puts the silence back", () => {
    const one = stream();
    watch.add(one);
    pass(14);
    one.lastMs = nowMs;
    one.saidMs = nowMs;
    pass(14);
    expect(one.pings).toEqual([]);
    pass(1);
    expect(one.pings).toEqual([29_000]);
  });

  test("bytes that the client never sees keep the provider from being idle, and are silence to the client", () => {
    const one = stream(20_000);
    watch.add(one);
    for (let times = 0; times < 7; times++) {
      pass(5);
      one.lastMs = nowMs;
    }
    expect(one).toMatchObject({ pings: [pingMs, 2 * pingMs], idle: [] });
    pass(20);
    expect(one.idle).toEqual([55_000]);
  });

  test("tells once that a stream is idle, and then no more of it", () => {
    const one = stream(20_000);
    const other = stream();
    watch.add(one);
    watch.add(other);
    pass(100);
    expect(one.idle).toEqual([20_000]);
    expect(one.pings).toEqual([15_000]);
    expect(other.idle).toEqual([]);
    expect(watch.size()).toBe(1);
  });

  test("a stream that was taken off hears nothing, also when it goes while others are told", () => {
    const later = stream(20_000);
    let leave = () => {};
    const first: Watched = { ...stream(20_000), onIdle: () => leave() };
    watch.add(first);
    leave = watch.add(later);
    pass(30);
    expect(later.idle).toEqual([]);
    expect(watch.size()).toBe(0);
  });

  test("no streams, no timer; a new one starts it again", () => {
    expect(jest.getTimerCount()).toBe(0);
    const leave = watch.add(stream());
    expect(jest.getTimerCount()).toBe(1);
    leave();
    pass(2);
    expect(jest.getTimerCount()).toBe(0);
    const one = stream();
    watch.add(one);
    watch.add(stream());
    expect(jest.getTimerCount()).toBe(1);
    pass(15);
    expect(one.pings).toHaveLength(1);
  });

  test("tells once that a client takes nothing, and neither pings it nor blames the provider", () => {
    const one = stream(20_000);
    one.isHeld = true;
    watch.add(one);
    pass(100);
    expect(one).toMatchObject({ stalls: [60_000], idle: [], pings: [] });
    expect(watch.size()).toBe(0);
  });

  test("the provider's silence counts from when the client took what it had", () => {
    const one = stream(20_000);
    one.isHeld = true;
    watch.add(one);
    pass(30);
    one.isHeld = false;
    pass(19);
    expect(one.idle).toEqual([]);
    pass(1);
    expect(one).toMatchObject({ stalls: [], idle: [50_000] });
  });

  test("counts the clients that have taken nothing for a second", () => {
    const [one, other] = [stream(), stream()];
    one.isHeld = true;
    other.isHeld = true;
    watch.add(one);
    watch.add(other);
    watch.add(stream());
    expect(watch.held()).toBe(0);
    pass(1);
    expect(watch.held()).toBe(2);
    one.lastMs = nowMs;
    other.isHeld = false;
    pass(1);
    expect(watch.held()).toBe(1);
  });
});
