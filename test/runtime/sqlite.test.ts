import { describe, expect, test } from "bun:test";
import { openNode, openSqlite } from "../../core/runtime/sqlite.ts";

describe.each([
  ["bun:sqlite", () => openSqlite(":memory:")],
  ["node:sqlite", () => openNode(":memory:", false)],
])("%s", (_, open) => {
  test("a transaction that SQLite has taken back by itself tells why", async () => {
    const client = await open();
    client.exec("CREATE TABLE things (id integer PRIMARY KEY); INSERT INTO things VALUES (1)");
    const twice = client.transaction(() => client.exec("INSERT OR ROLLBACK INTO things VALUES (1)"));
    for (const mode of ["deferred", "immediate", "exclusive"] as const)
      expect(() => twice[mode]()).toThrow("UNIQUE constraint failed");
    // Nothing of it is left open.
    client.transaction(() => client.exec("INSERT INTO things VALUES (2)")).immediate();
    expect(client.prepare("SELECT id FROM things").values().flat()).toEqual([1, 2]);
    client.close();
  });

  test("foreign keys are checked from when that is asked for: migrations make tables anew", async () => {
    const client = await open();
    expect(client.prepare("PRAGMA foreign_keys").values()).toEqual([[0]]);
    client.exec("CREATE TABLE wholes (id integer PRIMARY KEY); CREATE TABLE parts (whole integer REFERENCES wholes)");
    client.exec("INSERT INTO parts VALUES (7)");
    client.exec("PRAGMA foreign_keys = ON");
    expect(() => client.exec("INSERT INTO parts VALUES (8)")).toThrow("FOREIGN KEY constraint failed");
    client.close();
  });
});
