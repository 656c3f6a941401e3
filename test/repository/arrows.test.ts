import { describe, expect, test } from "bun:test";
import { type Import, importsOf, sources, withoutComments } from "./sources.ts";

/** The parts of the process, by the files they are made of. The first that fits is the file's part. */
const parts: readonly (readonly [name: string, files: RegExp])[] = [
  ["chat", /^core\/chat\//],
  ["dialects", /^core\/dialects\//],
  ["plugin", /^core\/plugin\//],
  ["runtime", /^core\/runtime\//],
  ["config", /^core\/config\//],
  ["storage", /^core\/storage\//],
  ["outbox", /^core\/outbox\//],
  ["identity", /^core\/identity\//],
  ["pipeline", /^core\/pipeline\//],
  ["gateway", /^core\/gateway\.ts$/],
  ["api", /^core\/api\//],
  ["dashboard", /^core\/dashboard\//],
  // What calls need of it, and the whole.
  ["server", /^core\/(front|server)\.ts$/],
  ["main", /^core\/(main\.ts$|commands\/)/],
  ["views", /^views\//],
  ["migrations", /^migrations\//],
  ["plugins/index", /^plugins\/index\.ts$/],
  ["plugins/generate", /^plugins\/generate\.ts$/],
  ["plugins/storage", /^plugins\/storage\//],
  ["plugins", /^plugins\//],
];

const plugin = ["plugin", "chat", "dialects"];
const pipeline = [...plugin, "storage", "runtime"];

/** What each part may import besides itself. */
const arrows: Readonly<Record<string, readonly string[]>> = {
  chat: [],
  dialects: ["chat"],
  // The loader reads its instances from the checked file, and loads code through the runtime.
  plugin: ["chat", "dialects", "config", "runtime"],
  runtime: [],
  config: ["runtime", ...plugin],
  storage: ["runtime", "migrations", ...plugin],
  // Keys, the admin token, the master secret: what the composition root hands to auth plugins, the API and the pages.
  identity: ["storage", "runtime", ...plugin],
  // What is kept, to the plugins that take it.
  outbox: ["storage", ...plugin],
  pipeline,
  gateway: ["pipeline", ...pipeline],
  api: ["config", "identity", "outbox", "pipeline", ...pipeline],
  dashboard: ["views", "gateway", "config", "identity", ...pipeline],
  server: ["gateway", "outbox", "api", "dashboard", "config", "identity", "pipeline", ...pipeline],
  main: [
    "server",
    "gateway",
    "outbox",
    "config",
    "identity",
    "plugins/index",
    "pipeline",
    "api",
    "dashboard",
    ...pipeline,
  ],
  views: [],
  migrations: [],
  "plugins/index": ["plugin", "plugins", "plugins/storage"],
  // A tool, not a plugin: it writes the schema and the README's tables from what the config and the plugins declare.
  "plugins/generate": ["plugin", "config", "plugins/index"],
  "plugins/storage": ["storage", ...plugin],
  plugins: plugin,
};

/** What may be imported against the arrows, for its types alone. Each must still be needed. */
const typesOf: readonly (readonly [part: string, file: string])[] = [
  // What a storage plugin opens, and what the host hands to the other plugins of it.
  ["plugin", "core/storage/database.ts"],
];

/** Packages that only some parts may use; what is not listed here is free. */
const packages: readonly (readonly [name: RegExp, users: readonly string[]])[] = [
  [/^elysia/, ["server", "api", "dashboard"]],
  [/^drizzle-orm/, ["storage", "plugins/storage"]],
  [/^jose/, ["plugins"]],
];

/** Parts that use nothing but the language. */
const bare = ["chat", "plugins/index", "migrations"];

const partOf = (path: string): string | undefined => parts.find(([, files]) => files.test(path))?.[0];

const code = await sources("{core,plugins,views,migrations}/**/*.ts");
const imports = code.flatMap(importsOf);

describe("arrows", () => {
  test("every source file belongs to a part", () => {
    expect(code.length).toBeGreaterThan(0);
    expect(code.filter(({ path }) => partOf(path) === undefined).map(({ path }) => path)).toEqual([]);
  });

  test("no part imports against the arrows", () => {
    const wrong = imports.filter((found) => !isAllowed(found)).map(({ from, to }) => `${from} → ${to}`);
    expect(wrong).toEqual([]);
  });

  test("every exception is needed", () => {
    const unused = typesOf.filter(
      ([part, file]) => !imports.some(({ from, to }) => partOf(from) === part && to === file),
    );
    expect(unused).toEqual([]);
  });

  test("plugins know the host as llm-proxy/plugin, so that they work outside this tree", () => {
    const direct = code
      .filter(({ path }) => path.startsWith("plugins/") && !/^plugins\/(index|generate)\.ts$/.test(path))
      .filter(({ text }) => /["'][./]+core\/plugin\//.test(withoutComments(text)));
    expect(direct.map(({ path }) => path)).toEqual([]);
  });

  test("only the loader and the config reader import a path computed at run time", () => {
    const computed = imports.filter(({ to }) => to === null).map(({ from }) => partOf(from));
    expect(computed.filter((part) => part !== "plugin" && part !== "config" && part !== "runtime")).toEqual([]);
  });
});

describe("runtime", () => {
  /** `drizzle-orm/bun-sqlite/session` is Drizzle's own code and does not import Bun. */
  const named =
    /\b(?:Bun|Deno)\s*[.[]|typeof (?:Bun|Deno)\b|["'](?:Bun|Deno)["']\s+in\b|=\s*(?:Bun|Deno)\b|["']bun(?::[^"']*)?["']/;
  const free = /^(core\/runtime|plugins\/storage|plugins\/rate-limit)\//;

  test("only core/runtime and plugins about a runtime's own client name Bun or Deno", () => {
    const naming = code.filter(({ path, text }) => !free.test(path) && named.test(withoutComments(text)));
    expect(naming.map(({ path }) => path)).toEqual([]);
  });

  test.each([
    `Bun.file("x")`,
    `const { serve } = Bun;`,
    `if ("Deno" in globalThis) {}`,
    `typeof Bun === "undefined"`,
    `import { Database } from "bun:sqlite";`,
  ])("sees %p", (text) => expect(named.test(withoutComments(text))).toBe(true));
  test.each(["// Bun.file is faster", "/** On `Deno.serve` see there. */", "process.env.BUN_CONFIG_MAX_HTTP_REQUESTS"])(
    "lets %p pass",
    (text) => expect(named.test(withoutComments(text))).toBe(false),
  );
});

describe("the reader of imports", () => {
  const reads = (text: string) => importsOf({ path: "core/pipeline/admit.ts", text }).map(({ to }) => to);

  test.each([
    [`import { a } from "../chat/error.ts";`, ["core/chat/error.ts"]],
    [`import type {\n  A,\n  B,\n} from "../chat/error.ts";`, ["core/chat/error.ts"]],
    [
      `export { type A, b } from "../chat/error.ts";\nexport * from "./x.ts";`,
      ["core/chat/error.ts", "core/pipeline/x.ts"],
    ],
    [`import "../side-effect.ts";`, ["core/side-effect.ts"]],
    [`import text from "./a.sql" with { type: "text" };`, ["core/pipeline/a.sql"]],
    [`const load = () => import("../../plugins/index.ts");`, ["plugins/index.ts"]],
    [`await import(path);`, [null]],
    [`import { t } from "llm-proxy/plugin";`, ["core/plugin/plugin.ts"]],
    [`// import { a } from "../chat/error.ts";`, []],
    [`export const name = "from";\nconst other = "x";`, []],
  ])("%p", (text, expected) => expect(reads(text)).toEqual(expected));

  test.each([
    [`import type { A } from "x";`, true],
    [`import { type A, type B } from "x";`, true],
    [`import { type A, b } from "x";`, false],
    [`import { typeOf } from "x";`, false],
    [`import a, { type B } from "x";`, false],
    [`export type { A } from "x";`, true],
    [`import "x";`, false],
  ])("knows that %p is for types alone: %p", (text, expected) => {
    expect(importsOf({ path: "core/server.ts", text })[0]?.typeOnly).toBe(expected);
  });

  test.each([
    ["core/chat/request.ts", "core/dialects/dialect.ts"],
    ["plugins/auth/api-key.ts", "core/storage/database.ts"],
    ["core/plugin/load.ts", "core/storage/database.ts"],
    ["core/server.ts", "plugins/index.ts"],
    ["core/pipeline/admit.ts", "elysia"],
    ["views/keys.ts", "core/storage/database.ts"],
    ["core/chat/usage.ts", "node:fs"],
  ])("would refuse %p importing %p", (from, to) => {
    expect(isAllowed({ from, to, typeOnly: false })).toBe(false);
  });
});

function isAllowed({ from, to, typeOnly }: Import): boolean {
  const part = partOf(from);
  if (part === undefined || to === null) return true;
  const target = partOf(to);
  if (target !== undefined) {
    if (target === part || arrows[part]?.includes(target) === true) return true;
    return typeOnly && typesOf.some(([allowed, file]) => allowed === part && file === to);
  }
  if (to.startsWith("test/") || bare.includes(part)) return false;
  const users = packages.find(([name]) => name.test(to))?.[1];
  return users === undefined || users.includes(part);
}
