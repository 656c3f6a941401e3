import { Database } from "bun:sqlite";
import { afterAll, beforeAll, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { call, chat } from "../support/clients.ts";
import { runCommand } from "../support/command.ts";
import { answers } from "../support/openai-answers.ts";
import { type Setup, setUp } from "../support/setup.ts";

/** A database whose schema is not this program's: after a downgrade, or before an upgrade. It has a sum that does not prove. */
let setup: Setup;
let path: string;
beforeAll(async () => {
  setup = await setUp({ key: { name: "schema", budget: { usd: 100, window: "lifetime" } } });
  setup.upstream.on("fast", answers());
  expect((await call(setup.gateway, setup.key.key, chat("mock/fast"))).status).toBe(200);
  await setup.gateway.stop();
  path = join(setup.gateway.dataDir, "llm-proxy.db");
});
afterAll(() => setup.stop());

function makeVersion(change: number): Buffer {
  const client = new Database(path);
  const row = client.query<{ user_version: number }, []>("PRAGMA user_version").get();
  client.run(`PRAGMA user_version = ${(row?.user_version ?? 0) + change}`);
  client.run("UPDATE budget_windows SET spent_nano = 77");
  client.run("PRAGMA wal_checkpoint(TRUNCATE)");
  client.close();
  return readFileSync(path);
}

test("one that a newer program wrote is left as it is, and no command says to migrate it", async () => {
  const before = makeVersion(1);
  for (const command of ["doctor", "doctor --repair", "admin-token --new", "migrate"]) {
    const { code, stdout, stderr } = await runCommand(setup.gateway, command.split(" "));
    expect([command, code, stdout]).toEqual([command, 1, ""]);
    expect(stderr).toMatch(
      /^the database has schema version \d+, this program knows up to \d+: start the newer program/,
    );
  }
  expect(readFileSync(path).equals(before)).toBe(true);
  makeVersion(-1);
});

test("one of an older program is not repaired before it is upgraded", async () => {
  const before = makeVersion(-1);
  const { code, stderr } = await runCommand(setup.gateway, ["doctor", "--repair"]);
  expect([code, stderr]).toEqual([1, expect.stringContaining("bring it up to date with `migrate` first")]);
  expect(readFileSync(path).equals(before)).toBe(true);
  makeVersion(1);
});
