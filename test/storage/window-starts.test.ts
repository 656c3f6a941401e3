import { expect, test } from "bun:test";
import { openSqlite } from "../../core/runtime/sqlite.ts";
import { groupCommit } from "../../core/storage/group-commit.ts";
import { sqliteDatabase } from "../../core/storage/sqlite-database.ts";
import { keepStarts } from "../../core/storage/window-starts.ts";
import { aBudget, startMs } from "../contract/storage-samples.ts";
import { until } from "../support/poll.ts";
import { openAt, rowsOf, temporaryFolder } from "./folder.ts";

const folder = temporaryFolder();
const dayMs = 86_400_000;

test("a process that runs for years knows when the windows of time zones start", async () => {
  const path = folder.file();
  const database = await openAt(path);
  await database.budgets.create(aBudget({ window: "day", timeZone: "Europe/Berlin", createdMs: startMs }));
  const removed = await database.budgets.create(
    aBudget({ window: "week", timeZone: "Asia/Tokyo", createdMs: startMs }),
  );
  await database.budgets.remove(removed.id);
  await database.close();
  const last = (zone: string) =>
    rowsOf<{ ms: number }>(path, `SELECT max(start_ms) AS ms FROM window_starts WHERE time_zone = '${zone}'`)[0]?.ms ??
    0;
  const [berlin, tokyo] = [last("Europe/Berlin"), last("Asia/Tokyo")];
  expect(berlin).toBeGreaterThan(startMs + 790 * dayMs);

  const client = await openSqlite(path);
  const writer = groupCommit(client, { beforeCommit() {}, afterRollback() {} });
  let nowMs = startMs + 100 * dayMs;
  let asked = 0;
  const stop = keepStarts(writer, sqliteDatabase(client), () => ((asked += 1), nowMs), 1);
  await until("a second look", () => asked > 2);
  // There are enough of them.
  expect(last("Europe/Berlin")).toBe(berlin);
  nowMs = startMs + 3 * 365 * dayMs;
  await until("more of them", () => last("Europe/Berlin") > nowMs + 790 * dayMs);
  stop();
  expect(last("Asia/Tokyo")).toBe(tokyo);
  expect(
    rowsOf<{ n: number }>(
      path,
      "SELECT count(*) AS n FROM window_starts WHERE time_zone = 'Europe/Berlin' AND start_ms % 3600000 <> 0",
    ),
  ).toEqual([{ n: 0 }]);
  writer.close();
  client.close();
});
