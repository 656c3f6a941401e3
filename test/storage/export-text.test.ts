import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { type Column, encodedRows, usdText, utcText } from "../../core/storage/export-text.ts";
import { parseCsv } from "../support/csv.ts";

interface Row {
  readonly text: string | null;
  readonly number: number | null;
  readonly usd: string;
  readonly stream: boolean;
}
const columns: readonly Column<Row>[] = [
  { name: "text", value: (row) => row.text },
  { name: "number", value: (row) => row.number },
  { name: "usd", exact: true, value: (row) => row.usd },
  { name: "stream", value: (row) => row.stream },
];
const file = (format: "csv" | "jsonl", rows: readonly Row[]) =>
  new TextDecoder().decode(encodedRows(format, columns, rows, true));
const aRow = (text: string | null): Row => ({ text, number: -5, usd: "-0.5", stream: false });
const bytes = (text: string) => Buffer.from(text).toString();

const texts = fc.oneof(
  fc.string({ unit: "binary" }),
  fc.stringMatching(/^[-=+@\t\r\n",;'a ＝＠]{0,6}$/),
  fc.constantFrom("", "\u0000", "\ud800", "a\r\nb", '"', '""', "=1+1", "ü😀"),
);

describe("CSV", () => {
  test("any text comes back as it was, or behind one apostrophe where a sheet would run it", () => {
    fc.assert(
      fc.property(fc.array(texts, { maxLength: 5 }), (given) => {
        const [header, ...lines] = parseCsv(file("csv", given.map(aRow)));
        expect(header).toEqual(["text", "number", "usd", "stream"]);
        const expected = given.map((text) => (/^[=+\-@\t\r\n＝＋－＠]/.test(text) ? `'${text}` : text));
        expect(lines).toEqual(expected.map((text) => [bytes(text), "-5", "-0.5", "false"]));
      }),
    );
  });

  test.each([
    ["=HYPERLINK(1)", "'=HYPERLINK(1)"],
    ["+1", "'+1"],
    ["-1", "'-1"],
    ["@x", "'@x"],
    ["\tx", '"\'\tx"'],
    ["\rx", '"\'\rx"'],
    ["a=b", "a=b"],
    ['a"b,c', '"a""b,c"'],
    ["a;=b", '"a;=b"'],
  ])("%j is the cell %s", (given, cell) => {
    expect(file("csv", [aRow(given)])).toBe(`text,number,usd,stream\r\n${cell},-5,-0.5,false\r\n`);
  });

  test("an unknown value is an empty cell, and a later part has no header", () => {
    const row = { text: null, number: null, usd: "0", stream: true };
    expect(new TextDecoder().decode(encodedRows("csv", columns, [row], false))).toBe(",,0,true\r\n");
  });
});

test("JSONL: an object a line, text as it is, no header", () => {
  const lines = file("jsonl", [aRow("=1\n2"), aRow(null)]).split("\n");
  expect(lines.pop()).toBe("");
  expect(lines.map((line) => JSON.parse(line))).toEqual([
    { text: "=1\n2", number: -5, usd: "-0.5", stream: false },
    { text: null, number: -5, usd: "-0.5", stream: false },
  ]);
});

test.each([
  [0, "0.000000000"],
  [45, "0.000000045"],
  [-45, "-0.000000045"],
  [1_000_000_000, "1.000000000"],
  [-12_500_000_001, "-12.500000001"],
  [Number.MAX_SAFE_INTEGER, "9007199.254740991"],
  [null, null],
])("%p nano-USD are %p", (nano, usd) => {
  expect(usdText(nano)).toBe(usd);
});

test("a time that no calendar has is left out", () => {
  expect([utcText(0), utcText(null), utcText(8.65e15)]).toEqual(["1970-01-01T00:00:00.000Z", null, null]);
});
