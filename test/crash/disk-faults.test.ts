import { describe, expect, test } from "bun:test";
import { eio, eioEvery, slowDisk, walGrow } from "../soak/disk-faults.ts";
import { canTrace } from "../soak/strace.ts";

/** What `bun run soak` does at length, made small. */
const small = { minutes: 0.05, print: console.log };

// Where nobody may trace, no system call can be made to fail.
describe.skipIf(!canTrace())("a disk", () => {
  test("that takes 200 ms for each fsync delays no call", async () => {
    expect(await slowDisk({ ...small, count: 400 })).toEqual([]);
  }, 120_000);

  test("that refuses now and then loses nothing that was acknowledged", async () => {
    expect(await eio({ ...small, count: 400 })).toEqual([]);
  }, 120_000);

  test("that fails at one moment, or from then on, leaves books that prove", async () => {
    expect(await eioEvery({ ...small, count: 1 })).toEqual([]);
  }, 180_000);
});

test("a reader that does not end makes the log grow, no more", async () => {
  expect(await walGrow({ ...small, count: 300 })).toEqual([]);
}, 60_000);
