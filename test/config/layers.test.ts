import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { check } from "../../core/commands/check.ts";
import type { CommandInput } from "../../core/commands/command.ts";
import { builtins } from "../../plugins/index.ts";
import { failureOf } from "./failure.ts";

/** `check` says in one run all that would keep the server from starting and that can be known without starting it. */

let folder = "";
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "llm-proxy-check-"));
  writeFileSync(
    join(folder, "words.ts"),
    `import { definePlugin, t } from "llm-proxy/plugin";
     export default definePlugin({ kind: "guardrail", name: "words", api: 1, config: t.Object({}), setup: () => ({ input: () => null }) });`,
  );
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

async function checked(text: string, env: CommandInput["env"] = {}): Promise<{ lines: string[]; printed: string[] }> {
  const config = join(folder, "c.yaml");
  writeFileSync(config, text);
  const printed: string[] = [];
  const message = await failureOf(
    check({
      flags: { config },
      words: [],
      env,
      builtins,
      version: "0",
      print: (line) => void printed.push(line),
      printError: () => {},
    }),
  );
  return { lines: message.replaceAll(config, "c.yaml").split("\n"), printed };
}

test("mistakes of every layer are named together: sections, meaning, plugins, options, and how they fit", async () => {
  const { lines } = await checked(
    `sevrer: {}
provider:
  openai: { apiKeyy: x, apiKey: "\${NOT_SET}" }
  opena: { apiKey: x }
  mine: { use: openai-compatible, baseUrl: "https://me:secret-word@example.com" }
auth:
  staff: { use: jwt, issuer: https://login.example.com, audience: x, secret: short-word }
  other: { use: jwt, issuer: https://login.example.com, audience: x, jwksUrl: http://keys.example.com }
  third: { use: jwt, issuer: https://login.example.com, audience: x, models: [a], claims: { models: b } }
billing:
  ledger: { charges: [{ target: "*", discount: 100.5 }] }
guardrail:
  words: { use: ./words.ts }
models:
  fast: [nobody/gpt-5]
`,
    { PORT: "none" },
  );
  expect(lines).toEqual([
    "environment variable PORT: expected integer",
    'c.yaml:1:1 sevrer: unknown key (did you mean "server"?)',
    'c.yaml:3:13 provider.openai.apiKeyy: unknown key (did you mean "apiKey"?)',
    expect.stringMatching(/^c\.yaml:3:33 provider\.openai\.apiKey: .*NOT_SET/),
    expect.stringMatching(/^c\.yaml:4:3 provider "opena": no built-in provider plugin "opena"/),
    "c.yaml:5:44 provider.mine.baseUrl: a user name or password does not belong here; use apiKey or headers",
    "c.yaml:7:78 auth.staff.secret: HS256 needs at least 32 bytes",
    "c.yaml:8:79 auth.other.jwksUrl: keys are fetched over https (or set allowHttp)",
    "c.yaml:9:3 auth.third: models and claims.models: only one of them can say what may be called",
    "c.yaml:11:48 billing.ledger.charges[0].discount: more than 100 percent",
    "c.yaml:13:3 guardrail.words: this version runs no guardrail plugins",
    expect.stringMatching(/^c\.yaml:15:10 models\.fast\[0\]: .*nobody/),
  ]);
  expect(lines.join("\n")).not.toMatch(/secret-word|short-word/);
});

test.each([
  ["foo/*", 'c.yaml:2:42 billing.ledger.charges[0].target: no provider instance "foo"'],
  ["foo*", 'c.yaml:2:42 billing.ledger.charges[0].target: no provider instance "foo*"'],
  ["echo", "c.yaml:2:42 billing.ledger.charges[0].target: expected instance/model, or a pattern that ends in *"],
  ["echo-x/y", 'c.yaml:2:42 billing.ledger.charges[0].target: no provider instance "echo-x"'],
  ["*", ""],
  ["echo/*", ""],
  ["echo/any", ""],
  ["ec*", ""],
  ["echo/an*", ""],
])("terms of charging for %s are for models of a provider that is there", async (target, line) => {
  const { lines } = await checked(
    `provider: { echo: {} }\nbilling: { ledger: { charges: [{ target: "${target}", fee: 1 }, { account: a, fee: 1 }] } }`,
  );
  expect(lines).toEqual([line]);
});

test("terms of charging that are said twice", async () => {
  const { lines } = await checked(
    'billing: { ledger: { charges: [{ account: a, margin: 10 }, { account: b, margin: 10 }, { account: a, target: "*", margin: 20 }] } }',
  );
  expect(lines).toEqual(["c.yaml:1:88 billing.ledger.charges[2]: the same account and target as charges[0]"]);
});

test("what only the database knows is said not to be checked", async () => {
  const key = `{ sha256: "${"0".repeat(64)}"`;
  const limit = (kind: string, id: string) => `{ scope: { kind: ${kind}, id: ${id} }, requestsPerDay: 1 }`;
  const known = `[${limit("account", "default")}, ${limit("key", "a")}, ${limit("provider", "echo")}]`;
  writeFileSync(
    join(folder, "odd.ts"),
    `import { definePlugin, t } from "llm-proxy/plugin";
     const plugin = { kind: "observer", name: "odd", api: 1, config: t.Object({}), check: () => ["pool", 7] };
     export default definePlugin({ ...plugin, setup: () => ({ usage: () => {} }) });`,
  );
  const unknown = `[${limit("account", "team")}, ${limit("key", "a")}, ${limit("key", "c")}]`;
  const { printed } = await checked(
    `keys: { a: ${key} }, b: ${key.replace("0", "1")}, account: team } }\nlimits: ${unknown}
billing: { ledger: { charges: [{ fee: 1 }, { account: team, fee: 1 }] } }
observer: { odd: { use: ./odd.ts } }`,
  );
  expect(printed).toEqual([
    expect.stringMatching(/c\.yaml is valid: \d+ plugin instances\.$/),
    "Not checked, as the database knows it: the accounts of the keys b.",
    "Not checked, as the database knows it: the account or key of limits[0], limits[2].",
    "Not checked, as the database knows it: billing.ledger.charges[1].account.",
    "Not checked, as the database knows it: observer.odd.pool.",
  ]);
  expect((await checked(`keys: { a: ${key} } }\nlimits: ${known}`)).printed).toHaveLength(1);
});
