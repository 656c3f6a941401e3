import { afterAll, expect, test } from "bun:test";
import { call, chat } from "../support/clients.ts";
import { runCommand } from "../support/command.ts";
import { csvRows } from "../support/csv.ts";
import { parseExposition, total as samplesOf } from "../support/exposition.ts";
import { invariants } from "../support/invariants.ts";
import { answers } from "../support/openai-answers.ts";
import { eachOf } from "../support/poll.ts";
import { seeded } from "../support/random.ts";
import { allBudgets, allUsage, type UsageRow } from "../support/rows.ts";
import { json, reset } from "../support/scripts.ts";
import { setUp } from "../support/setup.ts";

/** The same numbers wherever they are read: the API's totals and pages, the views, and the budget. */
interface Sums {
  readonly calls: number;
  readonly inputTokens: number;
  readonly outputTokens: number;
  readonly cacheReadTokens: number;
  readonly costNano: number;
  readonly chargeNano: number;
}
interface Usage {
  readonly data: readonly (Sums & Record<string, unknown>)[];
  readonly total: Sums;
}
interface CallPage {
  readonly data: readonly { callId: string; costNano: number | null; createdMs: number }[];
  readonly next: string | null;
}

const startedMs = Date.now();
const setup = await setUp({ config: "observer: { prometheus: {} }" });
const keys = [
  setup.key.key,
  (await setup.gateway.createKey({ name: "second", budget: { usd: "2.5", window: "month" } })).key,
];
const random = seeded("totals");
for (let model = 0; model < 5; model++) {
  const cached = { prompt_tokens_details: { cached_tokens: model } };
  setup.upstream.on(`t-${model}`, (exchange) => {
    const [prompt, output] = [model + random.below(50), random.below(30)];
    return answers({
      usage: { prompt_tokens: prompt, completion_tokens: output, total_tokens: prompt + output, ...cached },
    })(exchange);
  });
}
setup.upstream.on("bad", json(500, { error: { message: "x" } }));
setup.upstream.on("gone", reset);
await eachOf(
  Array.from({ length: 600 }, (_, index) => index),
  16,
  async (index) => {
    const model =
      index % 20 === 0 ? "mock/bad" : index % 21 === 0 ? "mock/gone" : index % 7 === 0 ? "echo" : `mock/t-${index % 5}`;
    await call(
      setup.gateway,
      keys[index % 2] ?? "",
      chat(model, { stream: index % 3 === 0, max_completion_tokens: 100 }),
    );
  },
);
afterAll(() => setup.stop());

const sums = (rows: readonly UsageRow[]): Sums => {
  const add = (field: "input_tokens" | "output_tokens" | "cache_read_tokens" | "cost_nano" | "charge_nano"): number =>
    rows.reduce((total, row) => total + (row[field] ?? 0), 0);
  return {
    calls: rows.length,
    inputTokens: add("input_tokens"),
    outputTokens: add("output_tokens"),
    cacheReadTokens: add("cache_read_tokens"),
    costNano: add("cost_nano"),
    chargeNano: add("charge_nano"),
  };
};
const range = () => `from=${startedMs - 1000}&to=${Date.now() + 1000}`;

test("600 calls: 600 records, and the rules hold", async () => {
  expect(allUsage(setup.gateway).length).toBe(600);
  await invariants(setup);
});

test("the API's totals are the view's, whole and by group", async () => {
  const rows = allUsage(setup.gateway);
  const usage = await setup.gateway.admin<Usage>("GET", `/api/usage?${range()}&groupBy=key,model`);
  expect(usage.total).toMatchObject({ ...sums(rows) });
  expect(usage.data.reduce((total, group) => total + group.costNano, 0)).toBe(usage.total.costNano);
  expect(usage.data.reduce((total, group) => total + group.calls, 0)).toBe(600);
  expect(usage.data.length).toBe(new Set(rows.map((row) => `${row.key_id} ${row.model}`)).size);
  expect((await setup.gateway.admin<Usage>("GET", `/api/usage?${range()}`)).total).toEqual(usage.total);
});

test("the range is half-open, and an empty one sums to nothing", async () => {
  const last = Math.max(...allUsage(setup.gateway).map((row) => row.created_ms));
  const total = async (from: number, to: number): Promise<number> =>
    (await setup.gateway.admin<Usage>("GET", `/api/usage?from=${from}&to=${to}`)).total.calls;
  expect(await total(startedMs - 1000, last)).toBe(
    allUsage(setup.gateway).filter((row) => row.created_ms < last).length,
  );
  expect(await total(last, last + 1)).toBe(allUsage(setup.gateway).filter((row) => row.created_ms === last).length);
  expect(await total(0, 1)).toBe(0);
});

test("the pages of calls have each call once, newest first", async () => {
  const seen: CallPage["data"][number][] = [];
  for (let after: string | null = ""; after !== null;) {
    const page: CallPage = await setup.gateway.admin(
      "GET",
      `/api/calls?limit=70${after === "" ? "" : `&after=${encodeURIComponent(after)}`}`,
    );
    seen.push(...page.data);
    after = page.next;
    expect(page.data.length).toBeLessThanOrEqual(70);
  }
  expect(seen.length).toBe(600);
  expect(new Set(seen.map((each) => each.callId)).size).toBe(600);
  expect(seen.reduce((total, each) => total + (each.costNano ?? 0), 0)).toBe(sums(allUsage(setup.gateway)).costNano);
});

const asAdmin = { authorization: `Bearer ${setup.gateway.adminToken}` };
const read = async (path: string, headers: Readonly<Record<string, string>> = asAdmin): Promise<string> =>
  (await setup.gateway.get(path, headers))?.text() ?? "";

test("so are those of every file, by call and by entry, and those of the metrics", async () => {
  const wanted = sums(allUsage(setup.gateway));
  const { calls: _, ...amounts } = wanted;
  const added = (rows: readonly Record<string, string>[], column: string) =>
    rows.reduce((total, row) => total + Number(row[column] ?? 0), 0);
  const calls = csvRows(await read("/api/calls/export"));
  const usage = csvRows(await read("/api/usage/export?groupBy=key,model"));
  const lines = (await read("/api/calls/export?format=jsonl")).trim().split("\n");
  for (const rows of [calls, usage, lines.map((line): Record<string, string> => JSON.parse(line))])
    expect({
      inputTokens: added(rows, "inputTokens"),
      outputTokens: added(rows, "outputTokens"),
      cacheReadTokens: added(rows, "cacheReadTokens"),
      costNano: added(rows, "costNano"),
      chargeNano: added(rows, "chargeNano"),
    }).toEqual(amounts);
  expect([calls.length, lines.length, added(usage, "calls")]).toEqual([600, 600, 600]);
  expect(added(csvRows(await read("/api/ledger/export")), "deltaNano")).toBe(-wanted.chargeNano);

  // The process began with these calls, so that its counters are their sums.
  const metrics = parseExposition(await read("/metrics"));
  const counted = (name: string) => Number(samplesOf(metrics, `llm_proxy_${name}_total`));
  expect({
    calls: counted("calls"),
    inputTokens: counted("input_tokens"),
    outputTokens: counted("output_tokens"),
    cacheReadTokens: counted("cache_read_tokens"),
    costNano: counted("cost_nano_usd"),
    chargeNano: counted("charge_nano_usd"),
  }).toEqual(wanted);
});

test("so are those of the pages", async () => {
  const login = await fetch(`${setup.gateway.url}/dashboard/login`, {
    method: "POST",
    redirect: "manual",
    body: new URLSearchParams({ token: setup.gateway.adminToken }),
  });
  const cookie = login.headers.get("set-cookie")?.split(";")[0] ?? "";
  // The cents and what is below them are elements of their own within one number.
  const page = (await read("/dashboard", { cookie }))
    .replaceAll(/<span class="fine">/g, "")
    .replaceAll(/<[^>]*>/g, " ");
  const { costNano, calls, inputTokens, outputTokens } = sums(allUsage(setup.gateway));
  const [, dollars = "", fraction = ""] = /\$([\d,]+)\.?(\d*)\s+in 30 days/.exec(page) ?? [];
  expect(Number(dollars.replaceAll(",", "")) * 1e9 + Number(fraction.padEnd(9, "0"))).toBe(costNano);
  const counts = [...page.matchAll(/([\d,]+) in 30 days/g)].map(([, text = ""]) => Number(text.replaceAll(",", "")));
  expect(counts).toContain(calls);
  expect(counts).toContain(inputTokens + outputTokens);
});

test("the budget counts its key's calls and no other", async () => {
  const spent = sums(allUsage(setup.gateway).filter((row) => row.key_id !== setup.key.id)).chargeNano;
  expect(allBudgets(setup.gateway)).toMatchObject([{ spent_nano: spent, held_nano: 0, limit_nano: 2_500_000_000 }]);
  const list = await setup.gateway.admin<{ data: readonly Record<string, unknown>[] }>("GET", "/api/budgets");
  expect(list.data).toMatchObject([{ spentNano: spent, heldNano: 0, limitNano: 2_500_000_000, window: "month" }]);
});

test("doctor finds nothing wrong", async () => {
  const doctor = await runCommand(setup.gateway, ["doctor", "--json"]);
  expect({ code: doctor.code, report: doctor.code === 0 ? "" : doctor.stdout + doctor.stderr }).toEqual({
    code: 0,
    report: "",
  });
});
