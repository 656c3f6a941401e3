import { and, eq, gt, inArray, isNull, lte, or } from "drizzle-orm";
import type { Json } from "../../chat/json.ts";
import type { Namespace } from "../../plugin/plugin.ts";
import type { GroupCommit } from "../group-commit.ts";
import { pluginState } from "../schema/sqlite-plugins.ts";
import type { SqliteDatabase } from "../sqlite-database.ts";

/** How many rows a write with a lifetime looks at, to remove those whose own has ended. */
const sweptPerWrite = 8;

/** The state of one plugin instance; other instances cannot name its keys. */
export function namespaceOf(
  database: SqliteDatabase,
  writer: GroupCommit,
  namespace: string,
  now: () => number,
): Namespace {
  const read = (key: string): Json | undefined => {
    const alive = or(isNull(pluginState.expiresMs), gt(pluginState.expiresMs, now()));
    const row = database
      .select({ value: pluginState.value })
      .from(pluginState)
      .where(and(eq(pluginState.namespace, namespace), eq(pluginState.key, key), alive))
      .all()[0];
    // Written below with JSON.stringify only.
    return row && (JSON.parse(row.value) as Json);
  };
  const write = (key: string, value: Json, ttlMs: number | undefined) => {
    const row = { value: JSON.stringify(value), expiresMs: ttlMs === undefined ? null : now() + ttlMs };
    database
      .insert(pluginState)
      .values({ namespace, key, ...row })
      .onConflictDoUpdate({ target: [pluginState.namespace, pluginState.key], set: row })
      .run();
  };
  let sweptUpTo = "";
  /** A few rows further than the last time, round and round: no write waits long, and what has ended does not pile up. */
  const sweep = () => {
    const keys = database
      .select({ key: pluginState.key })
      .from(pluginState)
      .where(and(eq(pluginState.namespace, namespace), gt(pluginState.key, sweptUpTo)))
      .orderBy(pluginState.key)
      .limit(sweptPerWrite)
      .all()
      .map(({ key }) => key);
    sweptUpTo = keys.length < sweptPerWrite ? "" : (keys.at(-1) ?? "");
    const ended = and(inArray(pluginState.key, keys), lte(pluginState.expiresMs, now()));
    if (keys.length > 0)
      database
        .delete(pluginState)
        .where(and(eq(pluginState.namespace, namespace), ended))
        .run();
  };
  return {
    get: (key) => read(key) ?? null,
    set: (key, value, options) =>
      writer.run(() => {
        if (options?.ttlMs !== undefined) sweep();
        write(key, value, options?.ttlMs);
      }),
    add: (key, delta, options) =>
      writer.run(() => {
        const before = read(key) ?? 0;
        if (typeof before !== "number") throw new TypeError(`"${key}" does not hold a number`);
        const after = before + delta;
        if (options?.floor !== undefined && after < options.floor) return null;
        write(key, after, options?.ttlMs);
        return after;
      }),
  };
}
