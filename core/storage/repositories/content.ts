import { Buffer } from "node:buffer";
import { asc, count, eq, inArray, lt, type SQL, sql } from "drizzle-orm";
import type { AuditedWriter } from "../audit-writer.ts";
import type { ContentOwner, ContentRepository, ContentSetting } from "../content.ts";
import type { GroupCommit } from "../group-commit.ts";
import { callContents, contentSettings } from "../schema/sqlite-content.ts";
import { accountLines, accounts } from "../schema/sqlite.ts";
import type { SqliteDatabase } from "../sqlite-database.ts";
import { accountOf } from "./scope-account.ts";

/** Rows that one transaction removes: each may have a hundred thousand bytes in pages of their own. */
const removedAtOnce = 50;
/** How often one write may look for older ones to make place. */
const maxEvictions = 4;

/** For the transactions of other repositories, with what else they write of the owner. */
export interface ContentSettings {
  setting(owner: ContentOwner): ContentSetting | null;
  put(owner: ContentOwner, setting: ContentSetting | null): void;
}
export interface SqliteContent extends ContentRepository, ContentSettings {
  /** After a rollback. */
  reload(): void;
}

export function contentRepository(
  database: SqliteDatabase,
  writer: GroupCommit,
  audited: AuditedWriter,
): SqliteContent {
  const settings = new Map<string, ContentSetting>();
  let on = 0;
  /** `null`: not summed up yet. */
  let totalBytes: number | null = null;

  function reload() {
    settings.clear();
    for (const { kind, id, setting } of database.select().from(contentSettings).all())
      settings.set(placeOf({ kind, id }), setting);
    recount();
    totalBytes = null;
  }
  const recount = () => void (on = [...settings.values()].filter((setting) => setting === "on").length);

  const sized = () =>
    database
      .select({ calls: count(), bytes: sql<number>`coalesce(sum(${callContents.bytes}), 0)` })
      .from(callContents)
      .all()[0] ?? { calls: 0, bytes: 0 };

  /** Inside a transaction: the oldest of them, until so many bytes are free. */
  function removeSome(which: SQL | undefined, enoughBytes = Number.POSITIVE_INFINITY): number {
    const found = database
      .select({ ref: callContents.ref, bytes: callContents.bytes })
      .from(callContents)
      .where(which)
      .orderBy(asc(callContents.createdMs))
      .limit(removedAtOnce)
      .all();
    if (found.length === 0) return 0;
    const refs: number[] = [];
    let freed = 0;
    for (const { ref, bytes } of found) {
      if (freed >= enoughBytes) break;
      refs.push(ref);
      freed += bytes;
    }
    database.delete(callContents).where(inArray(callContents.ref, refs)).run();
    if (totalBytes !== null) totalBytes -= freed;
    return refs.length;
  }

  function put(owner: ContentOwner, setting: ContentSetting | null): void {
    const { kind, id } = owner;
    if (setting === null) {
      database
        .delete(contentSettings)
        .where(sql`kind = ${kind} and id = ${id}`)
        .run();
      settings.delete(placeOf(owner));
    } else {
      database
        .insert(contentSettings)
        .values({ kind, id, setting })
        .onConflictDoUpdate({ target: [contentSettings.kind, contentSettings.id], set: { setting } })
        .run();
      settings.set(placeOf(owner), setting);
    }
    recount();
  }

  reload();
  return {
    reload,
    setting: (owner) => settings.get(placeOf(owner)) ?? null,
    isOnForSome: () => on > 0,
    put,
    write: ({ sealed, ...row }, maxTotalBytes) =>
      writer.run(() => {
        totalBytes ??= sized().bytes;
        const bytes = sealed.byteLength;
        const written = database
          .insert(callContents)
          .values({ ...row, bytes, sealed: asBuffer(sealed) })
          .onConflictDoNothing()
          .returning({ ref: callContents.ref })
          .all();
        if (written.length > 0) totalBytes += bytes;
        for (let turn = 0; turn < maxEvictions && totalBytes > maxTotalBytes; turn++)
          removeSome(undefined, totalBytes - maxTotalBytes);
      }),
    read(callId) {
      const row = database.select().from(callContents).where(eq(callContents.callId, callId)).all()[0];
      if (!row) return null;
      const { ref: _, bytes: __, ...content } = row;
      return content;
    },
    remove: (which) =>
      "beforeMs" in which
        ? writer.run(() => removeSome(lt(callContents.createdMs, which.beforeMs)))
        : audited.run((tell) => {
            const [where, object] =
              "callId" in which
                ? [eq(callContents.callId, which.callId), { kind: "call", id: which.callId }]
                : [ownedBy(database, which.owner), which.owner];
            const accountId = accountOfSome(database, where) ?? accountOf(database, object);
            const calls = removeSome(where);
            if (calls > 0) tell({ action: "content.remove", object, accountId, before: { calls }, after: null });
            return calls;
          }),
    size: sized,
  };
}

/** Of the first one found. */
const accountOfSome = (database: SqliteDatabase, where: SQL): string | undefined =>
  database.select({ id: callContents.accountId }).from(callContents).where(where).limit(1).all()[0]?.id;

const placeOf = ({ kind, id }: ContentOwner): string => `${kind}/${id}`;

const asBuffer = (bytes: Uint8Array): Buffer => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);

function ownedBy(database: SqliteDatabase, { kind, id }: ContentOwner): SQL {
  if (kind === "key") return eq(callContents.keyId, id);
  const below = database
    .select({ ref: accountLines.accountRef })
    .from(accountLines)
    .innerJoin(accounts, eq(accounts.ref, accountLines.ancestorRef))
    .where(sql`${accounts.id} = ${id} and ${accountLines.untilMs} is null`);
  return inArray(
    callContents.accountId,
    database.select({ id: accounts.id }).from(accounts).where(inArray(accounts.ref, below)),
  );
}
