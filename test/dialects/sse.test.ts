import { describe, expect, test } from "bun:test";
import { createParser } from "eventsource-parser";
import fc from "fast-check";
import { GatewayError } from "../../core/chat/error.ts";
import type { SseFrame } from "../../core/dialects/dialect.ts";
import { SseSplitter } from "../../core/dialects/sse.ts";

const encoder = new TextEncoder();
const bytesOf = (text: string) => encoder.encode(text);
const textOf = (bytes: Uint8Array) => new TextDecoder("utf-8", { ignoreBOM: true }).decode(bytes);

function split(chunks: readonly Uint8Array[], maxFrameBytes?: number) {
  const splitter = new SseSplitter(maxFrameBytes);
  const frames: SseFrame[] = chunks.flatMap((chunk) => splitter.push(chunk));
  const rest = splitter.rest();
  return { frames, rest, all: rest === null ? frames : [...frames, rest] };
}
const shown = (frames: readonly SseFrame[]) =>
  frames.map(({ bytes, data, event }) => ({ text: textOf(bytes), data, event }));

describe("forms of the WHATWG rules", () => {
  const cases: [name: string, text: string, events: [data: string | null, event: string | null][]][] = [
    [
      "LF",
      "data: a\n\ndata: b\n\n",
      [
        ["a", null],
        ["b", null],
      ],
    ],
    [
      "CRLF",
      "data: a\r\n\r\ndata: b\r\n\r\n",
      [
        ["a", null],
        ["b", null],
      ],
    ],
    [
      "CR",
      "data: a\r\rdata: b\r\r",
      [
        ["a", null],
        ["b", null],
      ],
    ],
    [
      "mixed",
      "data: a\n\r\ndata: b\r\n\ndata: c\r\n\r\n",
      [
        ["a", null],
        ["b", null],
        ["c", null],
      ],
    ],
    [
      "CR, then CRLF",
      "data: a\r\r\ndata: b\n\n",
      [
        ["a", null],
        ["b", null],
      ],
    ],
    ["BOM", "\uFEFFdata: a\n\n", [["a", null]]],
    ["several lines of data", "data: a\ndata:\ndata:  b\n\n", [["a\n\n b", null]]],
    [
      "no space, two spaces",
      "data:a\n\ndata:  b\n\n",
      [
        ["a", null],
        [" b", null],
      ],
    ],
    ["a field without colon", "data\n\n", [["", null]]],
    [
      "comments",
      ": PROCESSING\n\n:\ndata: a\n\n",
      [
        [null, null],
        ["a", null],
      ],
    ],
    ["event, id and retry", "event: error\nid: 1\nretry: 5\ndata: a\n\n", [["a", "error"]]],
    ["an empty event name", "event:\ndata: a\n\n", [["a", null]]],
    [
      "blank lines",
      "\n\ndata: a\n\n\n",
      [
        [null, null],
        [null, null],
        ["a", null],
        [null, null],
      ],
    ],
    ["data in a comment", ": data: x\n data: y\n\n", [[null, null]]],
  ];
  for (const [name, text, events] of cases) {
    test(`${name}, cut anywhere`, () => {
      const bytes = bytesOf(text);
      for (let cut = 0; cut <= bytes.length; cut++) {
        const { frames, rest } = split([bytes.subarray(0, cut), bytes.subarray(cut)]);
        expect(frames.map(({ data, event }) => [data, event] as [string | null, string | null])).toEqual(events);
        expect(rest).toBeNull();
      }
    });
  }
});

test("a CR LF that is cut in two makes no frame of its own, and the frame is not held back for a lone CR", () => {
  const splitter = new SseSplitter();
  expect(splitter.push(bytesOf("data: a\r\n\r"))).toEqual([]);
  expect(shown(splitter.push(bytesOf("\n")))).toEqual([{ text: "data: a\r\n\r\n", data: "a", event: null }]);
  expect(shown(splitter.push(bytesOf("data: b\r\r")))).toEqual([{ text: "data: b\r\r", data: "b", event: null }]);
});

test("the rest is what no blank line ended, and still has its data", () => {
  const { frames, rest } = split([bytesOf("data: a\n\ndata: [DONE]")]);
  expect(frames.length).toBe(1);
  expect(rest && shown([rest])).toEqual([{ text: "data: [DONE]", data: "[DONE]", event: null }]);
  expect(split([bytesOf("data: a\r\n\r")]).rest?.data).toBe("a");
  expect(split([bytesOf("data: a\n\n")]).rest).toBeNull();
});

test("any bytes in any chunks: nothing is lost, added or cut differently", () => {
  const line = fc.constantFrom("data: ", "data:x", ": c", "event: e", "event: ", "é😀", "", "data", "\uFEFF");
  const ending = fc.constantFrom("\n", "\r\n", "\r");
  const text = fc.array(fc.tuple(line, ending), { maxLength: 24 }).map((lines) => lines.flat().join(""));
  const input = fc.oneof(text.map(bytesOf), fc.uint8Array({ maxLength: 64 }));
  fc.assert(
    fc.property(input, fc.array(fc.nat(200), { maxLength: 8 }), (bytes, positions) => {
      const cuts = [0, ...positions.filter((at) => at <= bytes.length).toSorted((a, b) => a - b), bytes.length];
      const chunks = cuts.slice(1).map((end, i) => bytes.slice(cuts[i], end));
      const whole = split([bytes]);
      const pieces = split(chunks);
      expect(shown(pieces.all)).toEqual(shown(whole.all));
      expect(Buffer.concat(whole.all.map((frame) => frame.bytes))).toEqual(Buffer.from(bytes));
      expect(shown(split([...bytes].map((byte) => Uint8Array.of(byte))).all)).toEqual(shown(whole.all));
    }),
    { numRuns: 500 },
  );
});

test("agrees with eventsource-parser", () => {
  const line = fc.constantFrom(
    "data: a",
    "data:b",
    "data:",
    ": c",
    "event: e",
    "event: ",
    "event:",
    "id: 7",
    "x: y",
    "data: é😀",
    "",
  );
  fc.assert(
    fc.property(fc.array(line, { maxLength: 24 }), fc.constantFrom("\n", "\r\n", "\r"), (lines, ending) => {
      const text = lines.map((value) => value + ending).join("") + ending;
      const theirs: { data: string; event: string | null }[] = [];
      const parser = createParser({ onEvent: ({ data, event }) => theirs.push({ data, event: event ?? null }) });
      // It waits for what may follow the last CR.
      parser.feed(`${text}:`);
      const ours = split([bytesOf(text)]).all.flatMap(({ data, event }) => (data === null ? [] : [{ data, event }]));
      expect(ours).toEqual(theirs);
    }),
  );
});

test("characters that are cut in two stay whole", () => {
  const text = "data: 日本 👩‍🚀 é\n\n";
  const [frame] = split([...bytesOf(text)].map((byte) => Uint8Array.of(byte))).frames;
  expect(frame?.data).toBe("日本 👩‍🚀 é");
});

test("frames that were handed out do not change when more comes", () => {
  const splitter = new SseSplitter();
  splitter.push(bytesOf("data: fir"));
  const [first] = splitter.push(bytesOf("st\n\ndata: sec"));
  splitter.push(bytesOf("ond\n\ndata: third\n\n"));
  expect(first && textOf(first.bytes)).toBe("data: first\n\n");
  expect(first?.data).toBe("first");
});

describe("a frame that is too large", () => {
  const tooLarge = (run: () => unknown) => {
    expect(run).toThrow(GatewayError);
    expect(run).toThrow("more than 64 bytes");
  };
  test("is refused, complete or not, and one of just that size is not", () => {
    const exact = `data: ${"a".repeat(56)}\n\n`;
    expect(split([bytesOf(exact)], 64).frames.length).toBe(1);
    tooLarge(() => split([bytesOf(`data: ${"a".repeat(57)}\n\n`)], 64));
    tooLarge(() => split([bytesOf("a".repeat(40)), bytesOf("a".repeat(40))], 64));
  });

  test("is refused at 4 MiB by default, in bounded time even byte by byte", () => {
    const splitter = new SseSplitter();
    const byte = bytesOf("a");
    const started = performance.now();
    let pushed = 0;
    expect(() => {
      for (; pushed < 5_000_000; pushed++) splitter.push(byte);
    }).toThrow(GatewayError);
    expect(pushed).toBe(4 * 1024 * 1024);
    expect(performance.now() - started).toBeLessThan(5_000);
  });
});
