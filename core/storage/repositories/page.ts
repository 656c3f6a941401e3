import { GatewayError } from "../../chat/error.ts";
import type { Page, PageQuery } from "../database.ts";

const defaultLimit = 50;
const maxLimit = 200;

export const pageSize = (query: PageQuery): number => Math.min(Math.max(query.limit ?? defaultLimit, 1), maxLimit);

/** Rows below this come next. Always a bound, so that even the first page is an index search. */
export function cursorOf(query: PageQuery): number {
  if (query.after === undefined || query.after === null || query.after === "") return Number.MAX_SAFE_INTEGER;
  if (!/^[0-9]{1,16}$/.test(query.after))
    throw new GatewayError("invalid-request", "after: not a cursor of this list", { param: "after" });
  return Number(query.after);
}

/** `rows` holds up to one more than `limit`, which tells whether there is a next page. */
export function pageOf<Stored, Row>(
  rows: readonly Stored[],
  limit: number,
  position: (row: Stored) => number,
  shown: (row: Stored) => Row,
): Page<Row> {
  const data = rows.slice(0, limit);
  const last = data.at(-1);
  return { data: data.map(shown), next: rows.length > limit && last ? String(position(last)) : null };
}
