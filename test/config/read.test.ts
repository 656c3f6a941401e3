import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { readConfig } from "../../core/config/read.ts";
import { configPath, publicUrlOf, settingsFrom } from "../../core/config/settings.ts";
import { generatedFiles, readText } from "../../plugins/generate.ts";
import { resolvePlugins } from "../../core/plugin/load.ts";
import { builtins } from "../../plugins/index.ts";
import { failureOf } from "./failure.ts";

let folder = "";
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "llm-proxy-config-"));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function write(name: string, content: string | Uint8Array): string {
  const path = join(folder, name);
  writeFileSync(path, content);
  return path;
}

describe("defaults", () => {
  test("no file runs: sqlite, echo, api-key, token-bucket, ledger, log", async () => {
    const { config, file } = await readConfig({ path: null, env: {} });
    expect(file).toBeNull();
    expect(config).toEqual({
      server: {
        host: "127.0.0.1",
        port: 8787,
        maxBodyBytes: 67_108_864,
        trustedProxies: [],
        watchConfig: false,
        egress: { allow: [] },
        transport: "fetch",
        login: { passwords: true, oidc: {} },
        logLevel: "info",
        timeouts: {
          connectMs: 10_000,
          firstByteMs: 600_000,
          idleMs: 600_000,
          providers: {},
          models: {},
          clientMs: 75_000,
          stallMs: 60_000,
          unreadyMs: 0,
          drainMs: 30_000,
        },
        attempts: {
          max: 4,
          totalMs: 600_000,
          backoffMs: 250,
          maxWaitMs: 5_000,
          retryShare: 0.2,
          afterReset: false,
          afterContentFilter: false,
        },
        breaker: {
          enabled: true,
          consecutive: 10,
          errorShare: 0.5,
          minCalls: 20,
          windowMs: 10_000,
          probeMs: 1_000,
          providers: {},
        },
        bulkhead: { maxWaiting: 2_000, maxQueued: 500, queueMs: 2_000, providers: {} },
        overload: { maxBufferedBytes: 268_435_456, maxCalls: 20_000, maxLoopLagMs: 500 },
        disconnect: { drainMs: 5_000, maxDrains: 200 },
        idempotency: {
          ttlMs: 86_400_000,
          waitMs: 30_000,
          maxAnswerBytes: 1_048_576,
          maxBytes: 268_435_456,
          maxKeys: 200_000,
        },
        content: { maxBytes: 65_536, maxTotalBytes: 1_073_741_824, ttlMs: 604_800_000, redact: [] },
      },
      storage: { sqlite: {} },
      provider: { echo: {} },
      auth: { "api-key": {} },
      "rate-limit": { "token-bucket": {} },
      billing: { ledger: {} },
      guardrail: {},
      cache: {},
      keys: [],
      observer: { log: {} },
      models: {},
      prices: [],
      limits: [],
    });
  });

  test("limits of the file are on one scope, on each of a kind, or on all", async () => {
    const text = `limits:
  - { scope: { kind: account, id: default }, requestsPerMinute: 60, usdPerDay: "2.5" }
  - { scope: { kind: key }, concurrency: 4, enforce: false }
  - { scope: { kind: global }, tokensPerHour: 1000 }`;
    const { config } = await readConfig({ path: "c.yaml", text, env: {} });
    expect(config.limits).toEqual([
      { scope: { kind: "account", id: "default" }, limits: { requestsPerMinute: 60, usdPerDay: "2.5" }, enforce: true },
      { scope: { kind: "key", id: null }, limits: { concurrency: 4 }, enforce: false },
      { scope: { kind: "global", id: "global" }, limits: { tokensPerHour: 1_000 }, enforce: true },
    ]);
  });

  test.each(["", "\n# nothing\n", "\uFEFF", "{}", "server:\n"])("a file of %p is the same", async (text) => {
    const { config } = await readConfig({ path: "c.yaml", text, env: {} });
    expect(config).toEqual((await readConfig({ path: null, env: {} })).config);
  });

  test("an empty section is none, an instance without options has none", async () => {
    const { config } = await readConfig({
      path: "c.yaml",
      text: "billing: {}\nobserver:\n  log:\nprovider: {}",
      env: {},
    });
    expect([config.billing, config.observer, config.provider]).toEqual([{}, { log: {} }, {}]);
  });

  test("an alias is a list or a map with weights", async () => {
    const text = "models:\n  a: [echo/x]\n  b: { strategy: weighted, targets: [a, { target: echo/y, weight: 2.5 }] }";
    const { config } = await readConfig({ path: "c.yaml", text, env: {} });
    expect(config.models).toEqual({
      a: { strategy: "ordered", targets: [{ target: "echo/x", weight: 1 }] },
      b: {
        strategy: "weighted",
        targets: [
          { target: "a", weight: 1 },
          { target: "echo/y", weight: 2.5 },
        ],
      },
    });
  });

  test("anchors may be used again", async () => {
    const text = "provider:\n  a: &shared { use: echo, tokenDelayMs: 1 }\n  b: *shared";
    const { config } = await readConfig({ path: "c.yaml", text, env: {} });
    expect(config.provider.b).toEqual({ use: "echo", tokenDelayMs: 1 });
  });
});

describe("a file that cannot be read is named with the reason, without a stack", () => {
  const messageOf = (path: string) => failureOf(readConfig({ path, env: {} }));

  test("missing", async () =>
    expect(await messageOf(join(folder, "none.yaml"))).toBe(`${join(folder, "none.yaml")}: no such file`));
  test("directory", async () => expect(await messageOf(folder)).toBe(`${folder}: is a directory, not a file`));
  test("not text", async () => {
    const path = write("binary.yaml", new Uint8Array([0xff, 0xfe, 0x00]));
    expect(await messageOf(path)).toBe(`${path}: not UTF-8 text`);
  });
  test("100 MB, without reading it all", async () => {
    const path = write("big.yaml", new Uint8Array(100 * 1024 * 1024).fill(0x23));
    const started = performance.now();
    expect(await messageOf(path)).toBe(`${path}: larger than 1 MiB`);
    expect(performance.now() - started).toBeLessThan(1_000);
  });
  test("no permission", async () => {
    const readFile = () => {
      throw new Error("not readable: permission denied");
    };
    expect(await failureOf(readConfig({ path: "c.yaml", env: {}, readFile }))).toContain(
      "c.yaml: not readable: permission denied",
    );
  });
});

describe("a config in TypeScript", () => {
  test("is checked like any other, and finds defineConfig without node_modules", async () => {
    const path = write(
      "good.ts",
      `import { defineConfig } from "llm-proxy/config";\nexport default defineConfig({ server: { port: 1234 } });\n`,
    );
    expect((await readConfig({ path, env: {} })).config.server.port).toBe(1234);
  });

  test.each([
    ["wrong.ts", "export default { server: { prot: 1 } };", ' server.prot: unknown key (did you mean "port"?)'],
    ["none.ts", "export const x = 1;", ": has no default export; write export default defineConfig({ … })"],
    [
      "code.ts",
      "export default { server: () => 1 };",
      ": the default export must be data only: no functions or classes",
    ],
    ["throws.ts", "throw new Error('on purpose');", ": import failed: on purpose"],
  ])("%s", async (name, content, message) => {
    const path = write(name, content);
    expect(await failureOf(readConfig({ path, env: {} }))).toContain(path + message);
  });
});

describe("settings", () => {
  const settings = async (text: string, flags: Record<string, string>, env: Record<string, string>) =>
    settingsFrom({ flags, env, config: (await readConfig({ path: "c.yaml", text, env })).config });

  test("flag before environment before file before default", async () => {
    const text = "server: { host: file, port: 1, logLevel: error }";
    const env = { HOST: "env", PORT: "2" };
    expect(await settings(text, { host: "flag" }, env)).toMatchObject({ host: "flag", port: 2, logLevel: "error" });
    expect(await settings("", {}, {})).toMatchObject({ host: "127.0.0.1", port: 8787, logLevel: "info" });
  });

  test("an empty variable is an unset one", async () => {
    expect(await settings("", {}, { HOST: "", PORT: "", LOG_LEVEL: "", LLM_PROXY_DATA: "" })).toMatchObject({
      host: "127.0.0.1",
      port: 8787,
      dataDir: join(process.cwd(), "data"),
    });
  });

  test("the public URL follows the port that is listened on, and has no slash at the end", async () => {
    expect(publicUrlOf(await settings("", {}, { PORT: "9000" }), 9001)).toBe("http://localhost:9001");
    expect((await settings("server: { publicUrl: 'https://x.example/llm//' }", {}, {})).publicUrl).toBe(
      "https://x.example/llm",
    );
  });

  test.each([
    [{}, { PORT: "abc" }, "environment variable PORT: expected integer"],
    [{}, { PORT: "70000" }, "environment variable PORT: expected integer to be less or equal to 65535"],
    [{ port: "-1" }, { PORT: "1" }, "--port: expected integer"],
    [{}, { LOG_LEVEL: "verbose" }, 'environment variable LOG_LEVEL: expected "debug", "info", "warn" or "error"'],
    [{ "public-url": "http://a:99999" }, {}, "--public-url: expected a URL with a valid host and port"],
  ])("flags %p and environment %p are refused", async (flags, env, message) => {
    expect(await failureOf(settings("", flags, env))).toContain(message);
  });

  test("the config file is named by flag, then environment, then found beside", () => {
    const here = { directory: folder, env: { LLM_PROXY_CONFIG: "env.yaml" } };
    expect(configPath({ ...here, flag: "flag.yaml" }, () => true)).toBe("flag.yaml");
    expect(configPath({ ...here, flag: undefined }, () => true)).toBe("env.yaml");
    expect(configPath({ flag: undefined, env: {}, directory: folder }, () => true)).toBe("llm-proxy.yaml");
    expect(configPath({ flag: undefined, env: {}, directory: folder }, () => false)).toBeNull();
  });
});

describe("files of the repository", () => {
  test("the example passes the check without any environment", async () => {
    const loaded = await readConfig({
      path: "llm-proxy.example.yaml",
      text: readText("llm-proxy.example.yaml"),
      env: {},
    });
    expect((await resolvePlugins(loaded, builtins)).length).toBeGreaterThan(5);
  });

  test("so does all that it shows behind a #", async () => {
    const shown = readText("llm-proxy.example.yaml")
      .replace(/^ {2}# ([\w-]+: \{)/gm, "  $1")
      .replace(/^# (\w+:)\n#( {3}[\w-]+: \{)/gm, "$1\n$2");
    const valueOf = (name: string) =>
      name.endsWith("_URL") ? "https://hooks.example.com/T1" : "a-value-of-some-length";
    const env = Object.fromEntries([...shown.matchAll(/\$\{(\w+)\}/g)].map(([, name = ""]) => [name, valueOf(name)]));
    const text = shown.replace(/\$\{file:[^}]+\}/g, "a-secret");
    const loaded = await readConfig({ path: "llm-proxy.example.yaml", text, env });
    const { acme, ...builtIn } = loaded.config.provider;
    expect(acme).toBeDefined();
    const config = { ...loaded.config, provider: builtIn };
    const used = (await resolvePlugins({ ...loaded, config }, builtins)).map(({ plugin }) => plugin.name);
    for (const name of ["openai", "anthropic", "google", "openai-compatible"]) expect(used).toContain(name);
    expect(loaded.config.keys).toMatchObject([{ name: "ci" }]);
  });

  test("the JSON schema and the README's reference are what plugins/generate.ts writes", async () => {
    for (const [name, text] of await generatedFiles())
      expect(readText(name) === text ? name : `${name} is not current`).toBe(name);
  });
});
