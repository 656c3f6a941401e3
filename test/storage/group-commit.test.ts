import { Database as Client } from "bun:sqlite";
import { afterEach, describe, expect, test } from "bun:test";
import { openSqlite, type SqliteClient } from "../../core/runtime/sqlite.ts";
import { type GroupCommit, groupCommit, Refused } from "../../core/storage/group-commit.ts";
import { writeGate } from "../../core/storage/write-gate.ts";
import { until } from "../support/poll.ts";
import { temporaryFolder } from "./folder.ts";

const folder = temporaryFolder();
const cleanups: (() => void)[] = [];
afterEach(() => {
  for (const cleanup of cleanups.splice(0).reverse()) cleanup();
});

describe("group commit", () => {
  test("what is asked for in one turn shares one transaction", async () => {
    const { writer, ran, insert } = await bench();
    await Promise.all(Array.from({ length: 50 }, (_, at) => writer.run(() => insert(at))));
    expect(ran).toEqual({ begun: 1, committed: 1 });
    await writer.run(() => insert(50));
    expect(ran).toEqual({ begun: 2, committed: 2 });
  });

  test("a promise settles after its commit, with what its work returned", async () => {
    const { writer, path, insert } = await bench();
    const beside = new Client(path, { readonly: true });
    cleanups.push(() => beside.close());
    const counts = await Promise.all(
      [1, 2, 3].map(async (value) => {
        const returned = await writer.run(() => (insert(value), value * 10));
        return [returned, beside.prepare("SELECT count(*) FROM things").values()[0]?.[0]];
      }),
    );
    expect(counts).toEqual([
      [10, 3],
      [20, 3],
      [30, 3],
    ]);
  });

  test("one that fails is refused alone; its neighbours are written", async () => {
    const { writer, values, insert } = await bench();
    const results = await Promise.allSettled([
      writer.run(() => insert(1)),
      writer.run(() => {
        insert(2);
        throw new Error("a mistake of one");
      }),
      writer.run(() => insert(3)),
      writer.run(() => insert(3)),
      writer.run(() => insert(4)),
    ]);
    expect(results.map(({ status }) => status)).toEqual([
      "fulfilled",
      "rejected",
      "fulfilled",
      "rejected",
      "fulfilled",
    ]);
    expect(values()).toEqual([1, 3, 4]);
    expect(writer.trouble()).toBeNull();
  });

  test("one that refuses before it changed anything is refused alone: nothing is read again, and no neighbour runs twice", async () => {
    const { writer, values, insert, log, ran } = await bench();
    const runs: number[] = [];
    const counted = (value: number) => writer.run(() => (runs.push(value), insert(value)));
    const reason = new Error("no such object");
    const refused = () => writer.run(() => (runs.push(0), new Refused(reason)));
    const results = await Promise.allSettled([refused(), counted(1), refused(), counted(2)]);
    expect(results.map(({ status }) => status)).toEqual(["rejected", "fulfilled", "rejected", "fulfilled"]);
    expect(results[0]).toEqual({ status: "rejected", reason });
    expect(runs).toEqual([0, 1, 0, 2]);
    expect(values()).toEqual([1, 2]);
    expect(log).toEqual(["write"]);
    expect(ran).toEqual({ begun: 1, committed: 1 });
  });

  test("memory is written last in each transaction, and read again after each rollback", async () => {
    const { writer, log, insert } = await bench();
    await Promise.allSettled([writer.run(() => insert(1)), writer.run(() => insert(1))]);
    // Together: the second fails, so it never came to the hook. Then each for itself.
    expect(log).toEqual(["reload", "write", "reload"]);
  });

  test("a hook that fails takes the whole transaction back", async () => {
    const { writer, values, insert, hooks } = await bench();
    hooks.beforeCommit = () => {
      throw new Error("memory could not be written");
    };
    const result = await Promise.allSettled([writer.run(() => insert(1))]);
    expect(result[0]?.status).toBe("rejected");
    expect(values()).toEqual([]);
  });

  test("memory that could not be read again is read before anything else runs", async () => {
    const { writer, values, insert, hooks, log } = await bench();
    const mistake = () => {
      throw new Error("a mistake");
    };
    hooks.afterRollback = mistake;
    await Promise.allSettled([writer.run(mistake)]);
    expect(await Promise.allSettled([writer.run(() => insert(1))])).toMatchObject([{ status: "rejected" }]);
    expect(values()).toEqual([]);
    hooks.afterRollback = () => void log.push("reload");
    await writer.run(() => (log.push("work"), insert(2)));
    expect(log).toEqual(["reload", "work", "write"]);
  });

  test("flush writes at once", async () => {
    const { writer, values, insert } = await bench();
    const written = writer.run(() => insert(1));
    writer.flush();
    expect(values()).toEqual([1]);
    await written;
  });
});

describe("a database that cannot be written", () => {
  test("all that wait are refused after one wait, and trouble is told until a write succeeds", async () => {
    let turns = 0;
    const { writer, path, insert, ran } = await bench(() => turns * 250);
    const release = lockedBySomebody(path);
    const loop = setInterval(() => (turns += 1), 1);
    const results = await Promise.allSettled(Array.from({ length: 20 }, (_, at) => writer.run(() => insert(at))));
    clearInterval(loop);
    expect(results.every(({ status }) => status === "rejected")).toBe(true);
    // The wait holds up nobody else, and none of the works has run.
    expect(turns).toBeGreaterThan(5);
    expect(ran.committed).toBe(0);
    expect(results[0]).toMatchObject({ reason: { kind: "unavailable", status: 503 } });
    expect(writer.trouble()).toBe("the database cannot be written");
    release();
    await writer.run(() => insert(1));
    expect(writer.trouble()).toBeNull();
  });

  test("a gate that is closed for as long as a slow disk takes to sync three times is waited for, without a look at the lock", async () => {
    let nowMs = 0;
    const gate = writeGate();
    const { writer, insert, values, ran } = await bench(() => nowMs, gate);
    writeGate(gate.memory).close();
    const works = [writer.run(() => insert(1))];
    for (nowMs = 0; nowMs < 7_900; nowMs += 100) await new Promise((resolve) => setTimeout(resolve, 1));
    works.push(writer.run(() => insert(2)));
    expect(ran.begun).toBe(0);
    expect(writer.trouble()).toBeNull();
    gate.open();
    await Promise.all(works);
    expect(values()).toEqual([1, 2]);
  });

  test("a gate that nobody opens is passed in the end; a lock behind it is not waited for once more", async () => {
    let nowMs = 0;
    const gate = writeGate();
    const { writer, path, insert, values } = await bench(() => (nowMs += 500), gate);
    gate.close();
    await writer.run(() => insert(1));
    expect(nowMs).toBeGreaterThan(8_000);
    expect(values()).toEqual([1]);
    const release = lockedBySomebody(path);
    expect(await writer.run(() => insert(2)).catch(String)).toContain("cannot be written");
    release();
    await until("no trouble", () => writer.trouble() === null);
  });

  test("trouble that ends while the lock is held ends by itself", async () => {
    const { writer, path, hooks, insert, ran } = await bench();
    hooks.beforeCommit = () => {
      throw Object.assign(new Error("database or disk is full"), { code: "SQLITE_FULL" });
    };
    await writer.run(() => insert(1)).catch(String);
    expect(writer.trouble()).not.toBeNull();
    hooks.beforeCommit = () => {};
    const release = lockedBySomebody(path);
    const before = ran.begun;
    await until("a try that met the lock", () => ran.begun > before);
    release();
    await until("no trouble", () => writer.trouble() === null);
  });

  test("a lock that is held for a moment is waited for, in order and without trouble", async () => {
    const { writer, path, insert, values } = await bench();
    const release = lockedBySomebody(path);
    const early = writer.run(() => insert(1));
    await new Promise((resolve) => setImmediate(resolve));
    const late = writer.run(() => insert(2));
    release();
    await Promise.all([early, late]);
    expect(values()).toEqual([1, 2]);
    expect(writer.trouble()).toBeNull();
  });

  test("a work that fails after a wait leaves the next wait its whole time", async () => {
    let nowMs = 0;
    const { writer, path, insert, values } = await bench(() => nowMs);
    await writer.run(() => insert(1));
    const first = lockedBySomebody(path);
    const twice = writer.run(() => insert(1));
    await new Promise((resolve) => setImmediate(resolve));
    first();
    expect(await twice.catch(String)).toContain("UNIQUE");
    nowMs = 1_000;
    const second = lockedBySomebody(path);
    const later = writer.run(() => insert(2));
    await new Promise((resolve) => setImmediate(resolve));
    second();
    await later;
    expect(values()).toEqual([1, 2]);
    expect(writer.trouble()).toBeNull();
  });

  test("works that are put back one by one keep their order", async () => {
    const { writer, path, hooks, insert, values } = await bench();
    const order: number[] = [];
    let release: (() => void) | null = null;
    // The lock is taken between the transaction that one of them spoils and the ones that each gets for itself.
    hooks.afterRollback = () => {
      if (release !== null) return;
      release = lockedBySomebody(path);
      setImmediate(release);
    };
    const spoils = writer.run(() => {
      throw new Error("no");
    });
    const works = [1, 2, 3].map((value) => writer.run(() => (insert(value), order.push(value))));
    const [spoiled] = await Promise.allSettled([spoils, ...works]);
    expect(spoiled).toMatchObject({ status: "rejected", reason: { message: "no" } });
    expect(order.slice(-3)).toEqual([1, 2, 3]);
    expect(values()).toEqual([1, 2, 3]);
  });

  test("trouble ends by itself when the database can be written again, without a call that dares", async () => {
    let nowMs = 0;
    const { writer, path, insert } = await bench(() => (nowMs += 500));
    const release = lockedBySomebody(path);
    await Promise.allSettled([writer.run(() => insert(1))]);
    expect(writer.trouble()).not.toBeNull();
    release();
    await until("no trouble", () => writer.trouble() === null);
  });
});

interface Bench {
  readonly writer: GroupCommit;
  readonly path: string;
  readonly log: string[];
  readonly ran: { begun: number; committed: number };
  readonly hooks: { beforeCommit: () => void; afterRollback: () => void };
  readonly insert: (value: number) => void;
  readonly values: () => unknown[];
}

async function bench(clock = () => performance.now(), gate = writeGate()): Promise<Bench> {
  const path = folder.file();
  const client = await openSqlite(path);
  client.exec("PRAGMA busy_timeout = 0; PRAGMA journal_mode = WAL; CREATE TABLE things (id integer PRIMARY KEY);");
  const ran = { begun: 0, committed: 0 };
  const log: string[] = [];
  const hooks = { beforeCommit: () => void log.push("write"), afterRollback: () => void log.push("reload") };
  const writer = groupCommit(
    counting(client, ran),
    { beforeCommit: () => hooks.beforeCommit(), afterRollback: () => hooks.afterRollback() },
    { clock, gate },
  );
  const statement = client.prepare("INSERT INTO things VALUES (?)");
  cleanups.push(() => client.close());
  return {
    writer,
    path,
    log,
    ran,
    hooks,
    insert: (value) => void statement.run(value),
    values: () => client.prepare("SELECT id FROM things ORDER BY id").values().flat(),
  };
}

/** The client itself, with an eye on its transactions. */
function counting(client: SqliteClient, ran: Bench["ran"]): SqliteClient {
  return {
    exec: (sql) => client.exec(sql),
    transaction: (work) => client.transaction(work),
    close: () => client.close(),
    prepare(sql) {
      const statement = client.prepare(sql);
      if (sql.startsWith("BEGIN")) return { ...bound(statement), run: () => ((ran.begun += 1), statement.run()) };
      if (sql === "COMMIT") return { ...bound(statement), run: () => ((ran.committed += 1), statement.run()) };
      return statement;
    },
  };
}

const bound = (statement: ReturnType<SqliteClient["prepare"]>): ReturnType<SqliteClient["prepare"]> => ({
  run: (...values) => statement.run(...values),
  get: (...values) => statement.get(...values),
  all: (...values) => statement.all(...values),
  values: (...values) => statement.values(...values),
});

function lockedBySomebody(path: string): () => void {
  const other = new Client(path);
  other.exec("BEGIN EXCLUSIVE");
  return () => other.close();
}
