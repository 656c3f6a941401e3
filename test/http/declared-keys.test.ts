import { createHash } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { makeKey } from "../../core/identity/key-format.ts";
import { call, chat } from "../support/clients.ts";
import { invariants } from "../support/invariants.ts";
import { usageOf } from "../support/rows.ts";
import { type Setup, setUp } from "../support/setup.ts";

/** Keys that the config file makes and that it alone changes. */
const own = makeKey().key;
const foreign = `ci-${crypto.randomUUID()}`;
const hashed = `elsewhere-${crypto.randomUUID()}`;
const sha256 = createHash("sha256").update(hashed).digest("hex");

let setup: Setup;
beforeAll(async () => {
  setup = await setUp({
    env: { OWN_KEY: own, CI_KEY: foreign },
    config: [
      "keys:",
      '  own: { key: "${OWN_KEY}", models: [echo], metadata: { owner: platform } }',
      '  ci: { key: "${CI_KEY}", limits: { requestsPerMinute: 1000 }, expiresAt: 2100-01-31 }',
      `  old: { sha256: "${sha256}" }`,
    ].join("\n"),
  });
  for (const secret of [own, foreign, hashed]) setup.gateway.secrets.add(secret);
});
afterAll(() => setup.stop());

interface Row {
  readonly id: string;
  readonly name: string;
  readonly declaredAs: string | null;
  readonly disabledAt: number | null;
}
const statusOf = async (key: string, model = "echo") => (await call(setup.gateway, key, chat(model))).status;
const rows = async () => (await setup.gateway.admin<{ data: Row[] }>("GET", "/api/keys")).data;
const rowOf = async (name: string) => {
  const row = (await rows()).find(({ declaredAs }) => declaredAs === name);
  if (!row) throw new Error(`no key ${name}`);
  return row;
};

/** Starts the process again with a file in which the first text stands for the second. */
async function edit(from: string | RegExp, to: string): Promise<void> {
  const path = join(setup.gateway.directory, "llm-proxy.yaml");
  const before = readFileSync(path, "utf8");
  const after = before.replace(from, to);
  expect(after).not.toBe(before);
  await setup.gateway.stop();
  writeFileSync(path, after);
  await setup.gateway.start();
}

describe("keys in the config file", () => {
  test("work as they are declared, and are shown with their names", async () => {
    for (const key of [own, foreign, hashed]) expect(await statusOf(key)).toBe(200);
    expect(await statusOf(own, "mock/other")).toBe(403);
    expect(await rowOf("own")).toMatchObject({ name: "own", models: ["echo"], metadata: { owner: "platform" } });
    expect(await rowOf("ci")).toMatchObject({
      limits: { requestsPerMinute: 1000 },
      expiresAt: Date.UTC(2100, 0, 31),
      last4: foreign.slice(-4),
    });
    await invariants(setup);
  });

  test("are changed by the file alone", async () => {
    const { id } = await rowOf("own");
    for (const [method, path, body] of [
      ["PATCH", "", { name: "mine" }],
      ["POST", "/rotation", {}],
      ["DELETE", "", undefined],
    ] as const) {
      const refused = setup.gateway.admin(method, `/api/keys/${id}${path}`, body);
      await expect(refused).rejects.toThrow(/409 .*keys\.own/);
    }
    expect(await statusOf(own)).toBe(200);
  });

  test("keep their id and records when the file gives them another secret, and the old one ends", async () => {
    const { id } = await rowOf("ci");
    await edit('key: "${CI_KEY}"', `key: "${foreign}-2"`);
    setup.gateway.secrets.add(`${foreign}-2`);
    expect([await statusOf(foreign), await statusOf(`${foreign}-2`)]).toEqual([401, 200]);
    const reply = await call(setup.gateway, `${foreign}-2`, chat("echo"));
    expect(usageOf(setup.gateway, reply.callId)).toMatchObject({ key_id: id });
    await invariants(setup);
  });

  test("are disabled when the file has them no longer, and work again when it has", async () => {
    const before = await rowOf("old");
    await edit(/ {2}old: .*/, "  # none");
    expect(await statusOf(hashed)).toBe(401);
    expect(await rowOf("old")).toMatchObject({ id: before.id, disabledAt: expect.any(Number) });
    await edit("  # none", `  old: { sha256: "${sha256}" }`);
    expect(await statusOf(hashed)).toBe(200);
    expect(await rowOf("old")).toMatchObject({ id: before.id, disabledAt: null });
  });

  test("are all made or none: two with one secret, or an account that is not there, stop the start", async () => {
    const before = await rows();
    const path = join(setup.gateway.directory, "llm-proxy.yaml");
    const file = readFileSync(path, "utf8");
    await setup.gateway.stop();
    for (const [line, message] of [
      [`twin: { sha256: "${sha256}" }`, /llm-proxy\.yaml:\d+:\d+.*keys\.twin.*already/s],
      [`lost: { sha256: "${"0".repeat(64)}", account: nowhere }`, /keys\.lost\.account.*no account/s],
    ] as const) {
      writeFileSync(path, file.replace("keys:\n", `keys:\n  new: { sha256: "${"1".repeat(64)}" }\n  ${line}\n`));
      setup.gateway.spawn();
      expect(await setup.gateway.exited()).toBe(1);
      expect(setup.gateway.log()).toMatch(message);
    }
    writeFileSync(path, file);
    await setup.gateway.start();
    expect(await rows()).toEqual(before);
  });
});
