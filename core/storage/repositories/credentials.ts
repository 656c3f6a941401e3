import { Buffer } from "node:buffer";
import { asc, eq } from "drizzle-orm";
import type { Change, Fields } from "../audit.ts";
import type { AuditedWriter } from "../audit-writer.ts";
import type { CredentialRepository, CredentialRow } from "../credential.ts";
import { credentials } from "../schema/sqlite-credentials.ts";
import type { SqliteDatabase } from "../sqlite-database.ts";

export interface StoredCredentials extends CredentialRepository {
  /** After a rollback. */
  reload(): void;
}

/** They are few, and kept in memory, which one writer keeps equal to the table. */
export function credentialRepository(database: SqliteDatabase, writer: AuditedWriter): StoredCredentials {
  const read = (): readonly CredentialRow[] =>
    database
      .select()
      .from(credentials)
      .orderBy(asc(credentials.ref))
      .all()
      .map(({ ref: _, ...row }) => row);
  let rows = read();
  return {
    all: () => rows,
    reload: () => void (rows = read()),
    create: (row) =>
      writer.run((tell) => {
        database
          .insert(credentials)
          .values({ ...row, sealed: Buffer.from(row.sealed) })
          .run();
        rows = [...rows, row];
        tell(changeOf("create", null, row));
        return row;
      }),
    change: (id, { sealed, ...change }) =>
      writer.run((tell) => {
        const row = rows.find((one) => one.id === id);
        if (!row) return null;
        const written = { ...change, ...(sealed && { sealed: Buffer.from(sealed) }) };
        database.update(credentials).set(written).where(eq(credentials.id, id)).run();
        const changed = { ...row, ...written };
        rows = rows.map((one) => (one === row ? changed : one));
        tell(changeOf("change", row, changed));
        return changed;
      }),
    remove: (id) =>
      writer.run((tell) => {
        const row = rows.find((one) => one.id === id);
        if (!row) return false;
        database.delete(credentials).where(eq(credentials.id, id)).run();
        rows = rows.filter((one) => one !== row);
        tell(changeOf("remove", row, null));
        return true;
      }),
  };
}

type Row = CredentialRow;

/** Sealing a key anew, under another master secret, is no change of it. */
function changeOf(what: "create" | "change" | "remove", before: Row | null, after: Row | null): Change {
  const isNewSecret = before && after && before.sealed !== after.sealed && before.changedMs !== after.changedMs;
  return {
    action: `credential.${what}`,
    object: { kind: "credential", id: after?.id ?? before?.id ?? null },
    accountId: null,
    before: before && fieldsOf(before),
    after: after && { ...fieldsOf(after), ...(isNewSecret && { secret: "changed" }) },
  };
}

const fieldsOf = ({ provider, name, last4, weight, enabled }: Row): Fields => ({
  provider,
  name,
  apiKey: `***${last4}`,
  weight,
  enabled,
});
