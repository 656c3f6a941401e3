import { Database } from "bun:sqlite";
import { afterAll, describe, expect, test } from "bun:test";
import { copyFileSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { call, chat } from "../support/clients.ts";
import { runCommand } from "../support/command.ts";
import { answers, completion } from "../support/openai-answers.ts";
import { takeLock } from "../../core/runtime/lock.ts";
import { until } from "../support/poll.ts";
import { allBudgets, openCalls, usageOf } from "../support/rows.ts";
import { json } from "../support/scripts.ts";
import { setUp } from "../support/setup.ts";

const setup = await setUp({ key: { budget: { usd: 5, window: "day" } } });
const { gateway, upstream, key } = setup;
afterAll(() => setup.stop());

const reprice = async (...args: readonly string[]) => {
  const { code, stdout, stderr } = await runCommand(gateway, [
    "reprice",
    "--from",
    "0",
    "--to",
    "4102444800000",
    "--json",
    ...args,
  ]);
  return { code, stderr, ...(stdout && JSON.parse(stdout)) };
};
const doctor = async () => {
  const { stdout } = await runCommand(gateway, ["doctor", "--json"]);
  return JSON.parse(stdout).ok;
};

describe("reprice", () => {
  test("works through the process that serves: says first, then writes, then finds nothing", async () => {
    upstream.on("m", answers({ promptTokens: 1_000, completionTokens: 100 }));
    const { callId } = await call(gateway, key.key, chat("mock/m"));
    await until("the record", () => openCalls(gateway) === 0);
    expect(usageOf(gateway, callId).charge_nano).toBe(1_200_000);
    // Prices never change the past; a file with another price does, for who asks for it.
    const { config } = await corrected(2, 4);
    expect(config).toContain("input: 2");
    await gateway.restart();

    expect(await reprice("--dry-run")).toMatchObject({
      ok: true,
      dryRun: true,
      examined: 1,
      changed: 1,
      chargeDeltaNano: 1_200_000,
    });
    expect(usageOf(gateway, callId).charge_nano).toBe(1_200_000);
    expect(await reprice("--reason", "the list was wrong")).toMatchObject({ changed: 1, chargeDeltaNano: 1_200_000 });
    expect(usageOf(gateway, callId)).toMatchObject({ cost_nano: 2_400_000, charge_nano: 2_400_000 });
    expect(gateway.sql("select kind, delta_nano from v_ledger where call_id = ? order by seq", callId)).toEqual([
      { kind: "charge", delta_nano: -1_200_000 },
      { kind: "adjustment", delta_nano: -1_200_000 },
    ]);
    expect(allBudgets(gateway)).toMatchObject([{ spent_nano: 2_400_000, held_nano: 0 }]);
    const { total } = await gateway.admin<{ total: object }>("GET", "/api/usage");
    expect(total).toMatchObject({ calls: 1, chargeNano: 2_400_000 });
    const detail = await gateway.admin<{ adjustments: object[] }>("GET", `/api/calls/${callId}`);
    expect(detail.adjustments).toMatchObject([{ reason: "the list was wrong", author: "command line" }]);
    for (const account of ["", "&account=default"])
      expect(await gateway.admin<object>("GET", `/api/ledger?kind=adjustment${account}`)).toMatchObject({
        data: [{ kind: "adjustment", callId, deltaNano: -1_200_000 }],
        next: null,
      });
    const { data } = await gateway.admin<{ data: object[] }>("GET", "/api/ledger?limit=1");
    expect(data).toMatchObject([{ kind: "adjustment", callId, note: "the list was wrong, command line" }]);
    expect(await reprice()).toMatchObject({ examined: 1, changed: 0 });
    expect(await doctor()).toBe(true);
  });

  test("works on the database when no process serves", async () => {
    await gateway.stop();
    await corrected(1, 2);
    const file = join(gateway.dataDir, "llm-proxy.db");
    const full = "BEFORE INSERT ON adjustments BEGIN SELECT RAISE(ABORT, 'database or disk is full'); END";
    change(file, `CREATE TRIGGER full ${full}`);
    const problems = [`the database ${file} cannot be written: database or disk is full`];
    expect(await reprice()).toMatchObject({ code: 1, ok: false, problems });
    change(file, "DROP TRIGGER full");
    expect(await reprice("--model", "mock/m")).toMatchObject({ ok: true, changed: 1, chargeDeltaNano: -1_200_000 });
    expect(await reprice()).toMatchObject({ changed: 0 });
    expect(await doctor()).toBe(true);
    await gateway.start();
    expect(allBudgets(gateway)).toMatchObject([{ spent_nano: 1_200_000 }]);
  });

  test("leaves a call as it is whose new rating is too large, names it, and rates the others", async () => {
    const other = await gateway.createKey();
    upstream.on("huge", answers({ promptTokens: 900_000_000, completionTokens: 0 }));
    const huge = await call(gateway, other.key, chat("mock/huge"));
    const plain = await call(gateway, other.key, chat("mock/m"));
    await until("the records", () => openCalls(gateway) === 0);
    const before = usageOf(gateway, huge.callId);
    expect(before.charge_nano).toBe(900_000_000_000);
    const { config } = await corrected(1, 3, "  - { target: mock/huge, input: 1000000, output: 0 }\n");
    expect(config).toContain("mock/huge");
    await gateway.admin("POST", "/api/config/reload");

    const failures = [{ callId: huge.callId, error: expect.stringContaining("too large") }];
    const report = { code: 1, ok: false, examined: 3, changed: 2, failed: 1, failures, chargeDeltaNano: 200_000 };
    expect(await reprice("--dry-run")).toMatchObject(report);
    const { code, stdout } = await runCommand(gateway, ["reprice", "--from", "0", "--to", "4102444800000"]);
    expect([code, stdout]).toEqual([1, expect.stringContaining("2 changed, cost by 200000 ")]);
    expect(stdout).toContain(`1 could not be rated and stay as they are:\n  ${huge.callId}: `);
    expect(usageOf(gateway, huge.callId)).toEqual(before);
    expect(usageOf(gateway, plain.callId).charge_nano).toBe(1_300_000);
    expect(await doctor()).toBe(true);
  });

  test("rates the calls of an account that was removed by its terms, and shows their line", async () => {
    const parent = await gateway.admin<{ id: string }>("POST", "/api/accounts", { name: "reseller" });
    const account = await gateway.admin<{ id: string }>("POST", "/api/accounts", {
      name: "customer",
      parentId: parent.id,
    });
    await gateway.admin("POST", "/api/prices/charges", { account: parent.id, margin: 50, fee: 0.001 });
    const own = await gateway.createKey({ accountId: account.id });
    const { callId } = await call(gateway, own.key, chat("mock/m"));
    await until("the record", () => openCalls(gateway) === 0);
    const before = usageOf(gateway, callId);
    expect(Number(before.charge_nano) - 1.5 * Number(before.cost_nano)).toBe(1_000_000);
    await gateway.admin("DELETE", `/api/keys/${own.id}`);
    await gateway.admin("DELETE", `/api/accounts/${account.id}`);
    await reprice();
    expect(usageOf(gateway, callId)).toEqual(before);
    expect(await gateway.admin<object>("GET", `/api/explain/${callId}`)).toMatchObject({
      principal: { accounts: [{ name: "customer" }, { name: "reseller" }] },
    });
  });

  test("changes no call whose service tier has its own price, whatever the tier is called", async () => {
    const { key: other } = await gateway.createKey();
    const tiers = ["default", "standard", "auto", "on_demand", "flex"];
    for (const tier of tiers) {
      const answer = { ...completion(`id-${tier}`, { promptTokens: 100, completionTokens: 0 }), service_tier: tier };
      upstream.on(`tier-${tier}`, json(200, JSON.stringify(answer)));
      await gateway.admin("POST", "/api/prices", {
        target: `mock/tier-${tier}`,
        input: 1,
        output: 1,
        serviceTiers: { [tier]: { input: 3, output: 3 } },
      });
      const { callId } = await call(gateway, other, chat(`mock/tier-${tier}`));
      expect(usageOf(gateway, callId).charge_nano).toBe(300_000);
      const order = { from: 0, model: `mock/tier-${tier}`, reason: "nothing has changed" };
      expect(await gateway.admin("POST", "/api/ledger/reprice", order)).toMatchObject({ examined: 1, changed: 0 });
    }
  });

  test("says what it lacks", async () => {
    expect((await runCommand(gateway, ["reprice"])).code).toBe(2);
    expect((await runCommand(gateway, ["reprice", "--from", "yesterday", "--to", "0"])).code).toBe(2);
    for (const time of ["2026-02-30", "2026-04-31T10:00:00+02:00"])
      expect((await runCommand(gateway, ["reprice", "--from", time, "--to", "2100-01-01"])).code).toBe(2);
    const leapDay = ["reprice", "--from", "2096-02-29T23:00:00-02:00", "--to", "2100-01-01", "--dry-run"];
    expect((await runCommand(gateway, leapDay)).code).toBe(0);
    const tokenless = await runCommand(gateway, ["reprice", "--from", "0", "--to", "1"], {
      LLM_PROXY_ADMIN_TOKEN: undefined,
    });
    expect(tokenless).toMatchObject({ code: 1, stderr: expect.stringContaining("LLM_PROXY_ADMIN_TOKEN") });
    const elsewhere = await runCommand(gateway, ["reprice", "--from", "0", "--to", "1"], { PORT: "9" });
    expect(elsewhere).toMatchObject({ code: 1, stderr: expect.stringContaining("in use by process") });
  });

  test("rates the calls of the database it is given, whatever serves at the address", async () => {
    const copy = join(gateway.directory, "copy");
    mkdirSync(copy);
    const [file, range] = [join(copy, "llm-proxy.db"), ["--from", "0", "--to", "1"]];
    const env = { LLM_PROXY_DATA: copy, LLM_PROXY_ADMIN_TOKEN: undefined };
    const none = await runCommand(gateway, ["reprice", ...range], { LLM_PROXY_DATA: copy });
    expect(none).toMatchObject({ code: 1, stderr: expect.stringContaining("there is no database") });
    expect((await runCommand(gateway, ["backup", file])).code).toBe(0);
    copyFileSync(join(gateway.dataDir, "secret"), join(copy, "secret"));
    // Without a token, the serving one would refuse.
    expect(await runCommand(gateway, ["reprice", ...range], env)).toMatchObject({ code: 0, stderr: "" });
    // Another process holds it, and this one serves at the address.
    const release = await takeLock(`${file}.lock`);
    const other = await runCommand(gateway, ["reprice", ...range], { LLM_PROXY_DATA: copy });
    release();
    expect(other).toMatchObject({ code: 1, stderr: expect.stringContaining(`is meant (${process.pid}) is not`) });
  });
});

function change(file: string, sql: string): void {
  const client = new Database(file);
  client.exec(sql);
  client.close();
}

/** The config file with other prices of `mock/*`, and those of `mock/huge`, as an operator corrects a mistake. */
async function corrected(input: number, output: number, huge = ""): Promise<{ readonly config: string }> {
  const path = `${gateway.directory}/llm-proxy.yaml`;
  const config = (await Bun.file(path).text())
    .replace(/ *- \{ target: mock\/huge.*\n/, "")
    .replace(
      /( *- \{ target: mock\/\*), input: [\d.]+, output: [\d.]+/,
      `${huge}$1, input: ${input}, output: ${output}`,
    );
  await Bun.write(path, config);
  return { config };
}
