import { afterAll, beforeAll, describe, expect, jest, test } from "bun:test";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { importConfig } from "../../core/config/typescript.ts";
import { type Builtins, findPlugin } from "../../core/plugin/find.ts";
import { resolvePlugins } from "../../core/plugin/load.ts";
import { setupPlugins } from "../../core/plugin/setup.ts";
import { definePlugin, GatewayError, t } from "../../core/plugin/plugin.ts";
import { builtins as realBuiltins } from "../../plugins/index.ts";
import { failureOf } from "../config/failure.ts";
import { builtinsOf, configOf, fakeStorage, plugin, recordingHost } from "./host.ts";

const meter = definePlugin({
  kind: "observer",
  name: "meter",
  api: 1,
  config: t.Object({
    endpoint: t.String({ minLength: 1 }),
    unit: t.Union([t.Literal("ms"), t.Literal("s")], { default: "ms" }),
    everyMs: t.Integer({ minimum: 1, default: 1000 }),
    on: t.Boolean({ default: true }),
    buckets: t.Optional(t.Object({ edges: t.Array(t.Number()) }, { additionalProperties: false })),
    file: t.Optional(t.String({ filePath: true })),
  }),
  setup: () => ({ callEnded: () => {} }),
});
const builtins = builtinsOf([fakeStorage([]), meter]);

let folder = "";
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "llm-proxy-plugins-"));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const resolve = async (text: string, more: { path?: string; env?: Record<string, string>; from?: Builtins } = {}) =>
  resolvePlugins(await configOf(text, more), more.from ?? builtins);
const optionsOf = async (text: string, more = {}) =>
  (await resolve(text, more)).find(({ kind }) => kind === "observer")?.options;
const messageOf = (text: string, more = {}) => failureOf(resolve(text, more));

describe("options", () => {
  test("are defaulted, without `use`", async () => {
    expect(await optionsOf("observer:\n  a: { use: meter, endpoint: x }")).toEqual({
      endpoint: "x",
      unit: "ms",
      everyMs: 1000,
      on: true,
    });
  });

  test("from the environment become what the schema wants", async () => {
    const env = { MS: "5", ON: "false", AT: "1" };
    const text =
      'observer:\n  meter: { endpoint: "${AT}", everyMs: "${MS}", on: "${ON}", buckets: { edges: ["${AT}"] } }';
    expect(await optionsOf(text, { env })).toEqual({
      endpoint: "1",
      unit: "ms",
      everyMs: 5,
      on: false,
      buckets: { edges: [1] },
    });
  });

  test("that are paths are relative to the file", async () => {
    const path = "/etc/proxy/llm-proxy.yaml";
    expect(await optionsOf("observer:\n  meter: { endpoint: x, file: ./a/b }", { path })).toMatchObject({
      file: "/etc/proxy/a/b",
    });
    expect(await optionsOf("observer:\n  meter: { endpoint: x, file: /a/b }", { path })).toMatchObject({
      file: "/a/b",
    });
  });

  test("of the built-in sqlite: the path is relative to the file", async () => {
    const resolved = await resolve("storage: { sqlite: { path: data/x.db } }", {
      path: "/etc/proxy/llm-proxy.yaml",
      from: realBuiltins,
    });
    expect(resolved[0]?.options).toMatchObject({ path: "/etc/proxy/data/x.db" });
  });

  test.each([
    ["meter: {}", "3 observer.meter.endpoint: missing, and it has no default"],
    ['meter: { endpoint: "" }', "22 observer.meter.endpoint: expected text, not an empty string"],
    ["a: { use: meter, endpoint: x, unit: min }", '39 observer.a.unit: expected "ms" or "s"'],
    ["meter: { endpoint: x, everyms: 5 }", '25 observer.meter.everyms: unknown key (did you mean "everyMs"?)'],
    ["meter: { endpoint: x, everyMs: '5' }", "34 observer.meter.everyMs: expected integer"],
    [
      "meter: { endpoint: x, buckets: { edge: [] } }",
      "25 observer.meter.buckets.edges: missing, and it has no default",
    ],
  ])("%p is refused with its place", async (instance, message) => {
    expect((await messageOf(`observer:\n  ${instance}`)).split("\n")[0]).toBe(`llm-proxy.yaml:2:${message}`);
  });

  test("all faults of all instances are reported together", async () => {
    const text = "observer:\n  meter: { endpoint: x, on: 1 }\n  metre: {}\n  b: { use: meter }";
    expect((await messageOf(text)).split("\n")).toEqual([
      "llm-proxy.yaml:2:29 observer.meter.on: expected boolean",
      'llm-proxy.yaml:3:3 observer "metre": no built-in observer plugin "metre" (did you mean "meter"?), and no npm package of that name beside the config file',
      "llm-proxy.yaml:4:3 observer.b.endpoint: missing, and it has no default",
    ]);
  });
});

test("a check that returns a promise is refused: nobody would hear what it finds", async () => {
  const check = () => Promise.reject(new Error("x: is bad"));
  const late = { ...plugin("observer", "late", () => ({ callEnded: () => {} })), check };
  expect(await messageOf("observer:\n  late: {}", { from: builtinsOf([fakeStorage([]), late]) })).toBe(
    "llm-proxy.yaml:2:3 observer.late: check() returned a promise: nobody waits for it",
  );
});

test("a second jwt instance of one issuer is refused at its place: it would never be asked", async () => {
  const jwt = (name: string, issuer: string) => `  ${name}: { use: jwt, issuer: "${issuer}", audience: a }`;
  const text = (...instances: readonly string[]) => `auth:\n${instances.join("\n")}`;
  const fine = text(jwt("one", "https://a.example"), "  keys: { use: api-key }", jwt("two", "https://a.example/"));
  expect(await resolve(fine, { from: realBuiltins })).toHaveLength(4);
  const twice = text(jwt("one", "https://a.example"), jwt("two", "${ISSUER}"));
  expect(await messageOf(twice, { from: realBuiltins, env: { ISSUER: "https://a.example" } })).toContain(
    'auth.two.issuer: "one" has the same one; list the audiences of both there',
  );
});

describe("what is no plugin is refused with its place", () => {
  const broken = (fields: object) =>
    builtinsOf([fakeStorage([]), { ...plugin("observer", "x", () => ({})), ...fields }]);

  test.each([
    [{ api: 2 }, '"x" was written for plugin interface 2; this version has 1'],
    [{ api: undefined }, '"x" was written for plugin interface (none); this version has 1'],
    [{ setup: undefined }, '"x" has no setup function'],
    [{ config: t.String() }, 'the config of "x" is no t.Object schema'],
  ])("%p", async (fields, message) => {
    expect(await messageOf("observer: { x: {} }", { from: broken(fields) })).toBe(
      `llm-proxy.yaml:1:13 observer "x": ${message}`,
    );
  });

  test.each([
    ["nothing.ts", "export const x = 1;", "has no default export; write export default definePlugin({ … })"],
    ["number.ts", "export default 3;", "the default export is no plugin; write export default definePlugin({ … })"],
    [
      "kindless.ts",
      "export default { kind: 'toaster', name: 'x', api: 1 };",
      "its kind is none of storage, provider, auth, rate-limit, billing, guardrail, cache, observer",
    ],
    [
      "other.ts",
      "export default { kind: 'cache', name: 'x', api: 1, config: { type: 'object' }, setup() {} };",
      "exports no observer plugin, but: cache",
    ],
    [
      "plain.ts",
      "export default { kind: 'observer', name: 'x', api: 1, config: { type: 'object' }, setup() {} };",
      "its config has a part that nothing can be checked by: build it with t of llm-proxy/plugin, without t.Unsafe",
    ],
    [
      "twice.ts",
      `const one = { kind: 'observer', name: 'x', api: 1, config: { type: 'object' }, setup() {} };
       export default [one, { ...one }];`,
      "exports two observer plugins of the name x",
    ],
    [
      "what?.ts",
      "export default 3;",
      "import failed: Bun loads nothing whose path has a question mark in it; rename that file or folder",
    ],
    ["throws.ts", "throw new Error('on purpose');", "import failed: on purpose"],
  ])("%s", async (name, content, message) => {
    write(name, content);
    const path = join(folder, "llm-proxy.yaml");
    expect(await messageOf(`observer:\n  x: { use: ./${name} }`, { path })).toBe(
      `${path}:2:13 observer "x" (./${name}): ${message}`,
    );
  });

  test.each([
    ["a mistake in its text", "text.ts", "const x = 1;\nconst y = ;\n", "text.ts:2:11: Unexpected ;"],
    ["several", "texts.ts", "const x = 1;\nimport { from 'x';\n", `texts.ts:2:15: Expected "}" but found "'x'"`],
    ["one in what it imports", "over.ts", 'import "./text.ts";', "text.ts:2:11: Unexpected ;"],
  ])("a file with %s says where", async (_, name, content, message) => {
    write("text.ts", "const x = 1;\nconst y = ;\n");
    write(name, content);
    const path = join(folder, "llm-proxy.yaml");
    const failed = await messageOf(`observer:\n  x: { use: ./${name} }`, { path });
    expect(failed).toBe(`${path}:2:13 observer "x" (./${name}): import failed: ${folder}/${message}`);
    // Loaded again, it has a version in its name.
    write(name, `${content}\n`);
    expect(await messageOf(`observer:\n  x: { use: ./${name} }`, { path })).toBe(failed);
  });

  test("a file that is not there", async () => {
    expect(await messageOf("observer:\n  x: { use: ./none.ts }", { path: join(folder, "c.yaml") })).toEndWith(
      'observer "x" (./none.ts): no such file',
    );
  });

  test("a package that is not there", async () => {
    expect(
      await messageOf("observer:\n  x: { use: 'npm:llm-proxy-none' }", { path: join(folder, "c.yaml") }),
    ).toEndWith(
      'observer "x" (npm:llm-proxy-none): npm package "llm-proxy-none" is not installed beside the config file',
    );
  });

  test("a name that only an object's prototype has", async () => {
    expect(await messageOf("observer: { toString: {} }")).toContain('no built-in observer plugin "toString"');
  });
});

describe("plugins from outside", () => {
  test("a file beside the config needs no node_modules, and shares the host's classes", async () => {
    write(
      "acme.ts",
      `import { definePlugin, GatewayError, t } from "llm-proxy/plugin";
       import { region } from "./region.ts";
       export default definePlugin({
         kind: "auth", name: "acme", api: 1, description: "Acme's keys.",
         config: t.Object({ region: t.String({ default: region }) }),
         setup: ({ region }, { name }) => ({ authenticate() { throw new GatewayError("unauthenticated", name + " " + region); } }),
       });`,
    );
    write("region.ts", `export const region: string = "eu";`);
    const loaded = await configOf("auth: { staff: { use: ./acme.ts } }", { path: join(folder, "llm-proxy.yaml") });
    const plugins = await setupPlugins(loaded, await resolvePlugins(loaded, builtins), recordingHost([]));
    expect(plugins.instances[1]).toEqual({
      kind: "auth",
      name: "staff",
      plugin: "acme",
      origin: "file",
      description: "Acme's keys.",
    });
    const refuse = () => plugins.auth[0]?.slot.authenticate("key", new Request("http://localhost"));
    expect(refuse).toThrow(new GatewayError("unauthenticated", "staff eu"));
    expect(refuse).toThrow(GatewayError);
  });

  test("an npm package beside the config, with and without npm:", async () => {
    write(
      "node_modules/llm-proxy-demo/package.json",
      `{ "name": "llm-proxy-demo", "type": "module", "exports": "./main.js" }`,
    );
    write(
      "node_modules/llm-proxy-demo/main.js",
      `import { definePlugin, t } from "llm-proxy/plugin";
       export default ["one", "two"].map((name) => definePlugin({ kind: "observer", name, api: 1, config: t.Object({}), setup: () => ({ callEnded() {} }) }));`,
    );
    const path = join(folder, "llm-proxy.yaml");
    const text = "observer:\n  one: { use: llm-proxy-demo }\n  two: { use: 'npm:llm-proxy-demo' }";
    expect((await resolve(text, { path })).slice(1).map((found) => [found.plugin.name, found.origin])).toEqual([
      ["one", "npm"],
      ["two", "npm"],
    ]);
    expect(await messageOf("observer:\n  x: { use: llm-proxy-demo }", { path })).toEndWith(
      "exports several observer plugins; name the instance after one of them: one, two",
    );
  });
});

test("the list of built-ins finds every plugin under its own name", async () => {
  for (const [kind, list] of Object.entries(realBuiltins)) {
    for (const [name, load] of Object.entries(list)) {
      const { default: exported } = Object(await load());
      const found = [exported].flat().filter((item) => item.kind === kind && item.name === name);
      expect(found.length === 1 ? "found" : `${kind} ${name} is not in its module`).toBe("found");
    }
  }
});

function write(name: string, content: string): void {
  mkdirSync(dirname(join(folder, name)), { recursive: true });
  writeFileSync(join(folder, name), content);
}

test("an import that does not end is given up after ten seconds, that of a config in TypeScript too", async () => {
  const never = () => new Promise(() => {});
  const file = join(folder, "never.ts");
  writeFileSync(file, "await new Promise(() => {});\nexport default {};\n");
  jest.useFakeTimers();
  try {
    const failures = Promise.allSettled([
      findPlugin({ kind: "auth", name: "slow", use: "slow", directory: folder }, { auth: { slow: never } }),
      importConfig(file),
    ]);
    jest.advanceTimersByTime(10_000);
    for (const failure of await failures)
      expect(failure).toMatchObject({ reason: { message: "import failed: no result after 10000 ms" } });
  } finally {
    jest.useRealTimers();
  }
});
