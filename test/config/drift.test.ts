import { expect, test } from "bun:test";
import { driftOf } from "../../core/commands/drift.ts";
import { fileRules, limitBook } from "../../core/pipeline/limit-book.ts";
import type { BookEntryRow } from "../../core/storage/book.ts";
import type { LimitRow } from "../../core/storage/limit.ts";

type Price = Extract<BookEntryRow, { readonly kind: "price" }>;

const dayMs = 86_400_000;
const nowMs = 100 * dayMs;
const file = { loaded: { config: { prices: [] } }, services: { limits: limitBook() }, plugins: { upstreams: [] } };
const stored = (entries: readonly BookEntryRow[], limits: readonly LimitRow[] = []) => ({
  credentials: { all: () => [] },
  book: { entries: () => entries },
  limits: { all: () => limits },
});
const aPrice = (author: string, effectiveMs: number, prices: Price["prices"] = { input: "1", output: "1" }): Price => ({
  id: author,
  kind: "price",
  target: "openai/x",
  effectiveMs,
  prices,
  author,
  createdMs: 0,
});

test("the price that is in force is told, whichever was written last; of the same time the one written last", () => {
  const told = (...entries: BookEntryRow[]) => driftOf(file, stored(entries), nowMs).map(({ set }) => set);
  const [early, late] = [aPrice("early", 10 * dayMs), aPrice("late", 50 * dayMs)];
  expect(told(late, early)).toEqual(["a price by late"]);
  expect(told(early, late)).toEqual(["a price by late"]);
  expect(told(early, aPrice("next", 10 * dayMs))).toEqual(["a price by next"]);
  expect(told(early, aPrice("to come", 200 * dayMs))).toEqual(["a price by early"]);
  // Back to what the file says.
  expect(told(aPrice("back", 50 * dayMs, null), early)).toEqual([]);
});

test("a limit is beside one of the file on the very same scope", () => {
  const limits = { requestsPerMinute: 1 };
  const scopes = [
    { kind: "account", id: null },
    { kind: "account", id: "a" },
    { kind: "key", id: "a" },
    // The file's own is there though nobody wrote it.
    { kind: "ip", id: null },
  ] as const;
  const rows = scopes.map((scope, at) => ({ id: String(at), scope, limits, enforce: true, createdMs: 0 }));
  const fixed = fileRules([{ scope: scopes[1], limits, enforce: true }]);
  const lines = driftOf({ ...file, services: { limits: limitBook(fixed) } }, stored([], rows), nowMs);
  expect(lines.map(({ path, inFile }) => [path, inFile])).toEqual([
    ["limits.account:each", false],
    ["limits.account:a", true],
    ["limits.key:a", false],
    ["limits.ip:each", false],
  ]);
});
