import { openSqliteDatabase } from "../../core/storage/sqlite.ts";

/** Opens the database named on the command line, says so, and keeps it until it is killed. */
const database = await openSqliteDatabase({
  path: process.argv[2] ?? "",
  synchronous: "normal",
  now: Date.now,
  onBackup: () => {},
});
await database.settings.set("written", "yes");
process.stdout.write("open\n");
setInterval(() => {}, 60_000);
