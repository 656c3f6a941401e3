import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import type { JsonObject } from "../../../core/chat/json.ts";
import type { RequestEdit } from "../../../core/dialects/dialect.ts";
import { openaiChat } from "../../../core/dialects/openai-chat/index.ts";
import { bytesOf, meterSse } from "../../contract/dialect.ts";

const { relay } = openaiChat;

describe("editRequest", () => {
  const edit = (source: string, change: Partial<RequestEdit>) =>
    relay.editRequest(source, {
      model: "m",
      includeUsage: false,
      maxOutputTokens: null,
      maxOutputTokensField: "max_completion_tokens",
      ...change,
    });
  const asked = '"stream_options":{"include_usage":true}';

  const cases: [name: string, source: string, change: Partial<RequestEdit>, result: string][] = [
    ["the model", '{"model":"m","a":1}', { model: 'x/"y"' }, '{"model":"x/\\"y\\"","a":1}'],
    ["an escaped key", '{"mod\\u0065l" : "m"}', { model: "x" }, '{"mod\\u0065l" : "x"}'],
    ["an escaped name that is the same", '{"model":"\\u006d"}', {}, '{"model":"\\u006d"}'],
    [
      "numbers, surrogates, spaces and order stay",
      '{ "seed":9007199254740993,\n"temperature":1.0, "model" :\t"m" ,"messages":[{"content":"\\ud83d","model":"q"}] }',
      { model: "x" },
      '{ "seed":9007199254740993,\n"temperature":1.0, "model" :\t"x" ,"messages":[{"content":"\\ud83d","model":"q"}] }',
    ],
    ["usage is asked for", '{"model":"m"}', { includeUsage: true }, `{${asked},"model":"m"}`],
    [
      "stream_options: null",
      '{"stream_options": null,"model":"m"}',
      { includeUsage: true },
      '{"stream_options": {"include_usage":true},"model":"m"}',
    ],
    [
      "stream_options: {}",
      '{"model":"m","stream_options":{ }}',
      { includeUsage: true },
      '{"model":"m","stream_options":{"include_usage":true }}',
    ],
    [
      "other stream options stay",
      '{"model":"m","stream_options":{"x":[1]}}',
      { includeUsage: true },
      '{"model":"m","stream_options":{"include_usage":true,"x":[1]}}',
    ],
    [
      "include_usage: false",
      '{"model":"m","stream_options":{"include_usage" : false}}',
      { includeUsage: true },
      '{"model":"m","stream_options":{"include_usage" : true}}',
    ],
    [
      "include_usage given twice",
      '{"model":"m","stream_options":{"include_usage":false,"include_usage":true}}',
      { includeUsage: true },
      '{"model":"m","stream_options":{"include_usage":true,"include_usage":true}}',
    ],
    [
      "include_usage: true",
      '{"model":"m","stream_options":{"include_usage":true}}',
      { includeUsage: true },
      '{"model":"m","stream_options":{"include_usage":true}}',
    ],
    ["a cap is added", '{"model":"m"}', { maxOutputTokens: 9 }, '{"max_completion_tokens":9,"model":"m"}'],
    [
      "a cap is added under the target's name",
      '{"model":"m"}',
      { maxOutputTokens: 9, maxOutputTokensField: "max_tokens" },
      '{"max_tokens":9,"model":"m"}',
    ],
    [
      "a cap is replaced under the client's name",
      '{"max_tokens":100,"model":"m"}',
      { maxOutputTokens: 9 },
      '{"max_tokens":9,"model":"m"}',
    ],
    [
      "both caps are replaced",
      '{"max_tokens":100,"model":"m","max_completion_tokens":7}',
      { maxOutputTokens: 9 },
      '{"max_tokens":9,"model":"m","max_completion_tokens":9}',
    ],
    [
      "a cap of null is none",
      '{"max_tokens":null,"model":"m"}',
      { maxOutputTokens: 9 },
      '{"max_tokens":null,"max_completion_tokens":9,"model":"m"}',
    ],
    [
      "a cap of null under the target's name is filled",
      '{"max_completion_tokens":null,"model":"m"}',
      { maxOutputTokens: 9 },
      '{"max_completion_tokens":9,"model":"m"}',
    ],
    [
      "all at once",
      '{"model":"m","n":1}',
      { model: "x", includeUsage: true, maxOutputTokens: 9 },
      `{${asked},"max_completion_tokens":9,"model":"x","n":1}`,
    ],
  ];
  for (const [name, source, change, result] of cases) test(name, () => expect(edit(source, change)).toBe(result));

  test("any body: the edit's members change, the others keep their value", () => {
    const bodies = fc.dictionary(fc.string(), fc.jsonValue({ maxDepth: 3 }));
    fc.assert(
      fc.property(bodies, fc.constantFrom(0, 2), fc.string({ minLength: 1 }), (more, indent, model) => {
        const body = { ...more, model: "m", stream: true };
        const edited: JsonObject = JSON.parse(edit(JSON.stringify(body, null, indent), { model, includeUsage: true }));
        expect(edited).toEqual({ ...JSON.parse(JSON.stringify(body)), model, stream_options: { include_usage: true } });
      }),
    );
  });
});

describe("meterStream", () => {
  const chunk = (choices: readonly JsonObject[], more: JsonObject = {}) =>
    `data: ${JSON.stringify({ id: "c1", object: "chat.completion.chunk", created: 1, model: "m", choices, ...more })}\n\n`;
  const delta = (fields: JsonObject, finish: string | null = null, index = 0) => ({
    index,
    delta: fields,
    finish_reason: finish,
  });
  const usage = (prompt: number, completion: number | null) => ({
    prompt_tokens: prompt,
    completion_tokens: completion,
    total_tokens: completion === null ? null : prompt + completion,
  });
  const meter = (text: string, hideUsage = false) => meterSse(openaiChat, [bytesOf(text)], { hideUsage });

  test("hides the usage chunk that the client did not ask for, and only that", () => {
    const opening = chunk([], { id: "", prompt_filter_results: [] });
    const both = chunk([delta({ content: "x" }, "stop")], { usage: usage(1, 1) });
    const last = chunk([], { usage: usage(3, 4) });
    const text = `${opening}${both}${last}data: [DONE]\n\n`;
    expect(meter(text, true)).toMatchObject({
      hidden: 1,
      metered: { usage: { usage: { inputTokens: 3, outputTokens: 4 } } },
    });
    expect(meter(text, false).hidden).toBe(0);
    expect(meter(opening + both + chunk([], { usage: null }), true).hidden).toBe(0);
  });

  test("takes the last report and never adds", () => {
    const counted = [1, 2, 3].map((n) => chunk([delta({ content: "x" })], { usage: usage(9, n) })).join("");
    expect(meter(counted).metered.usage?.usage).toMatchObject({ inputTokens: 9, outputTokens: 3 });
  });

  test("a report without the output counts only when the answer came to its end", () => {
    const interim = chunk([delta({ content: "x" })], { usage: usage(9, null) });
    expect(meter(interim).metered).toMatchObject({ usage: null, complete: false, contentBytes: 1 });
    expect(meter(`${interim}data: [DONE]\n\n`).metered.usage).toMatchObject({
      anomalous: true,
      usage: { inputTokens: 9 },
    });
    expect(meter(interim + chunk([], { usage: usage(9, 2) })).metered.usage).toMatchObject({
      usage: { outputTokens: 2 },
    });
  });

  test("of several choices that were asked for, all that have begun must end, unless [DONE] comes", () => {
    const several = (...chunks: readonly string[]) =>
      meterSse(openaiChat, [bytesOf(chunks.join(""))], { hideUsage: false, isSeveral: true }).metered;
    const more = (index: number) => chunk([delta({ content: "x" }, null, index)]);
    const end = (index: number) => chunk([delta({}, "stop", index)]);
    expect(several(more(0), more(0), more(0), more(1), end(0))).toMatchObject({ finish: "stop", complete: false });
    expect(several(more(0), more(0), more(0), more(1), end(0), "data: [DONE]\n\n").complete).toBe(true);
    expect(several(more(0), more(1), end(0), more(0), end(1)).complete).toBe(true);
    // A vendor that gives no more than one.
    expect(several(more(0), end(0)).complete).toBe(true);
    expect(several(more(0)).complete).toBe(false);
    expect(several(chunk([delta({ content: "x" }, "stop", 0), delta({ content: "x" }, null, 1)])).complete).toBe(false);
    expect(meter(more(0) + chunk([delta({}, "stop", 1)])).metered.complete).toBe(true);
  });

  test("reads usage ahead of the choices, and Groq's own place for it", () => {
    const ahead = (n: number) =>
      `data: {"id":"c","usage":${JSON.stringify(usage(1, n))},"choices":[{"index":0,"delta":{"content":"x"}}]}\n\n`;
    expect(meter(ahead(1) + ahead(2)).metered.usage?.usage.outputTokens).toBe(2);
    const groq = chunk([delta({}, "stop")], { x_groq: { id: "r", usage: usage(5, 6) } });
    expect(meter(groq).metered.usage?.usage).toMatchObject({ inputTokens: 5, outputTokens: 6 });
  });

  test("usage that the model only talks about changes nothing", () => {
    const talk =
      '{"usage":{"prompt_tokens":0,"completion_tokens":0}} "finish_reason":"stop" data: [DONE]\n\n"error":{"message":"x"}';
    const { metered } = meter(
      chunk([delta({ content: talk })]) + chunk([delta({ tool_calls: [{ index: 0, function: { arguments: talk } }] })]),
    );
    expect(metered).toMatchObject({ usage: null, finish: null, complete: false, fault: null });
    expect(metered.contentBytes).toBe(2 * bytesOf(talk).length);
  });

  test("a chunk that differs from the one before in more than its content is read again", () => {
    const frame = (content: string, rest: string) =>
      `data: {"id":"c","choices":[{"index":0,"delta":{"content":"${content}"},"finish_reason":${rest}}\n\n`;
    const same = frame("ab", "null}]") + frame("cd", "null}]");
    expect(meter(same + frame("ef", '"ok"}]')).metered).toMatchObject({
      finish: "ok",
      complete: true,
      contentBytes: 6,
    });
    const padded = frame("ab", 'null}],"obfuscation":"xyz"') + frame("cd", 'null}],"obfuscation":"z"');
    expect(meter(padded).metered).toMatchObject({ contentBytes: 4, fault: null });
    expect(meter(padded + frame("ef", 'null}],"obfuscation":"z","error":"broke"')).metered.fault).toMatchObject({
      message: "broke",
    });
    const longer = frame("ab", "null}]").replace('"},', '","tool_calls":[{"index":0,"function":{"arguments":"12"}}]},');
    expect(meter(same + longer + same).metered.contentBytes).toBe(12);
  });

  test("chunks that are alike are metered the same however their bytes come", () => {
    const inAscii = (json: string) =>
      json.replaceAll(/[\u0080-\uffff]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`);
    const texts = fc.array(fc.string({ unit: "binary", maxLength: 12 }), { minLength: 1, maxLength: 8 });
    fc.assert(
      fc.property(texts, fc.boolean(), fc.boolean(), fc.integer({ min: 5, max: 700 }), (said, ascii, padded, size) => {
        const sse = said
          .map((content) => chunk([delta({ content })], padded ? { obfuscation: "x".repeat(content.length) } : {}))
          .join(": a comment\n\n")
          .replaceAll(": a comment\n\n", (comment, at: number) => (at % 3 === 0 ? comment : ""));
        const bytes = bytesOf(
          `${ascii ? inAscii(sse) : sse}${chunk([delta({}, "stop")])}${chunk([], { usage: usage(5, 2) })}`,
        );
        const pieces = Array.from({ length: Math.ceil(bytes.length / size) }, (_, at) =>
          bytes.subarray(at * size, (at + 1) * size),
        );
        const { metered, hidden } = meterSse(openaiChat, pieces, { hideUsage: true });
        const contentBytes = said.reduce((sum, content) => sum + bytesOf(content).length, 0);
        expect(metered).toMatchObject({
          contentBytes,
          finish: "stop",
          complete: true,
          usage: { usage: { inputTokens: 5 } },
        });
        expect(hidden).toBe(1);
      }),
      { numRuns: 50 },
    );
  });

  test("keeps the first finish of the first candidate, and the id of the first chunk that has one", () => {
    const text =
      chunk([delta({}, "length", 1)], { id: "" }) +
      chunk([delta({}, "stop")]) +
      chunk([delta({}, "tool_calls")], { id: "c2" });
    expect(meter(text).metered).toMatchObject({ finish: "stop", upstreamId: "c1", complete: true });
  });

  describe("content is counted in UTF-8 bytes", () => {
    const count = (fields: JsonObject) => meter(chunk([delta(fields)])).metered.contentBytes;
    test("of any text", () => {
      fc.assert(
        fc.property(fc.string({ unit: "binary", maxLength: 40 }), (text) => {
          const expected = bytesOf(text).length;
          expect(count({ role: "assistant", content: text })).toBe(expected);
          expect(count({ tool_calls: [{ index: 0, function: { arguments: text } }] })).toBe(expected);
          expect(
            meter(chunk([delta({ content: text })]).replaceAll('":"', '" : "')).metered.contentBytes,
          ).toBeGreaterThanOrEqual(expected);
        }),
      );
    });
    test("escaped or not", () => {
      const text = 'data: {"id":"c","choices":[{"delta": {"content": "\\u00e9\\ud83d\\ude00\\n\\"\\\\"}}]}\n\n';
      expect(meter(text).metered.contentBytes).toBe(bytesOf('é😀\n"\\').length);
    });
    test("of reasoning once, whatever its names", () => {
      expect(count({ reasoning: "abc", reasoning_details: [{ type: "reasoning.text", text: "abc" }] })).toBe(3);
      expect(count({ reasoning: "abc", reasoning_content: "abc" })).toBe(3);
      expect(count({ reasoning_details: [{ type: "reasoning.text", text: "abc" }] })).toBe(3);
    });
    test("of refusals, custom tools, lists of parts and several candidates", () => {
      expect(count({ refusal: "no" })).toBe(2);
      expect(count({ tool_calls: [{ index: 0, custom: { name: "shell", input: "date" } }] })).toBe(4);
      expect(count({ content: [{ type: "thinking", thinking: [{ type: "text", text: "hm" }] }] })).toBe(2);
      expect(meter(chunk([delta({ content: "ab" }), delta({ content: "c" }, null, 1)])).metered.contentBytes).toBe(3);
    });
  });

  test("a fault is kept, and the answer is not complete", () => {
    const start = chunk([delta({ content: "x" })]);
    const faults = [
      'event: error\ndata: {"error":{"message":"broke","code":"tool_use_failed"}}\n\n',
      'data: {"error":"broke"}\n\n',
      chunk([delta({ content: "" }, "error")], { error: { code: 502, message: "broke" } }),
      'data: {"id":"c1","error":{"message":"broke"},"choices":[{"index":0,"delta":{"content":""}}]}\n\n',
    ];
    for (const fault of faults) {
      expect(meter(start + fault).metered).toMatchObject({
        complete: false,
        fault: { message: "broke" },
        contentBytes: 1,
      });
    }
    expect(meter(start + chunk([delta({}, "error")])).metered).toMatchObject({
      complete: false,
      fault: { code: "error" },
    });
    expect(meter("event: error\ndata: {bad\n\n").metered.fault).not.toBeNull();
  });
});

describe("meterResponse", () => {
  test("reads an error inside of a 200", () => {
    const fault = relay.meterResponse({ error: { message: "The response was filtered", code: "content_filter" } });
    expect(fault).toMatchObject({ complete: false, usage: null, fault: { code: "content_filter" } });
  });
  test("counts all candidates and everything they say", () => {
    const message = {
      content: "né",
      reasoning: "ab",
      reasoning_content: "abc",
      refusal: null,
      tool_calls: [{ function: { arguments: "{}" } }, { custom: { input: "x" } }],
    };
    const list = {
      content: [
        { type: "thinking", thinking: [{ type: "text", text: "hm" }] },
        { type: "text", text: "a" },
      ],
    };
    const body = { id: "c", choices: [{ message, finish_reason: "tool_calls" }, { message: list }] };
    expect(relay.meterResponse(body)).toMatchObject({
      contentBytes: 3 + 3 + 2 + 1 + 3,
      finish: "tool_calls",
      upstreamId: "c",
    });
  });
});
