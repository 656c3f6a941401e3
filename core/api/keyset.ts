import { Buffer } from "node:buffer";
import { GatewayError } from "../chat/error.ts";
import type { Page } from "../storage/database.ts";

/** Pages of a list in memory. `keyOf` is unique and orders the rows; a page goes on behind a row even if that is gone. */
export function pageOfRows<Row>(
  rows: readonly Row[],
  keyOf: (row: Row) => string,
  { after, limit = 50 }: { readonly after?: string | undefined; readonly limit?: number | undefined },
): Page<Row> {
  const keyed = rows.map((row) => ({ row, key: keyOf(row) })).toSorted((left, right) => compared(left.key, right.key));
  const behind = after === undefined || after === "" ? null : decoded(after);
  const rest = behind === null ? keyed : keyed.filter(({ key }) => compared(key, behind) > 0);
  const shown = rest.slice(0, limit);
  const last = shown.at(-1);
  return {
    data: shown.map(({ row }) => row),
    next: rest.length > limit && last ? Buffer.from(last.key).toString("base64url") : null,
  };
}

/** The newest time first, in the text of a key. */
export const newestFirst = (atMs: number): string => String(Number.MAX_SAFE_INTEGER - atMs).padStart(16, "0");

const compared = (left: string, right: string): number => (left < right ? -1 : left > right ? 1 : 0);

function decoded(cursor: string): string {
  if (!/^[A-Za-z0-9_-]+$/.test(cursor))
    throw new GatewayError("invalid-request", "after: not a cursor of this list", { param: "after" });
  return Buffer.from(cursor, "base64url").toString();
}
