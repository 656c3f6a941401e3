import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import type { Metric } from "llm-proxy/plugin";
import { exposition } from "../../core/api/exposition.ts";
import { parseExposition, total } from "../support/exposition.ts";

const one = (changed: Partial<Metric> = {}): Metric => ({
  name: "calls_total",
  type: "counter",
  help: "Calls.",
  series: [{ labels: {}, value: 1 }],
  ...changed,
});
const render = (...metrics: readonly Metric[]) => exposition(metrics, new Set());

describe("the text format", () => {
  test("of a counter, a gauge and a histogram", async () => {
    const text = await render(
      one({
        series: [
          { labels: { model: "a", provider: "b" }, value: 3 },
          { labels: {}, value: 0 },
        ],
      }),
      one({ name: "lag_seconds", type: "gauge", series: [{ labels: {}, value: 0.25 }] }),
      one({
        name: "took_seconds",
        type: "histogram",
        series: [{ labels: { model: "a" }, value: { bounds: [0.1, 1], counts: [2, 0, 3], sum: 9.5 } }],
      }),
    );
    expect(text).toBe(`# HELP calls_total Calls.
# TYPE calls_total counter
calls_total{model="a",provider="b"} 3
calls_total 0
# HELP lag_seconds Calls.
# TYPE lag_seconds gauge
lag_seconds 0.25
# HELP took_seconds Calls.
# TYPE took_seconds histogram
took_seconds_bucket{model="a",le="0.1"} 2
took_seconds_bucket{model="a",le="1"} 2
took_seconds_bucket{model="a",le="+Inf"} 5
took_seconds_sum{model="a"} 9.5
took_seconds_count{model="a"} 5
`);
    parseExposition(text);
  });

  test("keeps every digit of what is beyond 2^53, and has words for what is no number", async () => {
    const value = 2n ** 80n + 1n;
    const series = [{ labels: {}, value }];
    expect(total(parseExposition(await render(one({ series }))), "calls_total")).toBe(value);
    const odd = [Infinity, -Infinity, NaN].map((number, at) => ({ labels: { at: String(at) }, value: number }));
    const { samples } = parseExposition(await render(one({ type: "gauge", name: "odd", series: odd })));
    expect(samples.map((sample) => sample.value)).toEqual(["+Inf", "-Inf", "NaN"]);
  });

  test("gives any label value and help back as it was", async () => {
    await fc.assert(
      fc.asyncProperty(fc.string({ unit: "binary" }), fc.string({ unit: "binary" }), async (value, help) => {
        const text = await render(
          one({ help, series: [{ labels: { model: value }, value: 1 }] }),
          one({ name: "next" }),
        );
        const { samples } = parseExposition(text);
        expect(samples).toEqual([
          { name: "calls_total", labels: { model: value.toWellFormed().replaceAll("\r", " ") }, value: "1" },
          { name: "next", labels: {}, value: "1" },
        ]);
      }),
    );
  });

  test("leaves out a type and values that are none, and says so", async () => {
    const values: unknown[] = [undefined, null, "1", true, {}, { bounds: [], counts: [], sum: 0 }];
    const buckets: unknown[] = [
      1,
      null,
      {},
      { bounds: ["1"], counts: [1], sum: 1 },
      { bounds: [1], counts: [1], sum: "1" },
    ];
    const series = (of: readonly unknown[]) => of.map((value) => ({ labels: {}, value: value as number }));
    const text = await render(
      one({ series: [...series(values), { labels: {}, value: 5 }] }),
      one({ name: "took_seconds", type: "histogram", series: series(buckets) }),
      one({ name: "odd", type: "summary" as never }),
      one({ name: undefined as never }),
    );
    const { samples, types, comments } = parseExposition(text);
    expect(samples).toEqual([{ name: "calls_total", labels: {}, value: "5" }]);
    expect([...types.keys()]).toEqual(["calls_total", "took_seconds"]);
    expect(comments).toHaveLength(values.length + buckets.length + 2);
  });

  test("leaves out a name that is malformed or taken, by the parts of a histogram too, and says so", async () => {
    const histogram = one({ name: "took", type: "histogram", series: [] });
    const text = await render(
      one(),
      one({ help: "Again." }),
      one({ name: 'x"} 1\ny' }),
      histogram,
      one({ name: "took_count" }),
    );
    const { samples, comments } = parseExposition(text);
    expect(samples).toEqual([{ name: "calls_total", labels: {}, value: "1" }]);
    expect(comments).toEqual([
      '# left out, its name is taken: "calls_total"',
      '# left out, its name is malformed: "x\\"} 1\\ny"',
      '# left out, its name is taken: "took_count"',
    ]);
  });

  test("leaves out labels whose names the format does not know", async () => {
    const labels = { 'a"b': "1", le: "2", __name__: "other", good: "3" };
    expect(parseExposition(await render(one({ series: [{ labels, value: 1 }] }))).samples[0]?.labels).toEqual({
      good: "3",
    });
  });

  test("leaves out a value whose labels another has, in whatever order, and says so", async () => {
    const series = [{ a: "1", b: "2" }, { a: "1" }, { b: "2", a: "1" }, { a: "1", "b-c": "2" }];
    const text = await render(one({ series: series.map((labels, value) => ({ labels, value })) }));
    const { samples, comments } = parseExposition(text);
    expect(samples.map(({ value }) => value)).toEqual(["0", "1"]);
    const line = '# left out, two values of it have the same labels: "calls_total"';
    expect(comments).toEqual([line, line]);
  });

  test("of many series lets the loop turn between them", async () => {
    let turns = 0;
    const timer = setInterval(() => (turns += 1), 0);
    const series = Array.from({ length: 20_000 }, (_, at) => ({ labels: { at: String(at) }, value: at }));
    await render(one({ series }));
    clearInterval(timer);
    expect(turns).toBeGreaterThan(2);
  });
});
