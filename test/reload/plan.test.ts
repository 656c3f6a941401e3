import { afterAll, expect, test } from "bun:test";
import { mkdirSync, readFileSync, renameSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { configFileOf } from "../support/config-file.ts";
import { runCommand } from "../support/command.ts";
import { setUp } from "../support/setup.ts";
import { until } from "../support/poll.ts";

const hidden = "s3cret-of-the-other-provider";
const setup = await setUp({
  config: "server: { idempotency: { maxKeys: 10 } }\nmodels: { fast: [mock/a], slow: [echo/echo] }",
  providers: `  other: { use: openai-compatible, baseUrl: "http://127.0.0.1:1/v1", apiKey: "${hidden}" }`,
});
const { gateway } = setup;
const file = configFileOf(gateway);
afterAll(setup.stop);

interface Plan {
  readonly lines: readonly { readonly change: string; readonly path: string }[];
}
const api = () => gateway.admin<{ readonly data: Plan["lines"] }>("POST", "/api/config/plan");
const changed = file.first
  .replace(`apiKey: "${hidden}"`, `apiKey: "${hidden}-2"`)
  .replace("maxKeys: 10", "maxKeys: 20")
  .replace("[mock/a]", "[mock/b]")
  .replace(", slow: [echo/echo]", ", new: [echo/echo]")
  .replace("input: 1,", "input: 3,")
  .concat("storage: { sqlite: { path: elsewhere.db } }\nlimits: [{ scope: { kind: global }, concurrency: 5 }]\n");

const expected = [
  {
    change: "added",
    path: "limits.global:global",
    before: null,
    after: "concurrency 5, enforce true",
    needsRestart: false,
  },
  {
    change: "changed",
    path: "models.fast.targets",
    before: '[{"target":"mock/a","weight":1}]',
    after: '[{"target":"mock/b","weight":1}]',
    needsRestart: false,
  },
  {
    change: "added",
    path: "models.new",
    before: null,
    after: '[{"target":"echo/echo","weight":1}]',
    needsRestart: false,
  },
  {
    change: "removed",
    path: "models.slow",
    before: '[{"target":"echo/echo","weight":1}]',
    after: null,
    needsRestart: false,
  },
  { change: "changed", path: "prices.mock/*.input", before: "1", after: "3", needsRestart: false },
  { change: "changed", path: "provider.other.apiKey", before: "***", after: "***", needsRestart: false },
  { change: "changed", path: "server.idempotency.maxKeys", before: "10", after: "20", needsRestart: false },
  { change: "added", path: "storage.sqlite.path", needsRestart: true },
];

test("a plan tells what a reload would change, beside the process and through it, without secrets", async () => {
  expect((await api()).data).toEqual([]);
  expect((await runCommand(gateway, ["plan"])).stdout).toContain("Nothing changes");
  file.write(changed);
  const { data } = await api();
  expect(data).toMatchObject(expected);
  const json = await runCommand(gateway, ["plan", "--json"]);
  expect(JSON.parse(json.stdout)).toMatchObject({ ok: true, lines: expected });
  const words = await runCommand(gateway, ["plan"]);
  expect(words.stdout).toContain("~ server.idempotency.maxKeys: 10 → 20\n");
  expect(words.stdout).toMatch(/\+ storage\.sqlite\.path: .* \(needs a restart\)/);
  expect(words.stdout).toContain("- models.slow: ");
  expect(`${JSON.stringify(data)}${json.stdout}${words.stdout}`).not.toContain(hidden);

  const { needsRestart } = await file.reload();
  expect(needsRestart).toEqual(["storage"]);
  expect((await api()).data).toEqual([]);
  file.write(`${changed}nonsense: {}\n`);
  expect(await api().catch(String)).toContain("nonsense: unknown key");
  expect((await runCommand(gateway, ["plan"])).code).toBe(1);
  file.write(changed);
});

test("secrets deep in the options of a plugin are told nowhere either, though that they change is", async () => {
  writeFileSync(
    join(gateway.directory, "acme.ts"),
    `import { definePlugin, t } from "llm-proxy/plugin";
    const target = t.Object({ url: t.String(), apiKey: t.String({ writeOnly: true }) });
    export default definePlugin({
      kind: "observer",
      name: "acme",
      api: 1,
      config: t.Object({
        targets: t.Array(target),
        pool: t.Record(t.String(), t.Object({ pin: t.String({ writeOnly: true }), area: t.String() })),
        either: t.Union([t.Null(), t.Object({ pin: t.Integer({ writeOnly: true }) })]),
        pair: t.Tuple([t.String(), t.String({ writeOnly: true })]),
        others: t.Object({ area: t.String() }, { additionalProperties: t.String({ writeOnly: true }) }),
        loose: t.Array(t.Unknown()),
        databases: t.Array(t.String()),
        areas: t.Array(t.Object({ tokensPerMinute: t.Integer(), name: t.String() })),
      }),
      setup: () => ({ callEnded() {} }),
    });`,
  );
  const secrets = ["in-a-list", "in-a-map", "918273", "in-a-pair", "of-the-rest", "by-its-name", "in-an-address"];
  const written = (label: string) => {
    const [list = "", map = "", number = "", pair = "", rest = "", named = "", address = ""] = secrets.map((text) =>
      text.startsWith("9") ? text + label.length : `${text}-${label}`,
    );
    const pool = `{ a: { pin: ${map}, area: area-${label} } }`;
    return `${changed}observer:
  acme:
    use: ./acme.ts
    targets: [{ url: "http://127.0.0.1:1/", apiKey: ${list} }]
    pool: ${pool}
    either: { pin: ${number} }
    pair: [one, ${pair}]
    others: { area: area-${label}, x: ${rest} }
    loose: [{ token: ${named} }]
    databases: ["postgres://me:${address}@127.0.0.1/db"]
    areas: [{ tokensPerMinute: 5, name: area-${label} }]
`;
  };
  await file.reloadWith(written("one"));
  file.write(written("second"));
  const { data } = await api();
  const words = (await runCommand(gateway, ["plan"])).stdout;
  const hiddenLine = (path: string) => ({
    change: "changed",
    path: `observer.acme.${path}`,
    before: "***",
    after: "***",
  });
  const shownLine = (path: string, before: string, after: string) => ({ ...hiddenLine(path), before, after });
  expect(data).toMatchObject([
    shownLine("areas", '[{"tokensPerMinute":5,"name":"area-one"}]', '[{"tokensPerMinute":5,"name":"area-second"}]'),
    hiddenLine("databases"),
    hiddenLine("either.pin"),
    hiddenLine("loose"),
    shownLine("others.area", "area-one", "area-second"),
    hiddenLine("others.x"),
    hiddenLine("pair"),
    shownLine("pool.a.area", "area-one", "area-second"),
    hiddenLine("pool.a.pin"),
    hiddenLine("targets"),
  ]);
  const stored = readFileSync(join(gateway.dataDir, "applied-config.json"), "utf8");
  expect(stored).toContain("area-one");
  for (const secret of secrets)
    expect([secret, `${JSON.stringify(data)}${words}${stored}`.includes(secret)]).toEqual([secret, false]);
  await file.reloadWith(changed);
});

test("the file is checked through the process as the command checks it, and nothing of it is put into use", async () => {
  const check = () => gateway.admin<object>("POST", "/api/config/check");
  const byCommand = async (): Promise<object> => JSON.parse((await runCommand(gateway, ["check", "--json"])).stdout);
  const before = await file.state();
  file.write(changed.replace("maxKeys: 20", "maxKeys: 30"));
  const right = { ok: true, file: file.path, instances: expect.any(Number) };
  expect(await check()).toEqual({ ...right, unchecked: [] });
  expect(await check()).toEqual(await byCommand());
  file.write(changed.concat("billing: { ledger: { charges: [{ account: nobody, margin: 10 }] } }\n"));
  expect(await check()).toEqual({ ...right, unchecked: ["billing.ledger.charges[0].account"] });
  expect(await check()).toEqual(await byCommand());
  file.write(`${changed.replace("maxKeys: 20", "maxKeys: none")}nonsense: {}\n`);
  const problems = [expect.stringContaining("server.idempotency.maxKeys"), expect.stringContaining("nonsense")];
  expect(await check()).toEqual({ ok: false, problems });
  expect(await check()).toEqual(await byCommand());
  expect(await file.state()).toEqual(before);
  file.write(changed);
});

test("what was set by hand is listed beside the file, with what holds, and survives a reload", async () => {
  await gateway.admin("POST", "/api/providers/other/credentials", { apiKey: "sk-by-hand-0123456789" });
  await gateway.admin("POST", "/api/prices", { target: "mock/*", input: 7, output: 7 });
  await gateway.admin("POST", "/api/limits", { scope: { kind: "global" }, concurrency: 50 });
  await file.reload();
  const { data } = await gateway.admin<{ data: unknown }>("GET", "/api/config/drift");
  expect(data).toEqual([
    { path: "provider.other.apiKey", set: "1 stored key", inFile: true, wins: "database" },
    { path: "prices.mock/*", set: "a price by admin token", inFile: true, wins: "database" },
    { path: "limits.global:global", set: "a limit", inFile: true, wins: "strictest" },
  ]);
});

test("a change of the file is seen where the file asks for it, and a broken one is tried once", async () => {
  await file.reloadWith(changed.replace("server: {", "server: { watchConfig: true,"));
  const { generation } = await file.state();
  file.write(changed.replace("server: {", "server: { watchConfig: true, maxBodyBytes: 5000,"));
  await until("the change is in use", async () => (await file.state()).generation > generation);
  expect((await file.state()).lastReload).toMatchObject({ ok: true, by: "a change of the file" });
  file.write("nonsense: {}");
  await until("it was tried", async () => (await file.state()).lastReload?.ok === false);
  file.write(changed);
  await until("it is well again", async () => (await file.state()).lastReload?.ok === true);
  expect(gateway.log().match(/the config was not reloaded/g)).toHaveLength(1);
});

test("a secret file is watched too, through the links that Kubernetes turns, and one that is to come", async () => {
  const at = (...names: readonly string[]) => join(gateway.directory, ...names);
  const turnTo = (folder: string, key: string) => {
    mkdirSync(at(folder));
    writeFileSync(at(folder, "key"), `${key}\n`);
    symlinkSync(folder, at("..turned"));
    renameSync(at("..turned"), at("..data"));
  };
  const watched = (path: string) =>
    changed
      .replace("server: {", "server: { watchConfig: true,")
      .replace(`apiKey: "${hidden}-2"`, `apiKey: "\${file:${path}}"`);
  const keyInUse = async () => {
    const { data } = await gateway.admin<{ data: { name: string; fileKey: string | null }[] }>("GET", "/api/providers");
    return data.find(({ name }) => name === "other")?.fileKey;
  };
  turnTo("..one", "sk-first-key-of-file-1111");
  await file.reloadWith(watched("..data/key"));
  expect(await keyInUse()).toBe("***1111");
  turnTo("..two", "sk-second-key-of-file-2222");
  await until("the next key is in use", async () => (await keyInUse()) === "***2222");
  file.write(watched("later/key"));
  await until("it was tried", async () => (await file.state()).lastReload?.ok === false);
  mkdirSync(at("later"));
  writeFileSync(at("later", "key"), "sk-third-key-of-file-3333");
  await until("it is in use when it is there", async () => (await keyInUse()) === "***3333");
});

test("what did not come to serve was never applied", async () => {
  await file.reloadWith(changed);
  await gateway.stop();
  file.write(changed.replace("[mock/b]", "[mock/c]"));
  const port = new URL(setup.upstream.baseUrl).port;
  expect(await runCommand(gateway, ["serve"], { PORT: port })).toMatchObject({ code: 1 });
  const { lines }: Plan = JSON.parse((await runCommand(gateway, ["plan", "--json"])).stdout);
  expect(lines.map(({ path }) => path)).toEqual(["models.fast.targets"]);
  await gateway.start();
  expect((await runCommand(gateway, ["plan"])).stdout).toContain("Nothing changes");
});
