import { afterAll } from "bun:test";
import type { Database } from "../../core/storage/database.ts";
import { testStorage } from "../contract/storage.ts";
import { openAt, temporaryFolder } from "./folder.ts";

const folder = temporaryFolder();
const opened = new Set<Database>();
let path = "";

const open = async (now: () => number) => {
  const database = await openAt(path, now);
  opened.add(database);
  return { ...database, close: () => (opened.delete(database), database.close()) };
};
afterAll(async () => {
  for (const database of opened) await database.close();
});

testStorage({
  open(now) {
    path = folder.file();
    return open(now);
  },
  reopen: open,
});
