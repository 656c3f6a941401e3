import { describe, expect, test } from "bun:test";
import type { CredentialRow } from "../../core/storage/credential.ts";
import type { Database } from "../../core/storage/database.ts";
import { anId } from "./storage-samples.ts";

export interface CredentialWorld {
  readonly database: () => Database;
  readonly restart: () => Promise<void>;
}

/** What every `storage` plugin must do with keys of upstream accounts, which it gets encrypted. */
export function testCredentials({ database, restart }: CredentialWorld): void {
  const aRow = (changed: Partial<CredentialRow> = {}): CredentialRow => ({
    id: anId(),
    provider: "mock",
    name: "main",
    sealed: Buffer.from([0, 255, 7, 10, 13]),
    last4: "x9Yz",
    weight: 1,
    enabled: true,
    createdMs: 5,
    changedMs: 5,
    ...changed,
  });
  const found = (id: string) =>
    database()
      .credentials.all()
      .find((row) => row.id === id);
  /** The bytes as such, whichever kind of array holds them. */
  const plain = (row: CredentialRow | null | undefined) => row && { ...row, sealed: [...row.sealed] };

  describe("storage contract: credentials", () => {
    test("what was stored is there byte by byte, oldest first, also after a restart", async () => {
      const before = database().credentials.all().length;
      const rows = [aRow(), aRow({ provider: "other", enabled: false, last4: "" })];
      for (const row of rows) expect(plain(await database().credentials.create(row))).toEqual(plain(row));
      expect(database().credentials.all().slice(before).map(plain)).toEqual(rows.map(plain));
      await restart();
      expect(database().credentials.all().slice(before).map(plain)).toEqual(rows.map(plain));
    });

    test("a change replaces what it names, and stays", async () => {
      const { id } = await database().credentials.create(aRow());
      const sealed = Buffer.from([9]);
      expect(plain(await database().credentials.change(id, { weight: 3, enabled: false }))).toEqual(
        plain(aRow({ id, weight: 3, enabled: false })),
      );
      await database().credentials.change(id, { sealed, last4: "abcd", changedMs: 6 });
      await restart();
      const expected = aRow({ id, weight: 3, enabled: false, sealed, last4: "abcd", changedMs: 6 });
      expect(plain(found(id))).toEqual(plain(expected));
      expect(await database().credentials.change(anId(), { weight: 2 })).toBeNull();
    });

    test("what was removed is gone, once", async () => {
      const { id } = await database().credentials.create(aRow());
      expect(await database().credentials.remove(id)).toBe(true);
      expect(await database().credentials.remove(id)).toBe(false);
      await restart();
      expect(found(id)).toBeUndefined();
    });
  });
}
