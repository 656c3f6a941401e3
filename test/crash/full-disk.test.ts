import { expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { cpSync, mkdirSync, rmSync, statSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { canMount } from "../soak/storage-faults.ts";
import { temporaryFolder } from "../storage/folder.ts";
import { runtimeVariables } from "../support/runtime-variables.ts";

const folder = temporaryFolder();
const main = join(import.meta.dir, "../../core/main.ts");

const run = (data: string, words: readonly string[]) => {
  const { status, stdout, stderr } = spawnSync(process.execPath, [main, ...words], {
    cwd: folder.path,
    env: { PATH: process.env.PATH, HOME: folder.path, ...runtimeVariables, LLM_PROXY_DATA: data },
    encoding: "utf8",
    timeout: 15_000,
  });
  return { status, stdout, stderr };
};

test.skipIf(!canMount())(
  "a full disk: every command says so of the file it is about, and none takes it for damage",
  () => {
    const [data, elsewhere] = [folder.file(), folder.file()];
    const database = join(data, "llm-proxy.db");
    mkdirSync(data);
    expect(spawnSync("mount", ["-t", "tmpfs", "-o", "size=3m,mode=700", "tmpfs", data]).status).toBe(0);
    try {
      expect(run(data, ["migrate"]).status).toBe(0);
      cpSync(data, elsewhere, { recursive: true });
      const ballast = join(data, "ballast");
      expect(() => writeFileSync(ballast, new Uint8Array(4_000_000))).toThrow("ENOSPC");
      for (const words of [
        "doctor",
        "doctor --repair",
        "audit verify",
        "migrate",
        "admin-token --new",
        "backup copy.db",
      ])
        expect([words, run(data, words.split(" "))]).toEqual([
          words,
          {
            status: 1,
            stdout: "",
            stderr: expect.stringMatching(new RegExp(`${database}.*the disk is full or fails`)),
          },
        ]);
      const copy = join(data, "copy.db");
      expect(run(elsewhere, ["backup", copy])).toEqual({
        status: 1,
        stdout: "",
        stderr: `the database cannot be copied to ${copy}: database or disk is full\n`,
      });
      // Room to open it, not to write it a second time.
      truncateSync(ballast, statSync(ballast).size - 131_072);
      expect(run(data, ["migrate", "--compact"])).toEqual({
        status: 1,
        stdout: "",
        stderr: `the database ${database} cannot be written anew: database or disk is full\n`,
      });
      rmSync(ballast);
      expect(run(data, ["doctor"]).status).toBe(0);
    } finally {
      spawnSync("umount", [data]);
    }
  },
  60_000,
);
