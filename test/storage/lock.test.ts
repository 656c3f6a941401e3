import { describe, expect, test } from "bun:test";
import { spawn } from "node:child_process";
import { existsSync, symlinkSync } from "node:fs";
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
