import { and, eq, gt, inArray, isNull, lte, or } from "drizzle-orm";
import type { Json } from "../../chat/json.ts";
import type { Namespace } from "../../plugin/plugin.ts";
import { type GroupCommit, Refused } from "../group-commit.ts";
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
    // Written below as JSON only.
    return row && (JSON.parse(row.value) as Json);
  };
  const write = (key: string, value: string, ttlMs: number | undefined) => {
    const row = { value, expiresMs: ttlMs === undefined ? null : now() + ttlMs };
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
    async set(key, value, options) {
      // Outside the transaction, which must not be taken back for others too.
      const text = textOf(key, value);
      await writer.run(() => {
        if (options?.ttlMs !== undefined) sweep();
        write(key, text, options?.ttlMs);
      });
    },
    async add(key, delta, options) {
      if (!Number.isFinite(delta)) throw new TypeError(`"${key}": what is added is no number`);
      return writer.run(() => {
        const before = read(key) ?? 0;
        if (typeof before !== "number") return new Refused(new TypeError(`"${key}" does not hold a number`));
        const after = before + delta;
        if (options?.floor !== undefined && after < options.floor) return null;
        write(key, JSON.stringify(after), options?.ttlMs);
        return after;
      });
    },
  };
}

/** A plugin in plain JavaScript may keep anything, and an absent value is no JSON. */
function textOf(key: string, value: Json): string {
  const text: string | undefined = JSON.stringify(value);
  if (text === undefined) throw new TypeError(`"${key}": what is kept must be JSON`);
  return text;
}
