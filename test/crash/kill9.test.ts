import { expect, test } from "bun:test";
import { kill9 } from "../soak/kill9.ts";

/** `bun run soak kill9` does the same a hundred times. */
test("no acknowledged call is lost or counted twice, and no hold is left", async () => {
  expect(await kill9({ count: 10, minutes: 0, print: console.log })).toEqual([]);
}, 120_000);
