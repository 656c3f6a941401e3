import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { GatewayError } from "../../core/chat/error.ts";
import type { JsonObject } from "../../core/chat/json.ts";
import { dialects } from "../../core/dialects/index.ts";
import { arrayItems, maxJsonDepth, objectMembers, parseJsonBody, splice } from "../../core/dialects/json-text.ts";

const spaces = ["", " ", "\n\t ", "\r\n"];

describe("parseJsonBody", () => {
  test("takes what JSON.parse takes, when it is an object", () => {
    fc.assert(
      fc.property(
        // In lower case, because `N` is one that it does not take.
        fc.dictionary(
          fc.string().map((name) => name.toLowerCase()),
          fc.jsonValue({ maxDepth: 6 }),
        ),
        fc.constantFrom(0, 1, 4),
        (value, indent) => {
          const text = JSON.stringify(value, null, indent);
          expect(parseJsonBody(text)).toEqual(JSON.parse(text));
        },
      ),
    );
  });

  test("refuses everything else without quoting it", () => {
    for (const text of [
      "",
      "{",
      '{"canary":1,}',
      "[1]",
      '"canary"',
      "null",
      "12",
      "\uFEFF{}",
      '{"canary":NaN}',
      "{}x",
      '{"a":"\\',
    ]) {
      const error = refusal(text);
      expect(error.kind).toBe("invalid-request");
      expect(error.message).not.toContain("canary");
    }
  });

  test("allows 128 levels and no more, in arrays and objects alike", () => {
    const arrays = (levels: number) => `{"a":${"[".repeat(levels - 1)}${"]".repeat(levels - 1)}}`;
    const objects = (levels: number) => `${'{"a":'.repeat(levels - 1)}{}${"}".repeat(levels - 1)}`;
    for (const nested of [arrays, objects]) {
      expect(parseJsonBody(nested(maxJsonDepth))).toBeObject();
      expect(refusal(nested(maxJsonDepth + 1)).message).toContain("128 levels");
    }
    expect(parseJsonBody(`{"a":"${"[".repeat(1_000)}"}`)).toBeObject();
  });

  test("refuses a million nested arrays before anything parses them", () => {
    const started = performance.now();
    expect(refusal(`{"a":${"[".repeat(1_000_000)}`).message).toContain("128 levels");
    expect(performance.now() - started).toBeLessThan(50);
  });

  test("keeps __proto__ a plain key", () => {
    const body = parseJsonBody('{"__proto__":{"admin":true}}');
    expect(Object.keys(body)).toEqual(["__proto__"]);
    expect(body["admin"]).toBeUndefined();
  });

  test("refuses a key given twice, at the top or right below it, however it is spelled", () => {
    for (const [text, param] of [
      ['{"model":"a","model":"a"}', "model"],
      ['{"model":"a","x":[{"model":1}],"mod\\u0065l":"b"}', "model"],
      ['{"n":1, "n" :2}', "n"],
      ['{"conversation":"conv_1","conversation":null}', "conversation"],
      ['{"mcp_servers":[{}],"mcp_servers":[]}', "mcp_servers"],
      ['{"stream_options":{"include_usage":false,"include_usage":true}}', "include_usage"],
      ['{"generationConfig":{"maxOutputTokens":1,"maxOutputTok\\u0065ns":2}}', "maxOutputTokens"],
      ['{"generation_config":{"candidate_count":1,"a":{},"candidate_count":2}}', "candidate_count"],
      [`{${Array.from({ length: 20 }, (_, i) => `"k${i}":0`).join()},"k3":1}`, "k3"],
    ] as const)
      expect(refusal(text).details.param).toBe(param);
  });

  test("refuses what decides about a call in another case", () => {
    for (const [text, param] of [
      ['{"model":"a","MODEL":"b"}', "MODEL"],
      ['{"Model":"a"}', "Model"],
      ['{"model":"a","M\\u004fdel":"b"}', "MOdel"],
      ['{"Max_Completion_Tokens":1}', "Max_Completion_Tokens"],
      ['{"N":1}', "N"],
      ['{"\u017ftream":true}', "\u017ftream"],
      ['{"max_to\u212aens":1}', "max_to\u212aens"],
      ['{"stream_options":{"Include_Usage":false}}', "Include_Usage"],
    ] as const)
      expect(refusal(text).details.param).toBe(param);
    for (const text of [
      '{"metadata":{"Model":"a","N":1},"logit_bias":{"Stream":1}}',
      '{"generationConfig":{"maxOutputTokens":1},"Temperature":1,"userModel":"a","größe":1}',
      '{"messages":[{"Model":"a"}]}',
    ])
      expect(parseJsonBody(text)).toEqual(JSON.parse(text));
  });

  test("refuses in another case all that an envelope is read from", () => {
    const body: JsonObject = { model: "m", max_tokens: 1, messages: [{ role: "user", content: "hi" }], input: "hi" };
    const read = new Set<string>();
    const watched = new Proxy(body, {
      get(fields, name) {
        if (typeof name === "string") read.add(name);
        return typeof name === "string" ? fields[name] : undefined;
      },
    });
    for (const { name, readEnvelope, operations } of dialects.values()) {
      // Its names are in camel case.
      if (name === "gemini") continue;
      readEnvelope(watched, 1);
      for (const codec of Object.values(operations)) codec.readEnvelope(watched, 1);
    }
    expect([...read]).toEqual(expect.arrayContaining(["model", "prediction", "mcp_servers", "reasoning", "n"]));
    const taken = [...read].filter((name) => isTaken(`{"${name.toUpperCase()}":null}`));
    // Text, whose bytes count whatever it is called, and the length of vectors.
    expect(new Set(taken)).toEqual(
      new Set(["stop", "stop_sequences", "metadata", "logit_bias", "instructions", "dimensions"]),
    );
  });

  test("leaves what is said of deeper objects to the provider", () => {
    const body = parseJsonBody('{"messages":[{"a":1,"a":2}],"x":{"y":{"model":1,"model":2}}}');
    expect(body).toEqual({ messages: [{ a: 2 }], x: { y: { model: 2 } } });
  });
});

describe("objectMembers", () => {
  test("gives the exact spans of keys and values", () => {
    const member = fc.tuple(
      fc.string(),
      fc.jsonValue({ maxDepth: 4 }),
      fc.constantFrom(...spaces),
      fc.constantFrom(...spaces),
    );
    fc.assert(
      fc.property(fc.array(member), (members) => {
        const parts = members.map(([key, value, before, after]) => ({
          key,
          before,
          after,
          text: JSON.stringify(value),
        }));
        const text = ` {${parts.map(({ key, before, after, text: value }) => `${before}${JSON.stringify(key)}${after}:${before}${value}${after}`).join(",")}} `;
        const found = objectMembers(text);
        expect(found.map(({ key }) => key)).toEqual(parts.map(({ key }) => key));
        expect(found.map(({ valueStart, valueEnd }) => text.slice(valueStart, valueEnd))).toEqual(
          parts.map((part) => part.text),
        );
        expect(found.every(({ keyStart }) => text[keyStart] === '"')).toBe(true);
      }),
    );
  });

  test("reads an object inside of another", () => {
    const text = '{"a": {"b" : {"c":[1,{"d":2}]} , "e":"}"} , "f":1}';
    const [a] = objectMembers(text);
    expect(objectMembers(text, a?.valueStart).map(({ key }) => key)).toEqual(["b", "e"]);
  });
});

test("arrayItems finds where the items of an array start", () => {
  for (const [text, items] of [
    ["[]", []],
    [' [ 1 ,"a,]" , [2,[3]],{"b":[4,5]} , null] , 6', ["1", '"a,]"', "[2,[3]]", '{"b":[4,5]}', "null"]],
  ] as const) {
    const starts = arrayItems(text, 0);
    expect(starts.length).toBe(items.length);
    for (const [i, item] of items.entries()) expect(text.startsWith(item, starts[i])).toBe(true);
  }
});

test("splice changes the spans and nothing else", () => {
  expect(splice("abcdef", [])).toBe("abcdef");
  const edits = [
    { start: 4, end: 5, text: "E" },
    { start: 0, end: 0, text: ">" },
    { start: 1, end: 3, text: "" },
  ];
  expect(splice("abcdef", edits)).toBe(">adEf");
});

function isTaken(text: string): boolean {
  try {
    parseJsonBody(text);
    return true;
  } catch {
    return false;
  }
}

function refusal(text: string): GatewayError {
  try {
    parseJsonBody(text);
  } catch (error) {
    if (error instanceof GatewayError) return error;
    throw error;
  }
  throw new Error("It was taken.");
}
