import { afterAll, expect, test } from "bun:test";
import { existsSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { call, chat } from "../support/clients.ts";
import { configFileOf } from "../support/config-file.ts";
import { invariants } from "../support/invariants.ts";
import { answers } from "../support/openai-answers.ts";
import { until } from "../support/poll.ts";
import { setUp } from "../support/setup.ts";

/** A config that fails when all of it is made and tested already, in the turn that puts it into use. */
const setup = await setUp();
const { gateway, upstream } = setup;
afterAll(setup.stop);
upstream.on("ok", answers());

const file = configFileOf(gateway);
const at = (name: string) => join(gateway.directory, name);
/** `refuses` names billers that take no prices any more; while `hold` is there, no stored key is opened. */
writeFileSync(
  at("parts.ts"),
  `import { existsSync, readFileSync, writeFileSync } from "node:fs";
  import { setTimeout } from "node:timers/promises";
  import { definePlugin, t } from "llm-proxy/plugin";
  const at = (name) => ${JSON.stringify(gateway.directory)} + "/" + name;
  export default [
    definePlugin({
      kind: "billing",
      name: "own",
      api: 1,
      config: t.Object({ label: t.String(), hidden: t.String() }),
      setup: ({ label, hidden }) => ({
        policy: { unpriced: "refuse", interrupted: "input", uncappedOutputTokens: 100 },
        rate({ inputTokens, outputTokens }, { provider }) {
          const costNano = provider === "mock" ? inputTokens * 1_000 + outputTokens * 2_000 : 0;
          return { costNano, chargeNano: costNano, priceVersion: label, lines: [] };
        },
        adopt() {
          if (existsSync(at("refuses")) && readFileSync(at("refuses"), "utf8").includes(label))
            throw new Error(label + " takes no prices " + hidden);
        },
      }),
    }),
    definePlugin({
      kind: "provider",
      name: "slow",
      api: 1,
      config: t.Object({ apiKey: t.Optional(t.String()), label: t.String() }),
      async setup({ apiKey }) {
        if (apiKey && existsSync(at("hold"))) writeFileSync(at("begun"), "");
        while (apiKey && existsSync(at("hold"))) await setTimeout(5);
        return { dialects: ["openai-chat"], request: () => ({ url: "http://127.0.0.1:1/", headers: {}, body: "" }) };
      },
    }),
  ];`,
);
const keyOf = (label: string) => `declared-key-${label}-0123456789-abcdef`;
for (const label of ["one", "two"]) {
  const hidden = `told-by-nobody-${label}-0123456789`;
  writeFileSync(at(`hidden-${label}`), hidden);
  for (const secret of [hidden, keyOf(label)]) gateway.secrets.add(secret);
}
const config = (label: string, more = "") =>
  `${file.first.replace("  echo: {}", `  echo: {}\n  slow: { use: ./parts.ts, label: ${label} }`)}
billing: { own: { use: ./parts.ts, label: ${label}, hidden: "\${file:hidden-${label}}" } }
keys: { ${label}: { key: ${keyOf(label)} } }
models: { ${label}: [mock/ok] }
${more}`;
const statusOf = async (label: string, model = label) => (await call(gateway, keyOf(label), chat(model))).status;

for (const [what, refusing] of [
  ["that its biller does not survive", "two"],
  ["that the biller of before does not survive either", "one two"],
] as const)
  test(`a turn ${what} leaves everything as it was`, async () => {
    await file.reloadWith(config("one"));
    const credentials = "/api/providers/slow/credentials";
    const { id } = await gateway.admin<{ id: string }>("POST", credentials, { apiKey: `sk-stored-${refusing.length}` });
    const { generation } = await file.state();
    writeFileSync(at("hold"), "");
    file.write(config("two", "limits: [{ scope: { kind: model, id: one }, requestsPerMinute: 1 }]"));
    const reload = file.reload().catch(String);
    await until("all but the stored keys is made", () => existsSync(at("begun")));
    await gateway.admin("POST", "/api/prices", { target: "mock/another", input: 1, output: 2 });
    writeFileSync(at("refuses"), refusing);
    rmSync(at("hold"));
    expect(await reload).toContain("two takes no prices ***");
    expect((await file.state()).generation).toBe(generation);
    expect([await statusOf("one"), await statusOf("one"), await statusOf("one", "two")]).toEqual([200, 200, 404]);
    expect(await statusOf("two")).toBe(401);
    expect(await gateway.admin("PATCH", `${credentials}/${id}`, { weight: 2 })).toMatchObject({ weight: 2 });
    rmSync(at("refuses"));
    rmSync(at("begun"));
    await file.reload();
    expect([await statusOf("one"), await statusOf("two")]).toEqual([401, 200]);
    await gateway.admin("DELETE", `${credentials}/${id}`);
  });

test("nothing was lost or counted twice, and no secret told", () => invariants(setup));
