import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { redactorOf } from "../../../core/pipeline/content/redact.ts";
import { jsonSide } from "../../../core/pipeline/content/side.ts";
import { cpuMsOf } from "../../support/cpu.ts";

const redact = redactorOf([]);
const maxBytes = 20_000;
const shown = (value: unknown) => {
  const json = JSON.stringify(value);
  return jsonSide(json, Buffer.byteLength(json), { maxBytes, redact });
};
const noise = (bytes: number): string => {
  const data = Buffer.alloc(bytes);
  for (let at = 0; at < bytes; at += 65_536) crypto.getRandomValues(data.subarray(at, Math.min(bytes, at + 65_536)));
  return data.toString("base64");
};

describe("media in a body", () => {
  test("is replaced by kind and size, wherever the kind is said, of whatever size, and what follows it stays", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 400, max: 300_000 }),
        fc.constantFrom(
          ["image/webp", (data: string) => ({ url: `data:image/webp;base64,${data}` })] as const,
          ["image/png", (data: string) => ({ media_type: "image/png", data })] as const,
          ["audio/mp3", (data: string) => ({ inlineData: { mimeType: "audio/mp3", data } })] as const,
          ["base64", (data: string) => ({ b64_json: `+${data.slice(1)}` })] as const,
          ["image/gif", (data: string) => `Look: ![x](data:image/gif;base64,${data}) and tell me.`] as const,
        ),
        (bytes, [kind, inside]) => {
          const { text, media, truncated } = shown([inside(noise(bytes)), "what follows"]);
          expect(text).toContain(`[${kind}, ${bytes.toLocaleString("en-US")} bytes, not kept]`);
          expect(text).toEndWith(`"what follows"]`);
          expect([media, truncated, text.length < 300]).toEqual([1, false, true]);
          expect(JSON.parse(text)).toBeArray();
        },
      ),
      { numRuns: 60 },
    );
  });

  test.each([
    ["iVBORw0KGgo", "image/png"],
    ["/9j/", "image/jpeg"],
    ["JVBERi", "application/pdf"],
  ])("that begins with %s is %s, also with each slash escaped", (head, kind) => {
    const data = head + noise(900);
    expect(shown([data]).text).toStartWith(`["[${kind}, `);
    const json = `["${data.replaceAll("/", "\\/")}"]`;
    const { text } = jsonSide(json, json.length, { maxBytes, redact });
    expect(text).toBe(shown([data]).text);
  });

  test("is not what only looks like it: rows of a letter, long words, short ones, numbers", () => {
    for (const value of [
      "x".repeat(5_000),
      "word ".repeat(900),
      noise(300),
      "0123456789".repeat(100),
      "UPPER_CASE-".repeat(90),
    ])
      expect(shown([value])).toMatchObject({ text: JSON.stringify([value]), media: 0, truncated: false });
  });

  test("of many megabytes holds nobody up", () => {
    const json = JSON.stringify([noise(12_000_000)]);
    expect(cpuMsOf(() => void jsonSide(json, json.length, { maxBytes, redact }))).toBeLessThan(25);
    const prose = JSON.stringify(["some prose, 12 words. ".repeat(500_000)]);
    expect(cpuMsOf(() => void jsonSide(prose, prose.length, { maxBytes, redact }))).toBeLessThan(50);
  });
});
