import { expect, test } from "bun:test";
import { backup } from "../soak/backup.ts";
import { retention } from "../soak/retention.ts";
import { canMount, diskFull, locked } from "../soak/storage-faults.ts";

/** What `bun run soak` does at length, made small. */
const small = { minutes: 0.02, print: console.log };

test("copies under load are whole, and serve when they are restored", async () => {
  expect(await backup({ ...small, count: 3 })).toEqual([]);
}, 300_000);

test("calls are deleted under load and through kill -9, and no sum changes", async () => {
  expect(await retention({ ...small, count: 600 })).toEqual([]);
}, 300_000);

test("while another program holds the lock nothing is answered that is not recorded, and it ends with the lock", async () => {
  expect(await locked({ ...small, count: 1 })).toEqual([]);
}, 180_000);

// A container that may not mount has no disk of its own to fill.
test.skipIf(!canMount())(
  "a full disk stops calls, not the process, and it goes on when there is space",
  async () => {
    expect(await diskFull({ ...small, count: 2 })).toEqual([]);
  },
  180_000,
);
