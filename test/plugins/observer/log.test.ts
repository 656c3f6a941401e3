import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import type { CallRecord } from "llm-proxy/plugin";
import { logTo } from "../../../plugins/observer/log.ts";
import { testObserver } from "../../contract/observer.ts";
import { aCallRecord } from "../../contract/samples.ts";

const create = () => {
  const lines: string[] = [];
  return { observer: logTo({ write: (line) => void lines.push(line) }, () => true), written: () => lines };
};
const lineFor = async (record: Partial<CallRecord>): Promise<string> => {
  const { observer, written } = create();
  await observer.callEnded?.(aCallRecord(record));
  return written().join("");
};

testObserver(create);

describe("log", () => {
  test("writes who asked for what, how it ended and what it cost", async () => {
    const line = await lineFor({ costNano: 1_234, warnings: ["top_k was left out"] });
    expect(line).toEndWith(',"msg":"call"}\n');
    expect(JSON.parse(line.replace(',"msg":"call"', ""))).toEqual({
      level: "info",
      time: "2027-01-15T08:00:00.012Z",
      callId: "0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b",
      principal: "test",
      keyId: "key-1",
      accountId: "default",
      dialect: "openai-chat",
      operation: "chat",
      model: "echo",
      provider: "echo",
      upstreamModel: "echo",
      status: "ok",
      httpStatus: 200,
      errorKind: null,
      stream: true,
      attempts: 1,
      tokens: { input: 3, cacheRead: 0, cacheWrite: 0, output: 2, reasoning: 0 },
      source: "provider",
      costNano: 1_234,
      chargeNano: 0,
      firstByteMs: 5,
      durationMs: 12,
      warnings: ["top_k was left out"],
    });
  });

  test.each([
    ["info", { status: "ok" }],
    ["info", { status: "refused", errorKind: "rate-limited" as const }],
    ["info", { status: "client_aborted" }],
    ["warn", { status: "upstream_error", errorKind: "upstream-timeout" as const }],
    ["warn", { status: "shutdown" }],
    ["error", { status: "upstream_error", errorKind: "internal" as const }],
    ["error", { status: "refused", errorKind: "internal" as const }],
  ])("%s for %j", async (level, record) => {
    expect(JSON.parse(await lineFor(record)).level).toBe(level);
  });

  test("whatever the texts hold, it is one JSON line of at most 16 KiB without control characters", async () => {
    const hostile = fc.oneof(
      fc.array(fc.nat(0x10ffff), { maxLength: 2_000 }).map((points) => String.fromCodePoint(...points)),
      fc.string({ maxLength: 40 }).map((text) => text.repeat(2_000)),
      fc.constantFrom(
        '"}{"',
        "\n\r\u001b[2J",
        "\u2028\u2029",
        "\u0000".repeat(3_000),
        '"'.repeat(3_000),
        "\\".repeat(3_000),
        "𐍈".repeat(3_000),
        "\ud800".repeat(3_000),
        "漢".repeat(3_000),
      ),
    );
    await fc.assert(
      fc.asyncProperty(hostile, fc.array(hostile, { maxLength: 20 }), async (text, warnings) => {
        const line = await lineFor({
          principal: text,
          keyId: text,
          accountId: text,
          model: text,
          provider: text,
          upstreamModel: text,
          status: text,
          errorKind: text,
          source: text,
          callId: text,
          warnings,
        });
        expect(Buffer.byteLength(line)).toBeLessThanOrEqual(16 * 1024);
        expect(line.slice(0, -1)).not.toMatch(/[\p{Cc}\u2028\u2029]/u);
        expect(line.endsWith("}\n")).toBe(true);
        for (const value of Object.values(JSON.parse(line)))
          if (typeof value === "string") expect(Buffer.byteLength(value)).toBeLessThanOrEqual(1_024);
      }),
    );
  });

  test("says how many warnings it left out", async () => {
    const line = JSON.parse(await lineFor({ warnings: Array.from({ length: 11 }, (_, index) => `warning ${index}`) }));
    expect(line.warnings).toHaveLength(8);
    expect(line.moreWarnings).toBe(3);
  });
});
