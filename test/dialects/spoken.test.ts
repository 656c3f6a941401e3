import { afterAll, expect, test } from "bun:test";
import type { DialectName } from "../../core/dialects/dialect.ts";
import { SdkReader } from "../support/sdk-summaries.ts";
import { framesOf } from "../support/wire.ts";
import { wireFaults } from "../support/wirecheck.ts";
import { spokenStream, spokenWhole, type Turn } from "../support/spoken.ts";

const reader = await SdkReader.start();
afterAll(() => reader.stop());

const turn: Turn = {
  thinking: { text: "Let me think about it.", signature: "c2lnbmF0dXJl" },
  text: "I will look it up.",
  calls: [
    { id: "call_a", name: "get_weather", args: { city: "Rome" } },
    { id: "call_b", name: "get_time", args: { zone: "Europe/Rome" } },
  ],
  usage: { input: 100, cached: 40, output: 30, thinking: 10 },
};
const names: readonly DialectName[] = ["openai-chat", "openai-responses", "anthropic-messages", "gemini"];

/** Upstreams of other tests speak so: what they say must be what the vendors' own SDKs understand. */
for (const dialect of names) {
  for (const isStream of [false, true]) {
    test(`${dialect}: the official SDK reads the hand-written ${isStream ? "stream" : "answer"}`, async () => {
      const body = isStream ? spokenStream(dialect, turn) : spokenWhole(dialect, turn);
      expect(await reader.read(dialect, body, isStream)).toEqual({
        text: "I will look it up.",
        reasoning: "Let me think about it.",
        calls: [
          { name: "get_weather", input: { city: "Rome" } },
          { name: "get_time", input: { zone: "Europe/Rome" } },
        ],
        finish: "tool-calls",
        usage: { input: 100, output: 30 },
      });
    });
  }
  test(`${dialect}: the vendor's own schema finds nothing wrong with it`, async () => {
    const whole: unknown = JSON.parse(spokenWhole(dialect, turn));
    expect(await wireFaults(`${dialect}/response`, whole)).toEqual([]);
    for (const { data } of framesOf(spokenStream(dialect, turn)))
      // No schema has the ping.
      if (data !== null && data["type"] !== "ping") expect(await wireFaults(`${dialect}/event`, data)).toEqual([]);
  });
}
