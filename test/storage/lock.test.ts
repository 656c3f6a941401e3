import { describe, expect, test } from "bun:test";
import { spawn } from "node:child_process";
import { existsSync, mkdirSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { LockedError } from "../../core/runtime/lock.ts";
import { openAt, temporaryFolder } from "./folder.ts";

const folder = temporaryFolder();
const holder = join(import.meta.dir, "hold-lock.ts");

describe("one process a data folder", () => {
  test("a second one is refused with the pid of the first, until that closes", async () => {
    const path = folder.file();
    const database = await openAt(path);
    const error = await failure(openAt(path));
    expect(error).toBeInstanceOf(LockedError);
    expect(String(error)).toContain(`process ${process.pid}`);
    // It costs no journal, which would wait for the disk at the start and at the end.
    expect(existsSync(`${path}.lock-journal`)).toBe(false);
    await database.settings.set("still", "works");
    await database.close();
    const again = await openAt(path);
    expect(await again.settings.get("still")).toBe("works");
    await again.close();
  });

  test("also by a link to a file that was not there yet when the first one came", async () => {
    const [file, link] = [folder.file(), folder.file()];
    symlinkSync(file, link);
    const database = await openAt(link);
    for (const path of [link, file]) expect(await failure(openAt(path))).toBeInstanceOf(LockedError);
    await database.close();
    const again = await openAt(file);
    for (const path of [link, file]) expect(await failure(openAt(path))).toBeInstanceOf(LockedError);
    await again.close();
  });

  test("also by a link in a folder that is a link itself, which leads up from where that one leads", async () => {
    // a/d → b/c, b/c/db → ../x.db: the system takes `..` from b/c.
    const base = folder.file();
    for (const made of ["a", "b/c"]) mkdirSync(join(base, made), { recursive: true });
    symlinkSync(join(base, "b/c"), join(base, "a/d"));
    symlinkSync("../x.db", join(base, "b/c/db"));
    const ways = ["a/d/db", "b/c/db", "b/x.db"].map((way) => join(base, way));
    // The first time it is not there yet.
    for (const way of [...ways, ...ways]) {
      const database = await openAt(way);
      for (const other of ways) expect(await failure(openAt(other))).toBeInstanceOf(LockedError);
      await database.close();
    }
    symlinkSync(join(base, "nowhere/x.db"), join(base, "lost.db"));
    expect(String(await failure(openAt(join(base, "lost.db"))))).toContain("leads to a folder that is not there");
  });

  test("the lock dies with its process, however that ends", async () => {
    const path = folder.file();
    const child = spawn(process.execPath, [holder, path], { stdio: ["ignore", "pipe", "inherit"] });
    const ended = new Promise((resolve) => child.once("exit", resolve));
    try {
      await new Promise((resolve) => child.stdout.once("data", resolve));
      expect(String(await failure(openAt(path)))).toContain(`process ${child.pid}`);
    } finally {
      child.kill("SIGKILL");
      await ended;
    }
    const database = await openAt(path);
    expect(await database.settings.get("written")).toBe("yes");
    await database.close();
  });
});

const failure = (work: Promise<unknown>): Promise<unknown> =>
  work.then(
    () => null,
    (error: unknown) => error,
  );
