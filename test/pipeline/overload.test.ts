import { beforeEach, describe, expect, test } from "bun:test";
import { holdBodyOf, type Overload, releaseBodyOf, watchOverload } from "../../core/pipeline/overload.ts";

const mib = 1024 * 1024;
let used = 0;
let held = 0;
let collected = 0;
const changes: (string | null)[] = [];
let overload: Overload;
beforeEach(() => {
  used = 100 * mib;
  held = 0;
  collected = 0;
  changes.length = 0;
  overload = watchOverload(options);
});
const options = {
  memory: { limitBytes: 1_000 * mib, usedBytes: () => used },
  heldStreams: () => held,
  limits: { maxBufferedBytes: 30 * mib, maxLoopLagMs: 500, maxCalls: 100 },
  collectGarbage: () => void collected++,
  onChange: (reason: string | null) => void changes.push(reason),
};
const sample = (lagMs: number, times = 1) => {
  for (let time = 0; time < times; time++) overload.sample(lagMs);
};
const refused = { kind: "unavailable", status: 503, details: { code: "overloaded", retryAfterSeconds: 2 } };

test("a body that finds no room gives back at once what it had, so that those beside it find some", () => {
  const [first, second, third] = [{ heldBodyBytes: 0 }, { heldBodyBytes: 0 }, { heldBodyBytes: 0 }];
  for (const body of [first, second]) holdBodyOf(body, 4 * mib, overload);
  // Each lies in memory three times: 30 MiB are room for ten.
  expect(thrownBy(() => holdBodyOf(second, 4 * mib, overload))).toMatchObject(refused);
  expect(second.heldBodyBytes).toBe(0);
  holdBodyOf(first, 4 * mib, overload);
  expect(thrownBy(() => holdBodyOf(third, 4 * mib, overload))).toMatchObject(refused);
  for (const body of [first, second, third]) releaseBodyOf(body, overload);
  holdBodyOf(third, 9 * mib, overload);
  holdBodyOf(first, mib, overload);
});

describe("memory", () => {
  test("below its reserve no call is taken, and none until half as much again is free", () => {
    used = 890 * mib;
    sample(0);
    expect(overload.calls).toBeNull();
    overload.admitCall(1);
    used = 901 * mib;
    sample(0);
    expect(thrownBy(() => overload.admitCall(1))).toMatchObject(refused);
    expect(thrownBy(() => overload.admitStream())).toMatchObject(refused);
    expect(overload.shed).toBe(2);
    used = 851 * mib;
    sample(0);
    expect(overload.calls).not.toBeNull();
    used = 849 * mib;
    sample(0);
    overload.admitCall(1);
    expect(changes).toEqual(["memory is almost used up", null]);
  });

  test("is looked at again when many streams begin between two samples", () => {
    sample(0);
    used = 950 * mib;
    for (let stream = 0; stream < 15; stream++) overload.admitStream();
    expect(thrownBy(() => overload.admitStream())).toMatchObject(refused);
    expect(thrownBy(() => overload.admitCall(1))).toMatchObject(refused);
  });

  test("that is free is shared by bodies, and one alone is taken while calls are", () => {
    const roomy = watchOverload({ ...options, limits: { ...options.limits, maxBufferedBytes: 1e12 } });
    used = 840 * mib;
    // Three copies of 20 MiB are what is free but for the reserve.
    roomy.holdBody(15 * mib);
    roomy.holdBody(5 * mib);
    expect(thrownBy(() => roomy.holdBody(mib))).toMatchObject(refused);
    roomy.releaseBody(20 * mib);
    roomy.holdBody(50 * mib);
    roomy.releaseBody(50 * mib);
    used = 901 * mib;
    expect(thrownBy(() => roomy.holdBody(mib))).toMatchObject(refused);
  });

  test("that is little keeps a sixth free, or 64 MiB", () => {
    const small = watchOverload({ ...options, memory: { limitBytes: 300 * mib, usedBytes: () => used } });
    used = 249 * mib;
    small.sample(0);
    expect(small.calls).toBeNull();
    used = 251 * mib;
    small.sample(0);
    expect(small.calls).not.toBeNull();
  });

  test("that is full is asked to give back what is not needed, now and then", () => {
    sample(0, 30);
    expect(collected).toBe(0);
    used = 950 * mib;
    sample(0, 30);
    expect(collected).toBe(3);
  });
});

describe("a loop that is behind", () => {
  test("takes no call when it stays so, and again when it has caught up for a while", () => {
    sample(500, 2);
    expect(overload.calls).toBeNull();
    sample(500);
    expect(overload.calls).not.toBeNull();
    sample(400, 10);
    sample(100, 2);
    expect(overload.calls).not.toBeNull();
    sample(100);
    expect(overload.calls).toBeNull();
    expect(changes).toHaveLength(2);
  });

  test("one long turn is over when it is seen", () => {
    sample(9_000);
    sample(0);
    sample(9_000, 2);
    expect(changes).toEqual([]);
  });
});

describe("calls at once", () => {
  test("beyond their number none is taken until one ends, and the operator is told once", () => {
    overload.admitCall(100);
    expect(thrownBy(() => overload.admitCall(101))).toMatchObject(refused);
    overload.admitCall(100);
    expect(overload.shed).toBe(1);
    sample(0, 5);
    expect(thrownBy(() => overload.admitCall(101))).toMatchObject(refused);
    sample(0, 9);
    expect(changes).toEqual(["as many calls run as may"]);
    sample(0);
    expect(changes).toEqual(["as many calls run as may", null]);
  });
});

describe("streams that nobody reads", () => {
  test("beyond their memory no stream is taken, but calls are", () => {
    held = 14;
    sample(0);
    overload.admitStream();
    held = 15;
    sample(0);
    overload.admitCall(1);
    expect(thrownBy(() => overload.admitStream())).toMatchObject(refused);
    held = 0;
    sample(0);
    overload.admitStream();
  });
});

describe("bodies", () => {
  test("share their memory, and one that is too large for it is taken alone", () => {
    overload.holdBody(50 * mib);
    expect(thrownBy(() => overload.holdBody(1))).toMatchObject(refused);
    overload.releaseBody(50 * mib);
    for (let body = 0; body < 10; body++) overload.holdBody(mib);
    expect(thrownBy(() => overload.holdBody(mib))).toMatchObject(refused);
    overload.releaseBody(mib);
    overload.holdBody(mib);
  });
});

function thrownBy(work: () => void): unknown {
  try {
    work();
  } catch (error) {
    return error;
  }
  return null;
}
