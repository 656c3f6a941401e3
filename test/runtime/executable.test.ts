import { afterAll, expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import packageJson from "../../package.json";
import { call } from "../support/clients.ts";
import { invariants } from "../support/invariants.ts";
import { answers } from "../support/openai-answers.ts";
import { setUp } from "../support/setup.ts";

/** What the Docker image runs: one file, as `bun run build` makes it, with nothing of this repository beside it. */
const folder = mkdtempSync(join(tmpdir(), "llm-proxy-executable-"));
const program = join(folder, "llm-proxy");
afterAll(() => rmSync(folder, { recursive: true, force: true }));

test("the program in one file serves all that the source does", async () => {
  build();
  write(
    "acme.ts",
    `import { definePlugin, GatewayError, t } from "llm-proxy/plugin";
       import { region } from "./region.ts";
       export default definePlugin({
         kind: "auth", name: "acme", api: 1, config: t.Object({ region: t.String({ default: region }) }),
         setup: ({ region }, { name }) => ({ authenticate(key) {
           if (key === "acme-key") throw new GatewayError("forbidden", name + " is closed in " + region);
           return null;
         } }),
       });`,
  );
  write("region.ts", `export const region: string = "eu";`);
  const setup = await setUp({
    program: [program],
    mock: "    vendor: openai",
    config: `auth: { api-key: {}, staff: { use: ${folder}/acme.ts } }`,
    key: { budget: { usd: "0.003", window: "lifetime" } },
  });
  try {
    const { gateway, upstream, key } = setup;
    upstream.on("gpt-5-mini", answers());
    const ask = (model: string, content: string, credential = key.key, path = "/v1/chat/completions") =>
      call(gateway, credential, { model, max_tokens: 20, messages: [{ role: "user", content }] }, { path });
    expect((await ask("echo", "one file")).text).toContain("one file");
    expect((await ask("echo", "translated", key.key, "/v1/messages")).text).toContain('"type":"text"');
    // By its bytes there is no money for it: the thread that counts tokens has counted it.
    expect((await ask("mock/gpt-5-mini", "hello ".repeat(800))).status).toBe(200);
    const { text, status } = await ask("echo", "no", "acme-key");
    expect([status, text]).toEqual([403, expect.stringContaining("staff is closed in eu")]);

    // The data of prices is inside; and the threads of the storage read.
    const prices = await gateway.admin<{ data: object[] }>("GET", "/api/prices?source=bundled&limit=5");
    expect(prices.data).toHaveLength(5);
    expect((await gateway.admin<{ data: object[] }>("GET", "/api/calls")).data).toHaveLength(3);
    const page = await (await gateway.get("/dashboard/login"))?.text();
    const [, asset = ""] = /(?:href|src)="([^"]+\.css[^"]*)"/.exec(page ?? "") ?? [];
    expect((await gateway.get(asset))?.status).toBe(200);
    await invariants(setup);
    expect(await gateway.stop()).toBe(0);
    expect(gateway.log()).not.toContain("thread of the storage");
  } finally {
    await setup.stop();
  }
}, 60_000);

test("so does it check: a config in TypeScript, and a plugin of a package", () => {
  write(
    "node_modules/llm-proxy-demo/package.json",
    `{ "name": "llm-proxy-demo", "type": "module", "exports": "./main.js" }`,
  );
  write(
    "node_modules/llm-proxy-demo/main.js",
    `import { definePlugin, t } from "llm-proxy/plugin";
       export default definePlugin({ kind: "observer", name: "demo", api: 1, config: t.Object({}), setup: () => ({ callEnded() {} }) });`,
  );
  write(
    "good.ts",
    `import { defineConfig } from "llm-proxy/config";
     export default defineConfig({ observer: { demo: { use: "llm-proxy-demo" } } });`,
  );
  expect(run("plugins", "--config", join(folder, "good.ts")).stdout).toContain("demo");
  write("bad.ts", "export default { server: { prot: 1 } };");
  const bad = run("check", "--config", join(folder, "bad.ts"));
  expect(bad.status).toBe(1);
  expect(bad.stderr + bad.stdout).toContain('did you mean "port"?');
});

/** As `bun run build` does, but for where to. */
function build() {
  const [, command = ""] = packageJson.scripts.build.split(" && ");
  const [, ...args] = command.replace(/--outfile \S+/, `--outfile ${program}`).split(" ");
  const { status, stderr } = spawnSync(process.execPath, args, { cwd: join(import.meta.dir, "../..") });
  if (status !== 0) throw new Error(String(stderr));
}

const run = (...args: readonly string[]) =>
  spawnSync(program, args, {
    cwd: folder,
    encoding: "utf8",
    env: { HOME: folder, LLM_PROXY_DATA: join(folder, "data") },
  });

function write(name: string, content: string): void {
  mkdirSync(dirname(join(folder, name)), { recursive: true });
  writeFileSync(join(folder, name), content);
}
