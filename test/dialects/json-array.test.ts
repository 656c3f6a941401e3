import { describe, expect, test } from "bun:test";
import { GatewayError } from "../../core/chat/error.ts";
import { JsonArraySplitter, JsonArrayWriter, startsLikeArray } from "../../core/dialects/json-array.ts";
import { SseSplitter } from "../../core/dialects/sse.ts";

const bytesOf = (text: string) => new TextEncoder().encode(text);
const textOf = (bytes: Uint8Array) => new TextDecoder("utf-8", { ignoreBOM: true }).decode(bytes);

/** As Google lays it out, with everything in strings that could be taken for structure. */
const elements = [
  '{"a": "]} , [{ \\" \\\\"}',
  '{\n "b": [[1, {}], "\u{1f600}é"]\n}',
  '{"c":{"d":"\\\\\\""}}',
  "{}",
] as const;
const google = `[${elements.join("\n,\r\n")}\n]\n`;

function split(chunks: readonly Uint8Array[], splitter = new JsonArraySplitter()) {
  const frames = chunks.flatMap((chunk) => splitter.push(chunk));
  const rest = splitter.rest();
  return {
    data: frames.map(({ data }) => data).filter((data) => data !== null),
    bytes: textOf(Buffer.concat([...frames.map(({ bytes }) => bytes), ...(rest === null ? [] : [rest.bytes])])),
    rest: rest?.data ?? null,
    stage: splitter.stage,
  };
}

describe("JsonArraySplitter", () => {
  test("cut at any two bytes, the elements are the same and no byte is lost", () => {
    const bytes = bytesOf(google);
    const expected = { data: [...elements], bytes: google, rest: null, stage: "closed" as const };
    expect(split([bytes])).toEqual(expected);
    for (let a = 0; a <= bytes.length; a++) {
      for (let b = a; b <= bytes.length; b += 3)
        expect(split([bytes.subarray(0, a), bytes.subarray(a, b), bytes.subarray(b)])).toEqual(expected);
    }
    expect(split([...bytes].map((byte) => Uint8Array.of(byte)))).toEqual(expected);
  });

  test("an element is handed out as soon as its brace has come, and what follows belongs to the next", () => {
    const splitter = new JsonArraySplitter();
    expect(splitter.push(bytesOf(" [")).length).toBe(0);
    expect(splitter.stage).toBe("before");
    expect(splitter.push(bytesOf('{"a":1}')).map(({ data }) => data)).toEqual(['{"a":1}']);
    expect(splitter.stage).toBe("open");
    expect(splitter.push(bytesOf(",")).length).toBe(0);
    const [second] = splitter.push(bytesOf('{"b":2}\r\n'));
    expect([textOf(second?.bytes ?? new Uint8Array()), second?.data, second?.event]).toEqual([
      ',{"b":2}\r\n',
      '{"b":2}',
      null,
    ]);
    expect(second?.raw.text.slice(second.raw.start, second.raw.end)).toBe(',{"b":2}\r\n');
    expect(splitter.push(bytesOf("]")).map(({ data }) => data)).toEqual([null]);
    expect(splitter.stage).toBe("closed");
  });

  test("an empty array, and one with text behind it", () => {
    expect(split([bytesOf("[]")])).toEqual({ data: [], bytes: "[]", rest: null, stage: "closed" });
    expect(split([bytesOf("\uFEFF[ ]"), bytesOf(' {"x":1}')]).bytes).toBe('\uFEFF[ ] {"x":1}');
    expect(split([bytesOf('[] {"x":1}')]).data).toEqual([]);
  });

  test("one that breaks off leaves its rest", () => {
    expect(split([bytesOf('[{"a":1},{"b":"x]}')])).toMatchObject({
      data: ['{"a":1}'],
      bytes: '[{"a":1},{"b":"x]}',
      rest: '{"b":"x]}',
      stage: "open",
    });
  });

  test("what is no array of objects is the provider's fault", () => {
    for (const junk of ["{}", "null", "<html>", "[1]", '["a"]', "[[{}]]", "data: {}\n\n", '"'])
      expect(() => split([bytesOf(junk)])).toThrow(GatewayError);
  });

  test("a frame is bounded, whole or in pieces", () => {
    const whole = bytesOf(`[{"a":"${"x".repeat(100)}"}]`);
    expect(() => split([whole], new JsonArraySplitter(100))).toThrow("more than 100 bytes");
    expect(() => split([whole.subarray(0, 60), whole.subarray(60)], new JsonArraySplitter(100))).toThrow("100 bytes");
    expect(split([whole], new JsonArraySplitter(200)).data.length).toBe(1);
  });

  test("one byte at a time costs a bounded time, backslashes and all", () => {
    const bytes = bytesOf(`[{"a":"${"\\\\".repeat(50_000)}"}]`);
    const started = performance.now();
    expect(split([...bytes].map((byte) => Uint8Array.of(byte))).data.length).toBe(1);
    expect(performance.now() - started).toBeLessThan(2_000);
  });

  test("tells an array by its first bytes", () => {
    for (const [text, isArray] of [
      ["[", true],
      ["\r\n [{", true],
      ["{", false],
      ["data: [", false],
      ["", false],
    ] as const)
      expect(startsLikeArray(bytesOf(text))).toBe(isArray);
  });
});

describe("JsonArrayWriter", () => {
  test("frames events as an array that the splitter and JSON.parse read", () => {
    const writer = new JsonArrayWriter();
    const text = [
      writer.write(": ping\n\n"),
      writer.write('data: {"a":1}\n\ndata: {"b":2}\n\n'),
      writer.write(""),
      writer.write(": ping\n\n"),
      writer.write('event: x\ndata:{"c":\ndata:3}\n\n'),
      writer.end(),
      writer.end(),
      writer.write('data: {"late":1}\n\n'),
    ].join("");
    expect(text).toBe('[{"a":1},\r\n{"b":2}\n,\r\n{"c":\n3}]');
    expect(JSON.parse(text)).toEqual([{ a: 1 }, { b: 2 }, { c: 3 }]);
    expect(split([bytesOf(text)]).data.length).toBe(3);
  });

  test("an answer without events is an empty array", () => {
    expect(new JsonArrayWriter().end()).toBe("[]");
  });

  test("goes on with an array that was passed on so far, to end it with an error", () => {
    const whole = bytesOf('[{"a":1}\n,\r\n{"b":"cut');
    const splitter = new JsonArraySplitter();
    const passed = splitter.push(whole).map(({ bytes }) => textOf(bytes));
    const writer = new JsonArrayWriter(splitter.stage);
    const text = passed.join("") + writer.write('data: {"error":{"code":504}}\n\n') + writer.end();
    expect(JSON.parse(text)).toEqual([{ a: 1 }, { error: { code: 504 } }]);
    expect(new JsonArrayWriter("closed").write('data: {"error":1}\n\n')).toBe("");
  });

  test("what SSE says and what the array says is the same", () => {
    const sse = elements.map((element) => `data: ${element.replaceAll("\n", "")}\n\n`).join("");
    const writer = new JsonArrayWriter();
    const array = writer.write(sse) + writer.end();
    expect(split([bytesOf(array)]).data).toEqual(new SseSplitter().push(bytesOf(sse)).map(({ data }) => data ?? ""));
  });
});
