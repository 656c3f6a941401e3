import { describe, expect, test } from "bun:test";
import type { JsonObject } from "../../core/chat/json.ts";
import type { InputMeasure } from "../../core/dialects/dialect.ts";
import { openaiChat } from "../../core/dialects/openai-chat/index.ts";
import { expectedInput, expectedOutput, inputBound } from "../../core/pipeline/estimate.ts";
import { expectedUsage } from "../support/wire-usage.ts";
import { type Recording, recordings } from "../support/wire.ts";

interface Sample {
  readonly id: string;
  readonly input: InputMeasure;
  readonly prompt: number;
}

const samples = recordings("openai-chat").flatMap((recording): Sample[] => {
  const input = measured(recording);
  const prompt = expectedUsage(recording)?.input_tokens ?? 0;
  return input && prompt > 0 ? [{ id: recording.id, input, prompt }] : [];
});

describe("the bound on the input", () => {
  test("is above what every recorded provider counted", () => {
    const unbounded = samples.filter(({ input }) => input.unbounded).length;
    console.log(
      `${samples.length} recordings with a request and its usage, ${unbounded} of them bounded by the context window`,
    );
    const above = samples.flatMap(({ id, input, prompt }) => {
      const bound = inputBound(input, null);
      return prompt > bound ? [{ id, prompt, bound }] : [];
    });
    expect(above).toEqual([]);
  });

  test("is not so wide that it holds a hundred times what a plain text costs", () => {
    const plain = samples.filter(
      ({ input }) => !input.unbounded && input.images === 0 && input.audioBytes === 0 && input.textBytes > 4_000,
    );
    const ratios = plain
      .map(({ input, prompt }) => inputBound(input, null) / prompt)
      .toSorted((left, right) => left - right);
    if (ratios.length === 0) return;
    console.log(
      `bound ÷ count over ${ratios.length} plain texts above 4 kB: median ${ratios[ratios.length >> 1]?.toFixed(1)}`,
    );
    expect(ratios[ratios.length >> 1]).toBeLessThan(20);
  });

  const nothing: InputMeasure = { textBytes: 0, functionTools: 0, images: 0, audioBytes: 0, unbounded: false };
  test.each([
    ["text: its bytes and what the vendor adds", { textBytes: 5_000 }, null, 6_024],
    ["function tools: 512 each", { functionTools: 3 }, null, 1_024 + 1_536],
    ["a known window caps it", { textBytes: 500_000 }, 128_000, 128_000],
    ["an unknown window does not", { textBytes: 5_000_000 }, null, 5_001_024],
    ["what bytes do not bound: the window", { textBytes: 10, unbounded: true }, 32_000, 32_000],
    ["what bytes do not bound, without a known window: the widest there is", { unbounded: true }, null, 1_048_576],
  ] as const)("%s", (_, input, contextWindow, bound) => {
    expect(inputBound({ ...nothing, ...input }, contextWindow)).toBe(bound);
  });

  test("an image and a sound cost something even without text", () => {
    expect(inputBound({ ...nothing, images: 1 }, null)).toBeGreaterThan(36_000);
    expect(inputBound({ ...nothing, audioBytes: 16_000 }, null)).toBeGreaterThan(1_024);
  });
});

describe("what is expected", () => {
  test("is never above the bound, and grows with the text", () => {
    for (const { input } of samples)
      expect(expectedInput(input, 4, inputBound(input, null))).toBeLessThanOrEqual(inputBound(input, null));
    const text = { textBytes: 4_000, functionTools: 0, images: 0, audioBytes: 0, unbounded: false };
    expect(expectedInput(text, 4, 5_024)).toBe(1_000);
    expect(expectedInput(text, 3, 5_024)).toBe(1_334);
    expect(expectedInput(text, 4, 500)).toBe(500);
    expect(expectedInput({ ...text, images: 2 }, 4, 500_000)).toBe(3_000);
  });

  test("one delivered byte is one token, none is none", () => {
    expect([0, 1, 4, 5].map((bytes) => expectedOutput(bytes, 4))).toEqual([0, 1, 1, 2]);
    expect([0, 1, 5].map((bytes) => expectedOutput(bytes, 0.5))).toEqual([0, 2, 10]);
  });
});

/** As the pipeline measures it; `null` where there is no request, or one that the gateway refuses. */
function measured({ request }: Recording): InputMeasure | null {
  if (!request?.body) return null;
  const text = JSON.stringify(request.body);
  try {
    // Parsed JSON is JSON.
    return openaiChat.readEnvelope(JSON.parse(text) as JsonObject, Buffer.byteLength(text)).input;
  } catch {
    return null;
  }
}
