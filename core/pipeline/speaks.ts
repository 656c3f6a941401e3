import type { DialectName } from "../dialects/dialect.ts";
import type { RouteTarget } from "./models.ts";

/** Whether a client of this dialect is understood as it is: what it says is passed on, known here or not. */
export const speaks = ({ slot }: RouteTarget, dialect: DialectName): boolean =>
  "dialects" in slot && slot.dialects.includes(dialect);
