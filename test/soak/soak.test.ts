import { expect, test } from "bun:test";
import { aborts } from "./aborts.ts";
import { cuts } from "./cuts.ts";
import { faults } from "./faults.ts";
import { idle } from "./idle.ts";
import { reload } from "./reload.ts";

/** What `bun run soak` does at length, made small. */
const small = { minutes: 0, print: console.log };

test("1,000 silent streams: none is cut", async () => {
  expect(await idle({ ...small, count: 1_000 })).toEqual([]);
}, 60_000);

test("300 clients that leave at random points: each has its record, and nothing stays open", async () => {
  expect(await aborts({ ...small, count: 300 })).toEqual([]);
}, 60_000);

test("500 streams that are cut: exact where the upstream tells its usage, within a tenth in sum where it does not", async () => {
  expect(await cuts({ ...small, count: 500 })).toEqual([]);
}, 120_000);

test("a minute of upstreams that reset, stall, drip, lie and explode: no call is lost, cut, charged wrongly or told of another", async () => {
  expect(await faults({ ...small, minutes: 1, count: 0 })).toEqual([]);
}, 120_000);

test("10 reloads and 2 broken ones under 40 calls a second and 40 streams: none fails, none is cut", async () => {
  expect(await reload({ ...small, count: 10 })).toEqual([]);
}, 60_000);
