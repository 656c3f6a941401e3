import { afterEach, describe, expect, test } from "bun:test";
import { readdirSync, readFileSync, statSync } from "node:fs";
import { openSqlite } from "../../core/runtime/sqlite.ts";
import type { Database } from "../../core/storage/database.ts";
import { type Reads, readsOf } from "../../core/storage/reads.ts";
import { openSqliteDatabase } from "../../core/storage/sqlite.ts";
import { writeGate } from "../../core/storage/write-gate.ts";
import { type StorageThread, storageThread } from "../../core/storage/storage-thread.ts";
import { aBudget, aFinal, aKey, anAdmission, aRefusal, startMs } from "../contract/storage-samples.ts";
import { until } from "../support/poll.ts";
import { openAt, rowsOf, temporaryFolder } from "./folder.ts";

const folder = temporaryFolder();
const open = new Set<{ stop(): Promise<void> }>();
afterEach(async () => {
  for (const one of open) await one.stop();
  open.clear();
});

describe("the threads of a database", () => {
  const deaths: Error[] = [];
  async function opened(path = folder.file()): Promise<Database> {
    const database = await openSqliteDatabase({
      path,
      synchronous: "normal",
      now: () => startMs,
      onBackup: () => {},
      threads: { onDeath: (error) => void deaths.push(error), afterMs: 0 },
    });
    open.add({ stop: async () => database.close() });
    return database;
  }

  test("a read sees what was asked to be written before it, committed or not", async () => {
    const database = await opened();
    for (let round = 0; round < 50; round++) {
      const refusal = aRefusal();
      const written = database.ledger.refuse(refusal);
      expect((await database.calls.get(refusal.callId))?.status).toBe("refused");
      expect((await database.calls.list({}, { limit: 1 })).data[0]?.callId).toBe(refusal.callId);
      expect((await database.calls.list({ status: "refused", to: startMs + 1 }, { limit: 1 })).data).toHaveLength(1);
      expect((await database.calls.usage({ from: 0, to: startMs + 1, groupBy: [] })).total.calls).toBe(round + 1);
      await written;
    }
    expect(deaths).toEqual([]);
  });

  test("answers are those of the serving thread, and its counters of budgets stay exact", async () => {
    const path = folder.file();
    const database = await opened(path);
    const key = await database.keys.create(aKey({ models: ["a"], cidrs: ["10.0.0.0/8"] }), null);
    const budget = await database.budgets.create(aBudget());
    const done = anAdmission({ keyId: key.id });
    const flying = anAdmission();
    await database.ledger.admit(done);
    await database.ledger.admit(flying);
    void database.ledger.finish(aFinal(done.callId, { notes: { warnings: ["one"] } }));
    const client = await openSqlite(path, { readonly: true });
    const lists = await Promise.all([
      database.calls.list({}, {}),
      database.calls.list({ model: "fast", provider: "echo" }, {}),
      database.calls.get(done.callId),
      database.calls.get("nobody"),
      database.calls.openCount(),
      database.keys.list({}),
      database.keys.get(key.id),
      database.calls.usage({ from: 0, to: startMs * 2, groupBy: ["key", "day"] }),
    ]);
    const reads = readsOf(client);
    const expected = await Promise.all([
      reads["calls.list"]({}, {}),
      reads["calls.list"]({ model: "fast", provider: "echo" }, {}),
      reads["calls.get"](done.callId),
      null,
      1,
      reads["keys.list"]({}),
      reads["keys.get"](key.id),
      reads["calls.usage"]({ from: 0, to: startMs * 2, groupBy: ["key", "day"] }),
    ]);
    expect(lists).toEqual(expected);
    client.close();
    expect(await database.budgets.get(budget.id)).toMatchObject({ spentNano: 50, heldNano: 100 });
    expect((await database.prove()).filter(({ ok }) => !ok)).toEqual([]);
  });

  test.skipIf(process.platform !== "linux")("let the serving thread go first on a core that they share", async () => {
    const nice = () => new Map(readdirSync("/proc/self/task").map((thread) => [thread, niceOf(thread)]));
    const before = nice();
    const database = await opened();
    await database.calls.list({}, {});
    await database.calls.usage({ from: 0, to: 1, groupBy: [] });
    const after = nice();
    const added = [...after].filter(([thread]) => !before.has(thread)).map(([, value]) => value);
    expect(added.filter((value) => value >= 10).length).toBeGreaterThanOrEqual(2);
    const own = String(process.pid);
    expect(after.get(own)).toBe(before.get(own) ?? Number.NaN);
  });

  test("a refused question comes back as the same error", async () => {
    const database = await opened();
    const error = await failure(database.calls.list({}, { after: "not a cursor" }));
    expect(error).toMatchObject({ kind: "invalid-request", status: 400, details: { param: "after" } });
  });

  test("the log is copied while the database serves, and let go when it closes", async () => {
    const path = folder.file();
    const database = await opened(path);
    await database.settings.set("name", "in the log");
    await until("the setting in the file itself", () => {
      const copy = folder.file();
      Bun.spawnSync(["cp", path, copy]);
      return rowsOf(copy, "SELECT * FROM settings WHERE name = 'name'").length === 1;
    });
    await database.calls.openCount();
    await database.close();
    open.clear();
    // With a reader left in a thread, the last checkpoint could not have emptied it.
    expect(statSync(`${path}-wal`, { throwIfNoEntry: false })?.size ?? 0).toBe(0);
    expect(deaths).toEqual([]);
  });
});

describe("one thread", () => {
  const deaths: string[] = [];
  /** How often the serving thread was to answer. */
  let asked = 0;
  async function started(entry: string, more: { deadlineMs?: number; maxWaiting?: number } = {}) {
    asked = 0;
    deaths.length = 0;
    const path = folder.file();
    await (await openAt(path)).close();
    const instead: Reads = readsOf(await openSqlite(path));
    const ready: number[] = [];
    const thread: StorageThread = storageThread({
      entry: new URL(entry, import.meta.url),
      work: { path, gate: writeGate().memory },
      instead: () => ((asked += 1), instead),
      firstPauseMs: 1,
      onReady: () => void ready.push(1),
      onDeath: (error) => void deaths.push(error.message),
      ...more,
    });
    open.add(thread);
    return { thread, ready };
  }

  test("that dies is reported and followed by another; whoever asked it is told to ask again", async () => {
    const { thread, ready } = await started("dying-thread.ts");
    for (const lives of [1, 2, 3]) {
      thread.start();
      await until(`ready ${lives} times`, () => ready.length === lives);
      expect(await failure(thread.ask("calls.openCount"))).toMatchObject({ kind: "unavailable", status: 503 });
      expect(deaths).toHaveLength(lives);
    }
    expect(deaths[0]).toContain("this thread dies");
  });

  test("that cannot start is reported, and the serving one answers in its place", async () => {
    const { thread } = await started("no-such-thread.ts");
    expect(await thread.ask("calls.openCount")).toBe(0);
    expect(deaths).toHaveLength(1);
    expect(asked).toBe(1);
  });

  test("that does not answer in time costs the one who asked, not the process", async () => {
    const { thread, ready } = await started("mute-thread.ts", { deadlineMs: 1, maxWaiting: 2 });
    thread.start();
    await until("ready", () => ready.length === 1);
    const late = [thread.ask("calls.openCount"), thread.ask("calls.openCount")];
    // It is busy with both of them, given up or not.
    expect(await failure(thread.ask("calls.openCount"))).toMatchObject({
      kind: "unavailable",
      message: expect.stringContaining("too many"),
    });
    for (const one of late)
      expect(await failure(one)).toMatchObject({ kind: "unavailable", message: expect.stringContaining("too long") });
    expect(await failure(thread.ask("calls.openCount"))).toMatchObject({
      message: expect.stringContaining("too many"),
    });
  });

  test("that ends before it was ready leaves to the serving one only what somebody still waits for", async () => {
    const { thread } = await started("unready-thread.ts", { deadlineMs: 1 });
    expect(await failure(thread.ask("calls.usage", { from: 0, to: startMs, groupBy: [] }))).toMatchObject({
      kind: "unavailable",
    });
    await thread.stop();
    expect(asked).toBe(0);
  });

  test("does not keep a process alive", async () => {
    const child = Bun.spawn(["bun", "test/storage/idle-thread.ts", folder.file()], {
      cwd: `${import.meta.dir}/../..`,
      stdout: "pipe",
    });
    const output = await new Response(child.stdout).text();
    expect(await child.exited).toBe(0);
    expect(output).toBe("ready\n");
  });
});

async function failure(work: unknown): Promise<unknown> {
  try {
    await work;
    return null;
  } catch (error) {
    return error;
  }
}

/** The name may hold spaces; the fields after its closing bracket do not. */
function niceOf(thread: string): number {
  const stat = readFileSync(`/proc/self/task/${thread}/stat`, "utf8");
  return Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[16]);
}
