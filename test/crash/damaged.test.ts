import { Database } from "bun:sqlite";
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { existsSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { call, chat } from "../support/clients.ts";
import { runCommand } from "../support/command.ts";
import { answers } from "../support/openai-answers.ts";
import { until } from "../support/poll.ts";
import { allUsage } from "../support/rows.ts";
import { type Setup, setUp } from "../support/setup.ts";
import { underLoad, usage } from "../soak/load.ts";

/** Bytes of the database that change while the proxy is stopped: never a start that says nothing, never an empty database. */
let setup: Setup;
let path: string;
beforeEach(async () => {
  setup = await setUp({ key: { name: "damaged", budget: { usd: 100, window: "lifetime" } } });
  path = join(setup.gateway.dataDir, "llm-proxy.db");
  setup.upstream.on("fast", answers(usage));
  const load = underLoad(setup, { lanes: 8 });
  await until("some calls", () => load.acknowledged.length >= 150);
  await load.stop();
});
afterEach(() => setup.stop());

const pageBytes = 4_096;

function overwrite(file: string, at: number, bytes: number): Buffer {
  const content = readFileSync(file);
  content.fill(0xa5, at, at + bytes);
  writeFileSync(file, content);
  return content;
}

function firstPage(table: string): number {
  const client = new Database(path, { readonly: true });
  const [row] = client
    .query<{ pageno: number }, [string]>(
      "SELECT min(pageno) AS pageno FROM dbstat WHERE name = ? AND pagetype = 'leaf'",
    )
    .all(table);
  client.close();
  return ((row?.pageno ?? 0) - 1) * pageBytes;
}

async function refusedStart(): Promise<string> {
  setup.gateway.spawn();
  expect(await setup.gateway.exited()).toBe(1);
  return setup.gateway.log();
}

describe("a damaged database", () => {
  test.each(["the header", "a page of budgets"])(
    "%s: the start is refused, and the file is left as it is",
    async (what) => {
      await setup.gateway.stop();
      const damaged = overwrite(
        path,
        what === "the header" ? 0 : firstPage("budgets"),
        what === "the header" ? 100 : 500,
      );
      expect(await refusedStart()).toMatch(
        /the database (file is damaged|.*llm-proxy\.db cannot be opened: file is not a database)/,
      );
      expect(readFileSync(path).equals(damaged)).toBe(true);
      const { code, stdout } = await runCommand(setup.gateway, ["doctor", "--json"]);
      expect([code, JSON.parse(stdout).checks[0].code]).toEqual([1, "file-damaged"]);
    },
    60_000,
  );

  test("a page of calls: it is found soon after the start, and no call is taken from then on", async () => {
    await setup.gateway.stop();
    overwrite(path, firstPage("calls") + 2_000, 1_500);
    await setup.gateway.start();
    const reason = async () => {
      const ready = await setup.gateway.get("/readyz");
      return ready?.status === 503 ? await ready.text() : null;
    };
    expect(await until("/readyz 503", reason, { deadlineMs: 30_000 })).toContain("damaged");
    expect((await call(setup.gateway, setup.key.key, chat("mock/fast"))).status).toBe(503);
    expect(setup.gateway.log()).toContain("the database file is damaged");
    const { code, stdout } = await runCommand(setup.gateway, ["doctor"]);
    expect(code).toBe(1);
    expect(stdout).toContain("file-damaged");
  }, 60_000);

  test("its log, after kill -9: what it said before the damage is there, and proves clean", async () => {
    await setup.gateway.kill();
    const log = `${path}-wal`;
    expect(existsSync(log)).toBe(true);
    overwrite(log, Math.floor(statSync(log).size * 0.9), 64);
    await setup.gateway.start();
    expect(allUsage(setup.gateway).length).toBeGreaterThan(0);
    const { code, stdout } = await runCommand(setup.gateway, ["doctor"]);
    expect({ code, wrong: code === 0 ? "" : stdout }).toEqual({ code: 0, wrong: "" });
    expect((await call(setup.gateway, setup.key.key, chat("mock/fast"))).status).toBe(200);
  }, 60_000);

  test("emptied: the start and every command refuse it in words, and leave it empty", async () => {
    await setup.gateway.stop();
    writeFileSync(path, "");
    expect(await refusedStart()).toMatch(/the database \S+ is empty, but \S+\/secret is there: nothing was changed/);
    for (const command of [
      "doctor",
      "doctor --repair",
      "migrate",
      "backup copy.db",
      "audit verify",
      "admin-token --new",
    ]) {
      const { code, stderr } = await runCommand(setup.gateway, command.split(" "));
      expect([command, code, stderr]).toEqual([command, 1, expect.stringContaining("is empty, but")]);
    }
    expect(statSync(path).size).toBe(0);
  }, 60_000);

  test("gone, but for its log: it is not deleted for a new database", async () => {
    await setup.gateway.kill();
    const log = readFileSync(`${path}-wal`);
    rmSync(path);
    expect(await refusedStart()).toMatch(/the database \S+ is missing, but \S+-wal is there: nothing was changed/);
    expect([existsSync(path), readFileSync(`${path}-wal`).equals(log)]).toEqual([false, true]);
    rmSync(`${path}-wal`);
    await setup.gateway.start();
    expect(allUsage(setup.gateway)).toEqual([]);
  }, 60_000);
});
