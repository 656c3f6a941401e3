import { Buffer } from "node:buffer";
import { GatewayError } from "../chat/error.ts";
import type { Page } from "../storage/database.ts";

interface Paging {
  readonly after?: string | undefined;
  readonly limit?: number | undefined;
}

/** Pages of a list in memory. `keyOf` is unique and orders the rows; a page goes on behind a row even if that is gone. */
export function pageOfRows<Row>(rows: readonly Row[], keyOf: (row: Row) => string, paging: Paging): Page<Row> {
  const keyed = rows
    .map((row) => ({ row, key: keyOf(row) }))
    .toSorted((left, right) => (left.key < right.key ? -1 : 1));
  const { data, next } = pageOfSorted(keyed, ({ key }) => key, paging);
  return { data: data.map(({ row }) => row), next };
}

/** The same of rows that are in the order of their keys. */
export function pageOfSorted<Row>(
  rows: readonly Row[],
  keyOf: (row: Row) => string,
  { after, limit = 50 }: Paging,
): Page<Row> {
  const behind = after === undefined || after === "" ? null : decoded(after);
  const rest = behind === null ? rows : rows.filter((row) => keyOf(row) > behind);
  const shown = rest.slice(0, limit);
  const last = shown.at(-1);
  return {
    data: shown,
    next: rest.length > limit && last ? encoded(keyOf(last)) : null,
  };
}

/** The newest time first, in the text of a key. */
export const newestFirst = (atMs: number): string => String(Number.MAX_SAFE_INTEGER - atMs).padStart(16, "0");

/** Most short texts are base64url of something; no other list's cursor begins so. */
const mark = "k:";
const encoded = (key: string): string => Buffer.from(mark + key).toString("base64url");

function decoded(cursor: string): string {
  const key = Buffer.from(cursor, "base64url").toString().slice(mark.length);
  if (encoded(key) !== cursor)
    throw new GatewayError("invalid-request", "after: not a cursor of this list", { param: "after" });
  return key;
}
