import { expect, test } from "bun:test";
import { cp, mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { root } from "./sources.ts";

test("the migrations are what the schema says: drizzle-kit finds nothing to generate", async () => {
  const scratch = await mkdtemp(join(tmpdir(), "llm-proxy-migrations-"));
  try {
    await cp(join(root, "migrations/sqlite"), scratch, { recursive: true });
    const before = await readdir(scratch);
    // drizzle-kit puts "./" before any path, so an absolute one does not work.
    const paths = ["--schema", "core/storage/schema/sqlite*.ts", "--out", relative(root, scratch)];
    const generate = Bun.spawn(["bun", "node_modules/.bin/drizzle-kit", "generate", "--dialect", "sqlite", ...paths], {
      cwd: root,
      stdin: "ignore",
      stdout: "pipe",
      stderr: "pipe",
    });
    const output = (await new Response(generate.stdout).text()) + (await new Response(generate.stderr).text());
    expect(output).toContain("No schema changes");
    expect(await generate.exited).toBe(0);
    expect(await readdir(scratch)).toEqual(before);
  } finally {
    await rm(scratch, { recursive: true });
  }
}, 30_000);
