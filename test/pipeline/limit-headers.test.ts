import { describe, expect, test } from "bun:test";
import type { DialectName, Limit, LimitUse } from "llm-proxy/plugin";
import { addLimitHeaders, duration } from "../../core/pipeline/limit-headers.ts";

const nowMs = Date.UTC(2026, 0, 2, 3, 4, 5, 600);
const useOf = (measure: Limit["measure"], amount: number, used: number, more: Partial<LimitUse> = {}): LimitUse => ({
  limit: { scope: { kind: "key", id: "a" }, measure, amount },
  used,
  held: 0,
  resetMs: 6_000,
  ...more,
});
const headersOf = (dialect: DialectName, use: readonly LimitUse[]) => {
  const headers: Record<string, string> = {};
  addLimitHeaders(headers, use, dialect, nowMs);
  return headers;
};

describe("headers of limits", () => {
  test.each<DialectName>(["openai-chat", "openai-responses", "gemini"])(
    "%s: OpenAI's names, of the limit with the least left",
    (dialect) => {
      const use = [
        useOf("requests", 100, 1),
        useOf("requests", 10, 0, { held: 1 }),
        useOf("tokens", 1_000, 250, { resetMs: 15_500 }),
        useOf("concurrency", 5, 0, { held: 1, resetMs: null }),
        useOf("spend", 1_000_000_000, 5),
      ];
      expect(headersOf(dialect, use)).toEqual({
        "x-ratelimit-limit-requests": "10",
        "x-ratelimit-remaining-requests": "9",
        "x-ratelimit-reset-requests": "6s",
        "x-ratelimit-limit-tokens": "1000",
        "x-ratelimit-remaining-tokens": "750",
        "x-ratelimit-reset-tokens": "15.5s",
      });
    },
  );

  test("anthropic-messages: Anthropic's names, and instants", () => {
    expect(headersOf("anthropic-messages", [useOf("requests", 10, 20), useOf("input-tokens", 50, 8)])).toEqual({
      "anthropic-ratelimit-requests-limit": "10",
      "anthropic-ratelimit-requests-remaining": "0",
      "anthropic-ratelimit-requests-reset": "2026-01-02T03:04:12Z",
      "anthropic-ratelimit-input-tokens-limit": "50",
      "anthropic-ratelimit-input-tokens-remaining": "42",
      "anthropic-ratelimit-input-tokens-reset": "2026-01-02T03:04:12Z",
    });
  });

  test("one that comes back later than there are dates is told of with the last of them", () => {
    const use = [useOf("requests", 1, 1e9, { resetMs: 8.64e16 })];
    expect(headersOf("anthropic-messages", use)["anthropic-ratelimit-requests-reset"]).toBe("+275760-09-13T00:00:00Z");
  });

  test("of two that have equally little left the first is told, and no limit is no header", () => {
    const use = [useOf("requests", 10, 5), useOf("requests", 8, 3)];
    expect(headersOf("openai-chat", use)["x-ratelimit-limit-requests"]).toBe("10");
    expect(headersOf("openai-chat", [])).toEqual({});
  });

  test.each([
    [0, "0s"],
    [1, "1ms"],
    [999, "999ms"],
    [8_640, "8.64s"],
    [60_000, "1m0s"],
    [359_999, "5m59.999s"],
    [3_600_000, "1h0m0s"],
    [86_399_001, "23h59m59.001s"],
    [86_400_000, "24h0m0s"],
  ])("%d ms reads %s", (ms, shown) => expect(duration(ms)).toBe(shown));
});
