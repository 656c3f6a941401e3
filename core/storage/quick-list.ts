import type { CallFilter } from "./database.ts";

/** One index leads to every row of these lists; any other may look at many rows that do not fit before one that does. */
export const isQuickList = ({ from, to, caller, ...filter }: CallFilter): boolean =>
  from === undefined &&
  to === undefined &&
  caller === undefined &&
  Object.values(filter).filter((value) => value !== undefined).length <= 1;
