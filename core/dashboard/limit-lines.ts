import type { LimitLine, LimitPart } from "../../views/limit-table.ts";
import { limitText, type LimitUse, quantityText } from "../chat/limit.ts";
import { limitsOn } from "../plugin/limit-rules.ts";
import { limitFields } from "../plugin/plugin.ts";
import type { ShownLimit } from "../identity/limits.ts";
import { nameOfScope } from "./names.ts";
import type { DashboardDatabase } from "./route.ts";

/** `key`: written on the key itself. */
type PageLimit = Omit<ShownLimit, "createdMs" | "source"> & { readonly source: ShownLimit["source"] | "key" };

/** Limits as rows of a table, with the names of what they are on. */
export const limitLines = (
  database: DashboardDatabase,
  limits: readonly PageLimit[],
  nowMs: number,
): Promise<LimitLine[]> =>
  Promise.all(limits.map(async (limit) => limitLine(limit, await nameOf(database, limit), nowMs)));

export function limitLine(limit: PageLimit, scopeName: string | null, nowMs: number): LimitLine {
  const { id, source, scope, limits, enforce, use } = limit;
  const fields = limitFields.filter(({ name }) => limits[name] !== undefined);
  const single = limitsOn({ kind: scope.kind, id: scope.id ?? "" }, limits, enforce);
  return {
    id,
    source,
    enforce,
    scopeKind: scope.kind,
    scopeName,
    parts: single.map((one, at): LimitPart => {
      const field = fields[at]?.name ?? "concurrency";
      return {
        field,
        text: limitText(one),
        value: String(limits[field]),
        use: useOf(use?.[at], nowMs),
      };
    }),
  };
}

function useOf(use: LimitUse | undefined, nowMs: number): LimitPart["use"] {
  if (use === undefined) return null;
  const { limit, used, held, resetMs } = use;
  const { measure, amount } = limit;
  return {
    amount,
    used,
    held,
    freeAtMs: resetMs === null || resetMs === 0 ? null : nowMs + resetMs,
    text:
      measure === "concurrency"
        ? `${held} run`
        : `${quantityText(measure, used)}${held > 0 ? `, ${quantityText(measure, held)} held` : ""}`,
  };
}

async function nameOf(database: DashboardDatabase, { scope: { kind, id } }: PageLimit): Promise<string | null> {
  if (id === null) return null;
  return kind === "global" ? "everything" : nameOfScope(database, { kind, id });
}
