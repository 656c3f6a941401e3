import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { type RedactionCounts, redactorOf } from "../../../core/pipeline/content/redact.ts";
import { jsonSide } from "../../../core/pipeline/content/side.ts";
import { cpuMsOf } from "../../support/cpu.ts";

const redact = redactorOf([]);
const shown = (text: string): string => redact(text, new Map());
const found = (text: string): readonly string[] => {
  const counts: RedactionCounts = new Map();
  redact(text, counts);
  return [...counts.keys()].toSorted();
};

const card = (digits: string): string => {
  for (let last = 0; last < 10; last++) {
    const number = digits + last;
    const sum = [...number].toReversed().reduce((total, digit, at) => {
      const value = Number(digit) * (at % 2 === 0 ? 1 : 2);
      return total + (value > 9 ? value - 9 : value);
    }, 0);
    if (sum % 10 === 0) return number;
  }
  throw new Error("one of ten digits always fits");
};
const grouped = (text: string, by: string): string => (text.match(/.{1,4}/g) ?? []).join(by);

const token = (alphabet: string, length: number) =>
  fc.array(fc.constantFrom(...alphabet), { minLength: length, maxLength: length }).map((letters) => letters.join(""));
const alphanumeric = "ABCDEFGHabcdefgh0123456789";

/** Each with the rule that must find it. */
const secrets: readonly (readonly [rule: string, secret: fc.Arbitrary<string>])[] = [
  ["key", fc.tuple(token(alphanumeric, 12), token(alphanumeric, 49)).map(([id, rest]) => `sk-llmp-${id}-${rest}`)],
  [
    "secret",
    fc
      .tuple(
        fc.constantFrom(
          "sk-",
          "sk-ant-api03-",
          "sk-proj-",
          "sk-or-v1-",
          "gsk_",
          "xai-",
          "hf_",
          "ghp_",
          "rk_live_",
          "xoxb-",
        ),
        token(alphanumeric, 40),
      )
      .map(([prefix, rest]) => `${prefix}${rest}A1`),
  ],
  ["secret", token(alphanumeric, 35).map((rest) => `AIza${rest}`)],
  ["secret", token("ABCDEFGH0123456789", 16).map((rest) => `AKIA${rest}`)],
  ["bearer", token(alphanumeric, 32).map((rest) => `Bearer ${rest}7==`)],
  [
    "jwt",
    fc
      .tuple(token(alphanumeric, 20), token(alphanumeric, 40), token(alphanumeric, 43))
      .map(([head, body, signature]) => `eyJ${head}.eyJ${body}.${signature}`),
  ],
  [
    "email",
    fc
      .tuple(
        fc.constantFrom("jo.doe", "x+tag", "müller", "a_b-c"),
        fc.constantFrom("example.com", "mail.firma.co.uk", "bücher.example"),
      )
      .map(([local, domain]) => `${local}@${domain}`),
  ],
  [
    "card",
    fc
      .tuple(
        fc.constantFrom("411111", "555555", "222300", "601100"),
        token("0123456789", 9),
        fc.constantFrom("", " ", "-"),
      )
      .map(([issuer, rest, by]) => grouped(card(issuer + rest), by)),
  ],
  ["card", token("0123456789", 12).map((rest) => card(`37${rest}`))],
  [
    "iban",
    fc
      .tuple(
        fc.constantFrom(
          "DE89370400440532013000",
          "GB29NWBK60161331926819",
          "FR1420041010050500013M02606",
          "NO9386011117947",
        ),
        fc.constantFrom("", " ", "-"),
        fc.boolean(),
      )
      .map(([number, by, lower]) => grouped(lower ? number.toLowerCase() : number, by)),
  ],
  [
    "private-key",
    token(alphanumeric, 64).map((key) => `-----BEGIN RSA PRIVATE KEY-----\n${key}\n-----END RSA PRIVATE KEY-----`),
  ],
];
/** What may stand around one, in prose, in code and in JSON inside a text. */
const around = fc.constantFrom("", " ", "\n", "key=", '"', "\\n", "\\u003c", "(", "<", ": ", "und ");
const after = fc.constantFrom("", " ", "\n", '"', "\\n", ")", ">", ", ", " rest", "\\u003e");

describe("redaction", () => {
  test.each(secrets.map(([rule, secret], at) => [`${rule} ${at}`, rule, secret] as const))(
    "%s is found wherever it stands, and the text around it stays",
    (_, rule, secret) => {
      fc.assert(
        fc.property(secret, around, after, (text, before, behind) => {
          const result = shown(`Hello ${before}${text}${behind}`);
          expect(found(`Hello ${before}${text}${behind}`)).toContain(rule);
          expect(result).not.toContain(text);
          // An escape before it may be taken with it.
          expect(result).toStartWith("Hello ");
          expect(result).toEndWith(behind);
        }),
      );
    },
  );

  test("twice redacted is once redacted", () => {
    const some = fc.oneof(...secrets.map(([, secret]) => secret), fc.string(), around);
    fc.assert(
      fc.property(fc.array(some, { maxLength: 8 }), (pieces) => {
        const once = shown(pieces.join(" "));
        expect(shown(once)).toBe(once);
      }),
    );
  });

  test("no secret is seen through any way of writing it in JSON, at any place of a document", () => {
    const escaped = (text: string, every: boolean) =>
      every
        ? `"${[...text].map((letter) => `\\u${letter.charCodeAt(0).toString(16).padStart(4, "0")}`).join("")}"`
        : JSON.stringify(text).replaceAll("/", "\\/");
    fc.assert(
      fc.property(
        fc.oneof(...secrets.map(([, secret]) => secret)),
        fc.boolean(),
        fc.boolean(),
        (secret, every, asKey) => {
          const literal = escaped(secret, every);
          const json = asKey ? `{${literal}:1}` : `{"a":[{"b":${literal}}]}`;
          const { text, redacted } = jsonSide(json, json.length, { maxBytes: 10_000, redact });
          expect(Object.keys(redacted)).not.toEqual([]);
          expect(JSON.stringify(JSON.parse(text))).not.toContain(JSON.stringify(secret).slice(1, -1));
        },
      ),
    );
  });

  test("a number in JSON may be a card's, and the document stays one", () => {
    const json = '{"card":4111111111111111,"other":1764123456789,"list":[0.12345678901234567,4111111111111112]}';
    const { text, redacted } = jsonSide(json, json.length, { maxBytes: 10_000, redact });
    expect(redacted).toEqual({ card: 1 });
    expect(JSON.parse(text)).toMatchObject({ card: "[redacted: card]", other: 1_764_123_456_789 });
  });

  test.each([
    "task-oriented programming with sk-learn and risk-management-of-things",
    "The bearer of this letter, notwithstanding, is the basic configuration.",
    "lodash@4.17.21, @scope/package, user@localhost, git@host:path",
    "Call 0800 123 456 789 0, order 1764123456789, 1234 5678 9012 3456",
    "DE89 3704 0044 0532 0130 01 has a wrong digit; AB12 CD34",
    "x".repeat(5_000),
    "https://user@example/path?x=1 and http://host:8080/path",
    "2026-11-26 12:34:56.789 0.12345678901234567",
  ])("%j holds none", (text) => expect(shown(text)).toBe(text));

  test.each([
    ["Order 12 4111 1111 1111 1111 12/27", "Order 12 [redacted: card] 12/27"],
    ["DE89370400440532013000 BIC COBADEFF", "[redacted: iban] BIC COBADEFF"],
    ["postgres://app:hunter2@db.internal:5432/x", "postgres://app:[redacted: password]@db.internal:5432/x"],
    ["a@example.com,b@example.com", "[redacted: email],[redacted: email]"],
    ["-sk-abcdefghij-1234567890", "-[redacted: secret]"],
  ])("%p becomes %p", (text, expected) => expect(shown(text)).toBe(expected));

  /** Battery 130: rows of what each rule begins with, without the end that it looks for. */
  test.each([
    "sk-",
    "sk-a",
    "eyJ",
    "eyJa.",
    "bearer ",
    "a@",
    "@a.",
    "a.b@c.",
    "1",
    "1 ",
    "4111 ",
    "DE89 ",
    "DE89370400440532013000",
    "\\n",
    "://:",
    "a://b:",
    "-----BEGIN PRIVATE KEY-----",
    "-----BEGIN ",
    "Aa1",
    "AIza",
    "data:image/png;base64,",
    '"',
    "\\",
  ])("%j over and over takes no time", (piece) => {
    const text = piece.repeat(Math.ceil(64_000 / piece.length));
    const json = JSON.stringify([text]);
    expect(cpuMsOf(() => void redact(text, new Map()))).toBeLessThan(250);
    expect(cpuMsOf(() => void jsonSide(json, json.length, { maxBytes: 65_536, redact }))).toBeLessThan(250);
  });
});

describe("a side", () => {
  const options = { maxBytes: 1_000, redact };

  test("is never longer than its cap and a mark, never half a character, and marked exactly when something is missing", () => {
    fc.assert(
      fc.property(fc.json(), fc.integer({ min: 0, max: 3_000 }), (json, padding) => {
        const document = `[${json},"${"ü".repeat(padding)}"]`;
        const bytes = Buffer.byteLength(document);
        const side = jsonSide(document, bytes, options);
        expect(Buffer.byteLength(side.text)).toBeLessThanOrEqual(1_000 + 60);
        expect(side.text).not.toContain("\ufffd");
        expect(side.truncated).toBe(/… \[cut here, [0-9,]+ bytes in all\]$/.test(side.text));
        if (bytes <= 1_000 && side.media === 0 && Object.keys(side.redacted).length === 0)
          expect(side.truncated).toBe(false);
      }),
    );
  });

  test("a secret that lies across the cut is not half there", () => {
    const secret = "sk-ant-api03-0123456789abcdefghij0123456789abcdefghij";
    for (let padding = 900; padding < 1_010; padding++)
      for (const head of ["", "x".repeat(9_000)]) {
        const json = JSON.stringify([`${head}${" ".repeat(padding)}`, secret]);
        const inOne = JSON.stringify([`${" ".repeat(padding)}${secret}${" y".repeat(9_000)}`]);
        for (const document of [json, inOne])
          expect(jsonSide(document, document.length, options).text).not.toContain("api03");
      }
  });

  test("many redactions do not pull the cut end of a text into what is kept", () => {
    const text = "a.long.name.of.a.person@mail.example.com ".repeat(400);
    for (let cut = 0; cut < 45; cut++) {
      const json = JSON.stringify([text.slice(cut)]);
      expect(jsonSide(json, json.length, { maxBytes: 6_000, redact }).text).not.toMatch(/person|long\.name/);
    }
  });
});
