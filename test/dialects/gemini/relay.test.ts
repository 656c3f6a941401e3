import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import type { RequestEdit } from "../../../core/dialects/dialect.ts";
import { gemini } from "../../../core/dialects/gemini/index.ts";
import { bytesOf, meterSse } from "../../contract/dialect.ts";

const { editRequest, meterResponse } = gemini.relay;

describe("editRequest", () => {
  const edit = (source: string, more: Partial<RequestEdit> = {}) =>
    editRequest(source, {
      model: "target",
      includeUsage: true,
      maxOutputTokens: null,
      maxOutputTokensField: "max_tokens",
      ...more,
    });
  const capped = (source: string) => edit(source, { maxOutputTokens: 7 });

  test("leaves a body without a model alone, odd as it may be", () => {
    const source = '{ "contents" : [ {"parts":[{"text":"\\ud83d 9007199254740993"}]} ],\n"x":1.0 }';
    expect(edit(source)).toBe(source);
  });

  test("makes a model in the body agree with the path, as it was written", () => {
    expect(edit('{"model":"models/fast","contents":"hi"}')).toBe('{"model":"models/target","contents":"hi"}');
    expect(edit('{"model": "fast"}', { model: "models/target" })).toBe('{"model": "models/target"}');
    expect(edit('{"model":"models/fast"}', { model: "models/target" })).toBe('{"model":"models/target"}');
    expect(edit('{"model":"models/t\\u0061rget"}')).toBe('{"model":"models/t\\u0061rget"}');
    expect(edit('{"model":null}')).toBe('{"model":null}');
  });

  test("sets the cap where the client has it, in its spelling, or puts one in", () => {
    for (const [source, expected] of [
      [
        '{"generationConfig": {"maxOutputTokens" : 100, "topK":1}}',
        '{"generationConfig": {"maxOutputTokens" : 7, "topK":1}}',
      ],
      ['{"generation_config":{"max_output_tokens":100}}', '{"generation_config":{"max_output_tokens":7}}'],
      [
        '{"generationConfig":{"max_output_tokens":1,"maxOutputTokens":2}}',
        '{"generationConfig":{"max_output_tokens":7,"maxOutputTokens":7}}',
      ],
      ['{"generationConfig":{"maxOutputTokens":null}}', '{"generationConfig":{"maxOutputTokens":7}}'],
      ['{"generationConfig":{"topK":1}}', '{"generationConfig":{"maxOutputTokens":7,"topK":1}}'],
      ['{"generation_config":{}}', '{"generation_config":{"max_output_tokens":7}}'],
      ['{"generationConfig":null,"a":1}', '{"generationConfig":{"maxOutputTokens":7},"a":1}'],
      [
        '{"contents":[{"generationConfig":{}}]}',
        '{"generationConfig":{"maxOutputTokens":7},"contents":[{"generationConfig":{}}]}',
      ],
      [
        '{"generationConfig":{"topK":1},"generation_config":{"max_output_tokens":5}}',
        '{"generationConfig":{"topK":1},"generation_config":{"max_output_tokens":7}}',
      ],
    ] as const) {
      expect(capped(source)).toBe(expected);
      JSON.parse(expected);
    }
  });
});

describe("the meter", () => {
  const chunk = (text: string, tokens: number, more = "") =>
    `{"candidates": [{"content": {"parts": [{"text": ${text}}],"role": "model"},"index": 0}],"usageMetadata": {"promptTokenCount": 4,"candidatesTokenCount": ${tokens},"totalTokenCount": ${tokens + 4},"promptTokensDetails": [{"modality": "TEXT","tokenCount": 4}]}${more},"modelVersion": "m","responseId": "r"}`;
  const sse = (...chunks: readonly string[]) => chunks.map((data) => `data: ${data}\r\n\r\n`).join("");
  const metered = (...chunks: readonly string[]) => meterSse(gemini, [bytesOf(sse(...chunks))]).metered;

  test("chunks that are alike are counted as those that are parsed", () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.string({ unit: "grapheme" }), fc.nat(5_000), fc.boolean()), { minLength: 1 }),
        (said) => {
          const chunks = said.map(([text, tokens, isEscaped]) =>
            chunk(isEscaped ? escaped(text) : JSON.stringify(text), tokens),
          );
          const all = metered(...chunks);
          const bytes = said.reduce((sum, [text]) => sum + bytesOf(text).length, 0);
          // Alone, a chunk has none before it to be like, so it is parsed.
          const last = metered(chunks.at(-1) ?? "");
          expect(all).toEqual({ ...last, contentBytes: bytes });
        },
      ),
    );
  });

  test("what differs from the chunk before in anything but text and totals is read", () => {
    const plain = chunk('"aaa"', 2);
    const usage = (answer: number) => ({ usage: { usage: { inputTokens: 4, outputTokens: answer } } });
    for (const [odd, expected] of [
      [chunk('"b"', 3, ',"error": {"code": 500,"message": "m"}'), { fault: { message: "m" }, complete: false }],
      [chunk('"b"', 3).replace('"index": 0', '"finishReason": "STOP","index": 0'), { finish: "STOP", complete: true }],
      [chunk('"b"', 3).replace('"}]', '"},{"text": "cc"}]'), { contentBytes: 3 + 1 + 2 + 3 }],
      [
        chunk('"b"', 3).replace('"}]', '"},{"functionCall": {"name": "f","args": {"a":1}}}]'),
        { contentBytes: 3 + 1 + 7 + 3 },
      ],
      [chunk('"b\\",\\"usageMetadata\\": {"', 3), { contentBytes: 3 + 21 + 3 }],
      [chunk('"b"', 3, ',"usageMetadata": {"promptTokenCount": 9,"candidatesTokenCount": 9}'), {}],
      [
        chunk('"b"', 3).replace('"totalTokenCount": 7', '"totalTokenCount": 7},"x": {"y": 1'),
        { contentBytes: 3 + 1 + 3 },
      ],
    ] as const)
      expect(metered(plain, plain.replace("aaa", ""), odd, chunk('"ccc"', 5))).toMatchObject({
        ...usage(5),
        ...expected,
      });
  });

  test("the last totals count, also where they are fewer, and where none follow", () => {
    const total = (metering: ReturnType<typeof metered>) => metering.usage?.usage.outputTokens;
    expect(total(metered(chunk('"a"', 50), chunk('"a"', 7)))).toBe(7);
    const silent = '{"candidates":[{"finishReason":"STOP"}]}';
    expect(total(metered(chunk('"a"', 5), chunk('"a"', 9), silent))).toBe(9);
    expect(
      total(
        metered(
          chunk('"a"', 5),
          chunk('"a"', 9),
          '{"usageMetadata":{"trafficType":"ON_DEMAND"},"candidates":[{"finishReason":"STOP"}]}',
        ),
      ),
    ).toBe(9);
  });

  test("whole answers: what was said, its usage and its end", () => {
    const body = {
      candidates: [{ content: { parts: [{ text: "é" }, { functionCall: { args: { a: 1 } } }] }, finishReason: 1 }],
      responseId: "r",
    };
    expect(meterResponse(body)).toMatchObject({
      usage: null,
      finish: "STOP",
      upstreamId: "r",
      contentBytes: 9,
      complete: true,
    });
    expect(meterResponse({ error: { code: 429, message: "m", status: "RESOURCE_EXHAUSTED" } })).toMatchObject({
      complete: false,
      fault: { message: "m", type: "RESOURCE_EXHAUSTED" },
    });
  });
});

const escaped = (text: string): string =>
  `"${[...Array(text.length).keys()].map((i) => `\\u${text.charCodeAt(i).toString(16).padStart(4, "0")}`).join("")}"`;
