import { expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { call, chat } from "../support/clients.ts";
import { runCommand } from "../support/command.ts";
import { answers } from "../support/openai-answers.ts";
import { setUp } from "../support/setup.ts";
import { canMount } from "../soak/storage-faults.ts";

// For root no permission of a file says no: only a file system does.
test.skipIf(!canMount())(
  "a data folder that cannot be written: the start is refused in words, and nothing in it changes",
  async () => {
    const setup = await setUp({ key: { name: "kept" } });
    const { gateway } = setup;
    setup.upstream.on("fast", answers());
    try {
      await gateway.stop();
      const before = readdirSync(gateway.dataDir);
      expect(spawnSync("mount", ["--bind", gateway.dataDir, gateway.dataDir]).status).toBe(0);
      expect(spawnSync("mount", ["-o", "remount,ro,bind", gateway.dataDir]).status).toBe(0);
      gateway.spawn();
      expect(await gateway.exited()).toBe(1);
      const said = gateway.log().trim().split("\n").at(-1) ?? "";
      expect(said).toContain("the data folder cannot be written");
      for (const words of ["admin-token --new", "doctor", "backup copy.db"]) {
        const { code, stderr } = await runCommand(gateway, words.split(" "));
        expect([words, code, stderr]).toEqual([
          words,
          1,
          expect.stringContaining(join(gateway.dataDir, "llm-proxy.db")),
        ]);
      }
      expect(readdirSync(gateway.dataDir)).toEqual(before);
    } finally {
      spawnSync("umount", [gateway.dataDir]);
    }
    await gateway.start();
    expect((await call(gateway, setup.key.key, chat("mock/fast"))).status).toBe(200);
    await setup.stop();
  },
  60_000,
);
