import { afterAll, beforeAll, expect, test } from "bun:test";
import { spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";

/**
 * In a folder without node_modules and bunfig.toml Bun downloads what it does not find, and runs it. A registry of the
 * test's own answers in place of npm, and none of the names here exists anywhere.
 */
const program = join(import.meta.dir, "../../core/main.ts");
const asked: string[] = [];
const registry = Bun.serve({
  hostname: "127.0.0.1",
  port: 0,
  fetch({ url }) {
    asked.push(new URL(url).pathname);
    return new Response("{}", { status: 404 });
  },
});
let folder = "";
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "llm-proxy-downloads-"));
});
afterAll(async () => {
  await registry.stop(true);
  rmSync(folder, { recursive: true, force: true });
});

const missing = "llm-proxy-plugin-that-is-not-there";
const notInstalled = `imports the package "${missing}", and no node_modules folder is here or above: install it beside the file`;

test.each([
  [
    "a name that is nearly a built-in's",
    { "typo/c.yaml": "provider:\n  openai-compatibleee: { apiKey: x }" },
    'provider "openai-compatibleee": no built-in provider plugin "openai-compatibleee" (did you mean "openai-compatible"?)',
  ],
  [
    "a package that is not installed",
    { "package/c.yaml": `observer:\n  x: { use: 'npm:${missing}' }` },
    `npm package "${missing}" is not installed beside the config file`,
  ],
  [
    "a plugin's file",
    { "file/c.yaml": "observer:\n  x: { use: ./x.ts }", "file/x.ts": `import "${missing}/part";` },
    notInstalled,
  ],
  [
    "a file of a plugin's file",
    {
      "parts/c.yaml": "observer:\n  x: { use: ./x.ts }",
      "parts/x.ts": `import { y } from "./y";\nexport default y;`,
      "parts/y.ts": `import "./x.ts";\nexport const y = await import("${missing}");`,
    },
    notInstalled,
  ],
  [
    "a file elsewhere, of a plugin's file that has node_modules beside it",
    {
      "project/c.yaml": "observer:\n  x: { use: ./x.ts }",
      "project/node_modules/other/package.json": "{}",
      "project/x.ts": `import y from "../elsewhere/y.ts";\nexport default y;`,
      "elsewhere/y.ts": `export { default } from "${missing}";`,
    },
    notInstalled,
  ],
  ["a config in TypeScript", { "typescript/c.ts": `import x from "${missing}";\nexport default x;` }, notInstalled],
])("%s downloads nothing", async (_, files, message) => {
  const [config = ""] = Object.keys(write(files));
  const { code, stderr } = await check(config);
  expect([code, stderr]).toEqual([1, expect.stringContaining(message)]);
  expect(asked).toEqual([]);
});

test("types, what the runtime has, and files beside it need nothing installed", async () => {
  write({
    "whole/c.yaml": "observer:\n  x: { use: ./x.ts }",
    "whole/y.ts": `export const name: string = "x";`,
    "whole/x.ts": `
      import { readFileSync } from "node:fs";
      import fetched from "node-fetch";
      import given from "data:text/javascript,export default 1";
      import type { Other } from "${missing}";
      import { Another } from "${missing}/types";
      import { definePlugin, t } from "llm-proxy/plugin";
      import { name } from "./y.ts";
      const none: Other | Another | typeof readFileSync = fetched && given ? readFileSync : readFileSync;
      export default definePlugin({ kind: "observer", name, api: 1, config: t.Object({}), setup: () => ({ callEnded: () => void none }) });`,
  });
  expect(await check("whole/c.yaml")).toMatchObject({ code: 0 });
  expect(asked).toEqual([]);
});

function write<Files extends Readonly<Record<string, string>>>(files: Files): Files {
  for (const [name, content] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, name)), { recursive: true });
    writeFileSync(join(folder, name), content);
  }
  return files;
}

function check(config: string): Promise<{ code: number | null; stderr: string }> {
  const child = spawn(process.execPath, [program, "check", "--config", join(folder, config)], {
    cwd: folder,
    env: { HOME: folder, BUN_INSTALL_CACHE_DIR: join(folder, "cache"), BUN_CONFIG_REGISTRY: registry.url.href },
  });
  let stderr = "";
  child.stderr.on("data", (piece) => (stderr += String(piece)));
  return new Promise((resolve) => child.on("close", (code) => resolve({ code, stderr })));
}
