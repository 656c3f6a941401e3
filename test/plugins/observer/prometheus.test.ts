import { describe, expect, test } from "bun:test";
import type { CallRecord, NamedModels, Observer } from "llm-proxy/plugin";
import { noUsage } from "llm-proxy/plugin";
import { exposition } from "../../../core/api/exposition.ts";
import prometheus, { callMetrics } from "../../../plugins/observer/prometheus.ts";
import { fakeContext, setUp } from "../../contract/context.ts";
import { testObserver } from "../../contract/observer.ts";
import { aCallRecord } from "../../contract/samples.ts";
import { type Exposition, parseExposition, total } from "../../support/exposition.ts";

testObserver(async () => ({ observer: await setUp(prometheus, {}, fakeContext()) }), { skip: ["written"] });

const scraped = async (observer: Observer): Promise<Exposition> =>
  parseExposition(await exposition(observer.metrics?.() ?? [], new Set()));

/** What is counted of these calls. */
const counted = (records: readonly CallRecord[], named: NamedModels = () => "file"): Promise<Exposition> => {
  const observer = callMetrics(named);
  for (const record of records) void observer.callEnded?.(record);
  return scraped(observer);
};
const models = ({ samples }: Exposition, name = "llm_proxy_calls_total"): string[] =>
  samples.filter((sample) => sample.name === name).map(({ labels }) => `${labels.provider}/${labels.model}`);

describe("calls", () => {
  test("are counted by how they ended, with tokens by class, cost, charge and durations", async () => {
    const usage = {
      ...noUsage,
      inputTokens: 100,
      outputTokens: 20,
      cacheReadTokens: 30,
      cacheWriteTokens: 7,
      cacheWrite1hTokens: 3,
      reasoningTokens: 5,
    };
    const good = aCallRecord({ usage, costNano: 11, chargeNano: 13, firstByteMs: 60, durationMs: 700 });
    const failed = aCallRecord({
      status: "upstream_error",
      httpStatus: 504,
      errorKind: "upstream-timeout",
      usage: null,
      firstByteMs: null,
      durationMs: 400_000,
      source: "none",
    });
    const text = await counted([good, good, failed, aCallRecord({ costNano: null, chargeNano: null })]);
    const by = { dialect: "openai-chat", operation: "chat", provider: "echo", model: "echo" };
    expect(text.samples.filter(({ name }) => name === "llm_proxy_calls_total")).toEqual([
      { name: "llm_proxy_calls_total", labels: { ...by, status: "ok", error: "", http: "2xx" }, value: "3" },
      {
        name: "llm_proxy_calls_total",
        labels: { ...by, status: "upstream_error", error: "upstream-timeout", http: "5xx" },
        value: "1",
      },
    ]);
    const sums = (
      "input_tokens output_tokens cache_read_tokens cache_write_tokens cache_write_1h_tokens reasoning_tokens " +
      "cost_nano_usd charge_nano_usd unpriced_calls usage_sources"
    )
      .split(" ")
      .map((name) => Number(total(text, `llm_proxy_${name}_total`)));
    expect(sums).toEqual([203, 42, 60, 14, 6, 10, 22, 26, 1, 4]);
    const bucket = (name: string, le: string) => Number(total(text, `llm_proxy_${name}_bucket`, { le }));
    expect(["0.5", "1", "300", "+Inf"].map((le) => bucket("call_duration_seconds", le))).toEqual([1, 3, 3, 4]);
    expect(["0.05", "0.1", "+Inf"].map((le) => bucket("first_byte_seconds", le))).toEqual([1, 3, 3]);
    const sum = text.samples.find(({ name }) => name === "llm_proxy_call_duration_seconds_sum");
    expect(Number(sum?.value)).toBeCloseTo(401.412, 6);
  });

  test("that were refused have no cost, no duration and no model of the client's invention", async () => {
    const nobody = { provider: null, upstreamModel: null, usage: null, costNano: null, chargeNano: null, tries: [] };
    const refused = aCallRecord({
      ...nobody,
      status: "refused",
      httpStatus: 404,
      errorKind: "model-not-found",
      model: "x",
    });
    const stranger = aCallRecord({
      ...nobody,
      status: "refused",
      principal: null,
      httpStatus: 401,
      errorKind: "unauthenticated",
    });
    const text = await counted([refused, { ...refused, model: 'a"} 1\nfake 9' }, stranger]);
    expect(models(text)).toEqual(["/other"]);
    expect(total(text, "llm_proxy_calls_total", { status: "refused", error: "model-not-found", http: "4xx" })).toBe(2n);
    expect(total(text, "llm_proxy_strangers_total", { error: "unauthenticated" })).toBe(1n);
    for (const name of ["unpriced_calls_total", "call_duration_seconds_count", "usage_sources_total"])
      expect(total(text, `llm_proxy_${name}`)).toBe(0n);
  });

  test("sum up to the nano-USD beyond 2^53", async () => {
    const costNano = Number.MAX_SAFE_INTEGER - 1;
    const text = await counted(
      Array.from({ length: 1_001 }, (_, at) => aCallRecord({ costNano: costNano - at, chargeNano: 1 })),
    );
    expect(total(text, "llm_proxy_cost_nano_usd_total")).toBe(BigInt(costNano) * 1_001n - 500_500n);
    expect(total(text, "llm_proxy_charge_nano_usd_total")).toBe(1_001n);
  });

  test("carry every attempt by provider and status, and the time of each plugin", async () => {
    const tries = [
      { provider: "a", status: 503 },
      { provider: "b", status: null },
      { provider: "a", status: 200 },
    ];
    const record = aCallRecord({ tries, timings: { "auth/api-key": 2, "rate-limit/per-key": 0.5 } });
    const text = await counted([record, record]);
    const attempts = text.samples.filter(({ name }) => name === "llm_proxy_upstream_attempts_total");
    expect(attempts.map(({ labels, value }) => `${labels.provider} ${labels.status} ${value}`)).toEqual([
      "a 503 2",
      "a 200 2",
      "b none 2",
    ]);
    const hooks = text.samples.filter(({ name }) => name === "llm_proxy_plugin_hook_seconds_total");
    expect(hooks.map(({ labels, value }) => `${labels.kind} ${labels.plugin} ${value}`)).toEqual([
      "auth api-key 0.004",
      "rate-limit per-key 0.001",
    ]);
    expect(total(text, "llm_proxy_plugin_hook_calls_total", { plugin: "per-key" })).toBe(2n);
  });
});

describe("series", () => {
  const many = (prefix: string, count: number) =>
    Array.from({ length: count }, (_, at) => aCallRecord({ upstreamModel: `${prefix}${at}` }));

  test("of 10,000 models that only clients name are one", async () => {
    const text = await counted(many("made-up-", 10_000), () => null);
    expect(models(text)).toEqual(["echo/other"]);
    expect(total(text, "llm_proxy_calls_total")).toBe(10_000n);
    expect(text.samples.length).toBeLessThan(60);
  });

  test("of the price book are at most 1,000, those of the file are always there, and nothing is lost", async () => {
    const named: NamedModels = (_, model) => (model.startsWith("file-") ? "file" : "book");
    const text = await counted([...many("book-", 1_500), ...many("file-", 50), ...many("book-", 1_500)], named);
    const found = models(text);
    expect(found.filter((model) => model.startsWith("echo/book-"))).toHaveLength(1_000);
    expect(found.filter((model) => model.startsWith("echo/file-"))).toHaveLength(50);
    expect(total(text, "llm_proxy_calls_total", { model: "other" })).toBe(1_000n);
    expect(total(text, "llm_proxy_calls_total")).toBe(3_050n);
  });

  test("name no caller, no key, no account, no model as asked, and no error of a plugin's invention", async () => {
    const words = {
      principal: "w-principal",
      keyId: "w-key",
      accountId: "w-account",
      model: "w-asked",
      callId: "w-call",
    };
    const error = { status: "upstream_error", errorKind: "w-error", warnings: ["w-warning"] };
    const text = await exposition(callMetricsOf(aCallRecord({ ...words, ...error })), new Set());
    expect(text).not.toContain("w-");
    expect(text).toContain('error="other"');
  });

  const callMetricsOf = (record: CallRecord) => {
    const observer = callMetrics(() => "file");
    void observer.callEnded?.(record);
    return observer.metrics?.() ?? [];
  };
});

test("a call and a scrape at the most series cost what is printed", async () => {
  const observer = callMetrics(() => "book");
  const ends = [
    { status: "ok" },
    { status: "client_aborted" },
    { status: "upstream_error", httpStatus: 502, errorKind: "upstream-invalid" },
    { status: "upstream_error", httpStatus: 504, errorKind: "upstream-timeout" },
  ];
  const records = Array.from({ length: 1_200 }, (_, at) =>
    ends.map((end) =>
      aCallRecord({ provider: `provider-${at % 10}`, upstreamModel: `a-model-${at}`, costNano: at, ...end }),
    ),
  ).flat();
  for (let round = 0; round < 20; round++) for (const record of records) void observer.callEnded?.(record);
  const startedMs = performance.now();
  for (let round = 0; round < 20; round++) for (const record of records) void observer.callEnded?.(record);
  const nanoseconds = ((performance.now() - startedMs) * 1e6) / (20 * records.length);
  await scraped(observer);
  const scrapeMs = performance.now();
  const text = await exposition(observer.metrics?.() ?? [], new Set());
  const tookMs = performance.now() - scrapeMs;
  console.log(
    `a call: ${nanoseconds.toFixed(0)} ns; a scrape of ${text.split("\n").length} lines, ${(text.length / 1e6).toFixed(1)} MB: ${tookMs.toFixed(1)} ms`,
  );
  expect(models(parseExposition(text), "llm_proxy_cost_nano_usd_total")).toHaveLength(1_010);
});

test("`public` opens /metrics; it is closed by default, and other options are errors", async () => {
  expect((await setUp(prometheus, {}, fakeContext())).openMetrics).toBe(false);
  expect((await setUp(prometheus, { public: true }, fakeContext())).openMetrics).toBe(true);
  expect(setUp(prometheus, { open: true }, fakeContext())).rejects.toThrow();
});
