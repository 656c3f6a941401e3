import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { countTokens as cl100k } from "gpt-tokenizer/encoding/cl100k_base";
import { countTokens as o200k } from "gpt-tokenizer/encoding/o200k_base";
import { boundedCount } from "../../core/pipeline/tokenizer/bounded-count.ts";
import { encodingOf } from "../../core/pipeline/tokenizer/encoding.ts";
import { requestTexts } from "../../core/pipeline/tokenizer/request-texts.ts";
import { tokenizerThread } from "../../core/pipeline/tokenizer/tokenizer.ts";
import { seeded } from "../support/random.ts";

const plain = { disallowedSpecial: new Set<string>() };
const o200kCount = (text: string) => o200k(text, plain);

describe("the encoding of a model", () => {
  test.each([
    ["gpt-4o-mini-2024-07-18", "o200k_base"],
    ["chatgpt-4o-latest", "o200k_base"],
    ["gpt-4.1-nano", "o200k_base"],
    ["gpt-5", "o200k_base"],
    ["gpt-5.2-codex", "o200k_base"],
    ["o4-mini", "o200k_base"],
    ["ft:gpt-4o:acme::1", "o200k_base"],
    ["gpt-4", "cl100k_base"],
    ["gpt-4-turbo", "cl100k_base"],
    ["gpt-3.5-turbo-0125", "cl100k_base"],
    ["gpt-4o-search-preview", null],
    ["gpt-4o-audio-preview", null],
    ["o3-deep-research", null],
    ["gpt-5-pro", null],
    ["gpt-6", null],
    ["gpt-50", null],
    ["o200", null],
    ["llama-3.3-70b", null],
    ["my-gpt-4o", null],
  ])("%s: %s", (model, encoding) => {
    expect(encodingOf({ provider: "any", vendor: "openai", model })).toBe(encoding as never);
    expect(encodingOf({ provider: "openai", vendor: "groq", model })).toBeNull();
  });
});

describe("the bounded count", () => {
  const units = fc.constantFrom(
    "a",
    "aA",
    "9",
    " ",
    "\n",
    "\r\n",
    "/",
    "=",
    "é",
    "e\u0301",
    "好",
    "😀",
    "\ud800",
    "x y",
  );
  const texts = fc.array(fc.tuple(units, fc.integer({ min: 1, max: 90 })), { maxLength: 8 });
  test("is never below that of the tokenizer, and the same where no run is long", () => {
    fc.assert(
      fc.property(texts, fc.string({ unit: "binary", maxLength: 200 }), (parts, rest) => {
        const text = parts.map(([unit, times]) => unit.repeat(times)).join("") + rest;
        for (const count of [o200kCount, (one: string) => cl100k(one, plain)])
          expect(boundedCount(text, count)).toBeGreaterThanOrEqual(count(text));
        const short = text.replaceAll(/([\p{L}\p{M}]|\s|[^\s\p{L}\p{M}\p{N}]){33,}/gu, "1");
        expect(boundedCount(short, o200kCount)).toBe(o200kCount(short));
      }),
      { numRuns: 2_000 },
    );
  });

  test("takes names of special tokens for text", () => {
    expect(boundedCount("<|endoftext|><|im_start|>", o200kCount)).toBeGreaterThan(6);
  });
});

test("the texts of a request are all of its strings, schemas as they stand, and sealed reasoning by its bytes", () => {
  const tools = [{ type: "function", name: "add", parameters: { type: "object" } }];
  const { texts, sealedBytes, objects } = requestTexts({
    model: "gpt-5",
    instructions: "be kind",
    input: [
      {
        role: "user",
        content: [
          { type: "input_text", text: "one" },
          { type: "input_text", text: "two" },
        ],
      },
      { type: "reasoning", summary: [], encrypted_content: "x".repeat(40) },
      { type: "function_call_output", call_id: "c", output: "three" },
      null,
    ],
    tools,
    stream: true,
  });
  expect(texts).toEqual(expect.arrayContaining(["be kind", "one", "two", "three", "c", JSON.stringify(tools)]));
  expect({ sealedBytes, objects }).toEqual({ sealedBytes: 40, objects: 5 });
});

describe("the thread", () => {
  /** As old machines under load: nothing here is about how fast the tables load. */
  const patient = { deadlineMs: 60_000 };
  /** Not `rejects`, in which messages of a thread are not delivered. */
  const failureOf = (count: Promise<number>) =>
    count.then(
      () => "it counted",
      (error: unknown) => String(error),
    );
  const lateThread = new URL("./late-tokenizer.ts", import.meta.url);

  const random = seeded("words");
  const letters = Array.from({ length: 1_000_000 }, (_, at) =>
    at % 65 === 64 ? " " : String.fromCharCode(97 + random.below(26)),
  ).join("");

  test("counts as the tokenizer does, and hostile texts in time that grows with their length", async () => {
    const tokenizer = tokenizerThread(patient);
    const prose = "The quick brown fox jumps over the lazy dog. ".repeat(20);
    expect(await tokenizer.count("o200k_base", [prose, "好的"])).toBe(o200kCount(prose) + o200kCount("好的"));
    expect(await tokenizer.count("cl100k_base", [prose])).toBe(cl100k(prose, plain));
    for (const unit of ["a", "aA", "😀", "好", "e\u0301", " ", "\n", ".", letters]) {
      const text = unit.repeat(Math.ceil(1_000_000 / unit.length));
      const startedMs = performance.now();
      const tokens = await tokenizer.count("o200k_base", [text]);
      const ms = performance.now() - startedMs;
      console.log(`1 million units of ${JSON.stringify(unit.slice(0, 8))}: ${tokens} tokens in ${ms.toFixed(0)} ms`);
      expect(tokens).toBeGreaterThan(1_000);
      // By the second they would be thousands of seconds.
      expect(ms).toBeLessThan(30_000);
    }
  }, 120_000);

  test("is given up when a text holds it, with what waits behind, and the next question has a new one", async () => {
    const tokenizer = tokenizerThread({ entry: lateThread, deadlineMs: 5_000 });
    expect(await tokenizer.count("o200k_base", ["first"])).toBe(1);
    const settled = await Promise.allSettled([
      tokenizer.count("o200k_base", ["hang"]),
      tokenizer.count("o200k_base", ["behind"]),
    ]);
    expect(settled.map(({ status }) => status)).toEqual(["rejected", "rejected"]);
    expect(await tokenizer.count("o200k_base", ["again"])).toBe(1);
    expect(await failureOf(tokenizer.count("o200k_base", ["throw"]))).toContain("no such");
    expect(await failureOf(tokenizer.count("o200k_base", ["die"]))).toContain("3");
    expect(await tokenizer.count("o200k_base", ["and again"])).toBe(1);
  }, 60_000);

  test("that does not get ready makes only the first calls wait", async () => {
    const tokenizer = tokenizerThread({ entry: lateThread, deadlineMs: 50 });
    expect(await failureOf(tokenizer.count("o200k_base", ["hang"]))).toContain("too long");
    expect(await failureOf(tokenizer.count("o200k_base", ["next"]))).toContain("loading");
  });

  test("ends when nobody asks, and takes no more text than it can", async () => {
    const tokenizer = tokenizerThread({ entry: lateThread, deadlineMs: 60_000, idleMs: 1 });
    expect(await failureOf(tokenizer.count("o200k_base", ["hang"]))).toContain("nobody asked");
    expect(await failureOf(tokenizer.count("o200k_base", ["x".repeat(4_000_001)]))).toContain("too much");
  });
});
