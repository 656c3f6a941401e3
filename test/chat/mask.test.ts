import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { maskSecrets, printable } from "../../core/chat/mask.ts";

describe("maskSecrets", () => {
  test.each([
    [
      "key sk-llmp-0123456789ab-0123456789abcdefghijklmnopqrstuvwxyzABCDEFG012345 was used",
      "key sk-llmp-…2345 was used",
    ],
    ["Incorrect API key provided: sk-proj-AbCdEfGhIjKlMnOp.", "Incorrect API key provided: sk-proj-…MnOp."],
    ["sk-ant-api03-AbCdEfGhIjKlMnOp", "sk-ant-…MnOp"],
    ["gsk_AbCdEfGhIjKlMnOpQr", "gsk_…OpQr"],
    ["AIzaSyAbCdEfGhIjKlMnOpQr", "AIza…OpQr"],
    ["token eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl", "token eyJ…dXJl"],
    ["Authorization: Bearer abc", "Authorization: Bearer …"],
    ['{"authorization":"bearer abcdefghijklmnopqrst"}', '{"authorization":"bearer …qrst"}'],
    ["https://user:a-long-password@example.com/v1", "https://…word@example.com/v1"],
    ["https://example.com/v1?a=1&key=0123456789abcdefgh&b=2", "https://example.com/v1?a=1&key=…efgh&b=2"],
    ['x-api-key: "0123456789abcdefgh"', 'x-api-key: "…efgh"'],
    [
      "a task-management-system, gpt-5-mini, 0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b",
      "a task-management-system, gpt-5-mini, 0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b",
    ],
  ])("%s", (text, masked) => {
    expect(maskSecrets(text)).toBe(masked);
  });

  const secret = fc.string({ unit: fc.constantFrom(..."ABCXYZabcxyz0189"), minLength: 20, maxLength: 60 });

  test("of a secret at most the last four characters stay, wherever it is", () => {
    fc.assert(
      fc.property(
        fc.string(),
        fc.constantFrom("sk-", "sk-proj-", "sk-llmp-", "eyJ", "Bearer ", "api_key="),
        secret,
        fc.string(),
        (before, prefix, hidden, after) => {
          expect(maskSecrets(`${before} ${prefix}${hidden} ${after}`)).not.toContain(hidden.slice(0, -4));
        },
      ),
    );
  });

  test("masking twice is masking once", () => {
    const piece = fc.oneof(
      fc.string(),
      secret,
      fc.constantFrom("sk-", "eyJ", "Bearer ", "api_key=", "?key=", "://", "@", ".", '"', ": "),
    );
    fc.assert(
      fc.property(
        fc.array(piece).map((pieces) => pieces.join("")),
        (text) => {
          const once = maskSecrets(text);
          expect(maskSecrets(once)).toBe(once);
        },
      ),
    );
  });

  test.each([
    "sk-",
    "-eyJ",
    "eyJ.",
    "Bearer ",
    "Basic\t",
    "://",
    "://a",
    "api_key",
    "api-key ",
    "password:",
    "?key=",
    '"',
    " ",
    "a",
    "-",
  ])("a megabyte of %j takes linear time", (piece) => {
    const timed = (length: number) => {
      const text = piece.repeat(length / piece.length);
      const startedMs = performance.now();
      maskSecrets(text);
      return performance.now() - startedMs;
    };
    timed(10_000);
    // Quadratic time would be 100 s here, and linear 20 ms.
    expect(timed(1_000_000)).toBeLessThan(2_000);
  });
});

describe("printable", () => {
  const codePoint = fc.oneof(fc.nat(0x9f), fc.integer({ min: 0xd800, max: 0xdfff }), fc.nat(0x10ffff));
  const anyText = fc.array(codePoint).map((points) => String.fromCodePoint(...points));

  test("plain text stays as it is", () => {
    for (const text of ["", "gpt-5-mini", "Grüße, 世界 👋"]) expect(printable(text, 100)).toBe(text);
  });

  test.each([
    ["a\nb\r\tc", "a\uFFFDb\uFFFD\uFFFDc"],
    ["\u001b[2J\u0085\u007f", "\uFFFD[2J\uFFFD\uFFFD"],
    ["\u2028\u2029\u202e\u200f\ufeff", "\uFFFD\uFFFD\uFFFD\uFFFD\uFFFD"],
    ["\ud800x", "\uFFFDx"],
  ])("%j", (text, expected) => {
    expect(printable(text, 100)).toBe(expected);
  });

  test("is never longer than asked for, and always well-formed", () => {
    fc.assert(
      fc.property(anyText, fc.integer({ min: 1, max: 30 }), (text, maxLength) => {
        const shown = printable(text, maxLength);
        expect(shown.length).toBeLessThanOrEqual(maxLength);
        expect(shown.isWellFormed()).toBe(true);
        expect(shown).not.toMatch(/\p{Cc}/u);
        if (text.length > maxLength) expect(shown.endsWith("…")).toBe(true);
      }),
    );
  });
});
