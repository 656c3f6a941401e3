import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import {
  cpSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { withBuiltin } from "../../core/commands/new-plugin.ts";
import { pluginTemplates } from "../../core/commands/plugin-templates.ts";
import { call, chat } from "../support/clients.ts";
import { until } from "../support/poll.ts";
import { Gateway, freePort } from "../support/process.ts";
import { json } from "../support/scripts.ts";
import { startUpstream } from "../support/upstream.ts";

const root = join(import.meta.dir, "../..");
const kinds = Object.keys(pluginTemplates);

/** Runs a command of the product, or of Bun, in a folder. */
function run(cwd: string, ...args: readonly string[]) {
  const { exitCode, stdout, stderr } = Bun.spawnSync([process.execPath, ...args], {
    cwd,
    env: { PATH: process.env.PATH, HOME: tmpdir() },
  });
  return { exitCode, stdout: stdout.toString(), stderr: stderr.toString() };
}
const product = (cwd: string, ...args: readonly string[]) => run(cwd, join(root, "core/main.ts"), ...args);

const folders: string[] = [];
function folder(): string {
  const made = mkdtempSync(join(tmpdir(), "llm-proxy-new-plugin-"));
  folders.push(made);
  return made;
}
afterAll(() => {
  for (const made of folders) rmSync(made, { recursive: true, force: true });
});

describe("in a checkout", () => {
  const checkout = folder();
  const files = (kind: string) => [`plugins/${kind}/acme-2.ts`, `test/plugins/${kind}/acme-2.test.ts`];

  beforeAll(() => {
    for (const name of [
      "core",
      "plugins",
      "views",
      "migrations",
      "test/contract",
      "package.json",
      "tsconfig.json",
      "bunfig.toml",
    ])
      cpSync(join(root, name), join(checkout, name), {
        recursive: true,
        filter: (path) => !path.endsWith("matrix-main.ts"),
      });
    symlinkSync(join(root, "node_modules"), join(checkout, "node_modules"));
    for (const kind of kinds)
      expect(run(checkout, "core/main.ts", "new-plugin", kind, "acme-2")).toMatchObject({ exitCode: 0, stderr: "" });
  });

  test("what it writes is typed, formatted and clean", () => {
    const written = ["plugins/index.ts", ...kinds.flatMap(files)];
    expect(run(checkout, "fmt", "--check", ...written)).toMatchObject({ exitCode: 0 });
    expect(run(checkout, "check", "--no-script")).toMatchObject({ exitCode: 0 });
    const lint = ["node_modules/.bin/oxlint", "--type-aware", "--deny-warnings", ...written];
    expect(run(checkout, "run", ...lint)).toMatchObject({ exitCode: 0 });
  });

  test("its tests are the contract suites, and pass", () => {
    const { exitCode, stderr } = run(checkout, "test", ...kinds.map((kind) => `./${files(kind)[1]}`));
    expect(stderr).toMatch(/^ [1-9]\d pass$/m);
    expect({ exitCode, stderr }).toMatchObject({ exitCode: 0 });
  });

  test("it is a built-in", () => {
    const config = join(checkout, "new.yaml");
    const options = {
      provider: "{ baseUrl: https://api.example.com/v1, apiKey: k }",
      auth: "{ token: acme-2_0123456789abcdef }",
    };
    writeFileSync(
      config,
      kinds
        .map((kind) => `${kind}: { acme-2: ${Object.entries(options).find(([of]) => of === kind)?.[1] ?? "{}"} }\n`)
        .join(""),
    );
    const listed = run(checkout, "core/main.ts", "plugins", "--config", config, "--json");
    const rows: readonly { readonly kind: string; readonly name: string; readonly origin: string }[] = JSON.parse(
      listed.stdout,
    );
    const own = rows.flatMap(({ kind, name, origin }) => (name === "acme-2" ? [`${kind} ${origin}`] : []));
    expect(own.toSorted()).toEqual(kinds.map((kind) => `${kind} built-in`).toSorted());
  });

  test("what is there already is left as it is", () => {
    const index = readFileSync(join(checkout, "plugins/index.ts"), "utf8");
    writeFileSync(join(checkout, "plugins/observer/acme-2.ts"), "mine");
    const again = run(checkout, "core/main.ts", "new-plugin", "observer", "acme-2");
    expect(again).toMatchObject({
      exitCode: 1,
      stderr: "plugins/observer/acme-2.ts exists already; nothing was written\n",
    });
    expect(run(checkout, "core/main.ts", "new-plugin", "provider", "openai")).toMatchObject({
      exitCode: 1,
      stderr: 'there is a built-in provider "openai" already; nothing was written\n',
    });
    expect(readFileSync(join(checkout, "plugins/observer/acme-2.ts"), "utf8")).toBe("mine");
    expect(readFileSync(join(checkout, "plugins/index.ts"), "utf8")).toBe(index);
    expect(existsSync(join(checkout, "plugins/provider/openai.ts"))).toBe(false);
  });
});

describe("elsewhere", () => {
  test("a provider beside the config file answers once its options are the vendor's", async () => {
    const answer = {
      id: "c-1",
      object: "chat.completion",
      created: 1,
      model: "m",
      choices: [{ index: 0, message: { role: "assistant", content: "Hi" }, finish_reason: "stop" }],
      usage: { prompt_tokens: 3, completion_tokens: 1, total_tokens: 4 },
    };
    const upstream = await startUpstream();
    upstream.on("m", json(200, answer));
    const gateway = new Gateway(await freePort(), {
      config: `provider:\n  acme: { use: ./acme.ts, baseUrl: "${upstream.baseUrl}/", apiKey: key-of-acme }\nprices: [{ target: acme/*, input: 0, output: 0 }]\n`,
    });
    try {
      const made = product(gateway.directory, "new-plugin", "provider", "acme", "--json");
      expect(JSON.parse(made.stdout)).toEqual({ ok: true, files: ["acme.ts", "acme.test.ts"] });
      await gateway.start();
      const { key } = await gateway.createKey();
      const response = await fetch(`${gateway.url}/v1/chat/completions`, {
        method: "POST",
        headers: { authorization: `Bearer ${key}`, "content-type": "application/json" },
        body: JSON.stringify({ model: "acme/m", messages: [{ role: "user", content: "Hi" }] }),
      });
      expect([response.status, await response.json()]).toEqual([200, answer]);
    } finally {
      await gateway.dispose();
      await upstream.stop();
    }
  }, 30_000);

  test("an observer beside the config file logs each call, however many end at once", async () => {
    const gateway = new Gateway(await freePort(), {
      config: "provider: { echo: {} }\nobserver: { acme: { use: ./acme.ts } }\n",
    });
    try {
      expect(product(gateway.directory, "new-plugin", "observer", "acme").exitCode).toBe(0);
      await gateway.start();
      const { key } = await gateway.createKey();
      const replies = await Promise.all(Array.from({ length: 60 }, () => call(gateway, key, chat("echo/echo"))));
      const unlogged = () => replies.filter(({ callId }) => !gateway.log().includes(`"callId":"${callId}"`));
      await until("a line for each", () => unlogged().length === 0);
    } finally {
      await gateway.dispose();
    }
  }, 30_000);

  test("every kind is told how to be used, and passes `check` so", () => {
    for (const kind of kinds) {
      const cwd = folder();
      const { exitCode, stdout } = product(cwd, "new-plugin", kind, "acme");
      expect(exitCode).toBe(0);
      expect(readdirSync(cwd).toSorted()).toEqual(["acme.test.ts", "acme.ts"]);
      const told = stdout.split("In the config file:\n")[1]?.split("\n\n")[0] ?? "";
      writeFileSync(join(cwd, "llm-proxy.yaml"), told.replace(/^ {2}/gm, ""));
      expect(product(cwd, "check")).toMatchObject({ exitCode: 0, stderr: "" });
      expect(product(cwd, "new-plugin", kind, "acme")).toMatchObject({ exitCode: 1 });
    }
  }, 30_000);

  test.each([
    [[], "usage: new-plugin KIND NAME"],
    [["provider"], "usage: new-plugin KIND NAME"],
    [["provider", "a", "b"], "usage: new-plugin KIND NAME"],
    [["providr", "acme"], 'nothing to begin a "providr" with (did you mean "provider"?)'],
    [["cache", "acme"], 'nothing to begin a "cache" with'],
    [["provider", "../acme"], "the name is kebab-case"],
    [["provider", "Acme"], "the name is kebab-case"],
    [["provider", "constructor-"], "the name is kebab-case"],
  ])("%p is bad use, and writes nothing", (words, message) => {
    const cwd = folder();
    const { exitCode, stderr } = product(cwd, "new-plugin", ...words);
    expect(exitCode).toBe(2);
    expect(stderr).toContain(message);
    expect(readdirSync(cwd)).toEqual([]);
  });
});

test("a list without a place for it is not changed by guess", () => {
  expect(() => withBuiltin("export const builtins = {};\n", "provider", "acme")).toThrow(
    "has no list of provider plugins",
  );
  expect(() => withBuiltin("  provider: {\n", "provider", "acme")).toThrow("has no end");
});
