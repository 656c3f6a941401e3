import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import type { JsonObject } from "../../core/chat/json.ts";
import { type ParameterName, parameterNames, type Parameters } from "../../core/chat/parameters.ts";
import type { DialectName } from "../../core/dialects/dialect.ts";
import { dialects } from "../../core/dialects/index.ts";
import { editParameters } from "../../core/dialects/parameters.ts";

/** What an operator drops and sets, in the client's own bytes. */

function edited(name: DialectName, source: string, change: Partial<Parameters>, model = "m") {
  const dialect = dialects.get(name);
  if (!dialect) throw new Error(`no dialect ${name}`);
  const body: JsonObject = JSON.parse(source);
  const cap = typeof body["max_tokens"] === "number" ? body["max_tokens"] : null;
  const request = () => dialect.decodeRequest(body, { model, stream: false });
  return editParameters(source, { drop: [], defaults: {}, ...change }, { dialect, model, cap, request });
}

describe("what is dropped goes with its comma, and every other byte stays", () => {
  const cases: readonly (readonly [DialectName, readonly ParameterName[], string, string])[] = [
    ["openai-chat", ["temperature"], '{ "temperature": 1e0 , "model":"m"}', '{ "model":"m"}'],
    ["openai-chat", ["temperature"], '{"model":"m",\n "temperature":0.2\n}', '{"model":"m"\n}'],
    ["openai-chat", ["temperature", "topP"], '{"a":1,"top_p":1,"temperature":0,"b":[1]}', '{"a":1,"b":[1]}'],
    ["openai-chat", ["temperature", "topP"], '{"a":1,"top_p":1,"b":[1],"temperature":0}', '{"a":1,"b":[1]}'],
    ["openai-chat", ["temperature", "topP"], '{"top_p":1,"temperature":0}', "{}"],
    ["openai-chat", ["temperature"], '{"temp\\u0065rature":1,"temperature":2,"n":1}', '{"n":1}'],
    [
      "openai-chat",
      ["temperature"],
      '{"metadata":{"temperature":"1"},"n":1}',
      '{"metadata":{"temperature":"1"},"n":1}',
    ],
    ["openai-chat", ["logprobs"], '{"logprobs":true,"n":1,"top_logprobs":3}', '{"n":1}'],
    ["openai-chat", ["temperature"], '{"temperature":null,"n":1}', '{"temperature":null,"n":1}'],
    [
      "openai-responses",
      ["verbosity"],
      '{"text":{"verbosity":"low","format":{}},"n":1}',
      '{"text":{"format":{}},"n":1}',
    ],
    ["openai-responses", ["verbosity"], '{"text":{"verbosity":"low"}}', '{"text":{}}'],
    [
      "openai-responses",
      ["reasoning"],
      '{"reasoning":{"effort":"low"},"include": ["a", "reasoning.encrypted_content"],"n":1}',
      '{"include": ["a"],"n":1}',
    ],
    ["openai-responses", ["logprobs"], '{"include":["message.output_text.logprobs"]}', "{}"],
    [
      "openai-responses",
      ["reasoning"],
      '{"input":"x", "include":["reasoning.encrypted_content"],"reasoning":{"effort":"high"},"n":1}',
      '{"input":"x", "n":1}',
    ],
    ["openai-responses", ["logprobs"], '{"include": ["a" ],"n":1}', '{"include": ["a" ],"n":1}'],
    [
      "anthropic-messages",
      ["reasoning"],
      '{"thinking":{"type":"adaptive"},"output_config":{"effort":"low","format":{}}}',
      '{"output_config":{"format":{}}}',
    ],
    ["gemini", ["topP"], '{"generation_config":{"top_p":1,"topK":2}}', '{"generation_config":{"topK":2}}'],
    [
      "gemini",
      ["topP"],
      '{"generationConfig":{"topK":2,"topP":1},"contents":[]}',
      '{"generationConfig":{"topK":2},"contents":[]}',
    ],
  ];
  test.each(cases)("%s: %p of %s", (dialect, drop, source, text) => {
    expect(edited(dialect, source, { drop }).text).toBe(text);
  });

  test("and is told", () => {
    expect(edited("openai-chat", '{"temperature":1,"n":1}', { drop: ["temperature", "seed"] }).warnings).toEqual([
      "temperature is left out, as the operator says for this target",
    ]);
  });

  test("in bodies of all kinds", () => {
    const paths = dialects.get("openai-chat")?.parameters.paths ?? {};
    const fields = Object.values(paths).flatMap((each) => each.map(([field]) => field));
    const key = fc.oneof(fc.constantFrom(...fields), fc.string());
    const body = fc.dictionary(key, fc.jsonValue({ maxDepth: 2 }), { noNullPrototype: true });
    fc.assert(
      fc.property(body, fc.subarray([...parameterNames]), fc.constantFrom(0, 2), (object, drop, indent) => {
        const source = JSON.stringify(object, null, indent);
        const gone = drop.filter((name) => paths[name]?.some(([field]) => (object[field] ?? null) !== null));
        const goneFields = new Set(gone.flatMap((name) => paths[name]?.map(([field]) => field) ?? []));
        const left = Object.fromEntries(Object.entries(object).filter(([field]) => !goneFields.has(field)));
        const { text } = edited("openai-chat", source, { drop });
        expect(JSON.parse(text)).toEqual(JSON.parse(JSON.stringify(left)));
        if (goneFields.size === 0) expect(text).toBe(source);
      }),
    );
  });
});

describe("what is set comes first, where the client says nothing, in the protocol's words", () => {
  const low = { reasoning: { effort: "low" } };
  const cases: readonly (readonly [DialectName, Parameters["defaults"], string, string, model?: string])[] = [
    ["openai-chat", { temperature: 0.2, topP: 1 }, '{"model":"m"}', '{"temperature":0.2,"top_p":1,"model":"m"}'],
    ["openai-chat", { temperature: 0.2 }, '{"temperature": 1}', '{"temperature": 1}'],
    ["openai-chat", { temperature: 0.2 }, '{"temperature": null}', '{"temperature":0.2}'],
    ["openai-chat", { stop: ["END"], seed: 7 }, "{ }", '{"seed":7,"stop":["END"] }'],
    ["openai-chat", low, '{"n":1}', '{"reasoning_effort":"low","n":1}'],
    ["openai-chat", low, '{"reasoning":{"effort":"high"}}', '{"reasoning":{"effort":"high"}}'],
    ["openai-responses", low, '{"input":"x"}', '{"reasoning":{"effort":"low"},"input":"x"}'],
    ["openai-responses", { verbosity: "low" }, '{"text": {"format":{}}}', '{"text": {"verbosity":"low","format":{}}}'],
    [
      "anthropic-messages",
      { stop: ["END"] },
      '{"max_tokens":1}',
      '{"stop_sequences":["END"],"max_tokens":1}',
      "claude-opus-4-1",
    ],
    ["gemini", { topK: 3 }, '{"contents":[]}', '{"generationConfig":{"topK":3},"contents":[]}'],
    ["gemini", { topK: 3 }, '{"generation_config": {"top_p":1}}', '{"generation_config": {"topK":3,"top_p":1}}'],
    ["gemini", { topK: 3 }, '{"generation_config":{"top_k":1}}', '{"generation_config":{"top_k":1}}'],
    ["gemini", { topK: 3 }, '{"generationConfig":null}', '{"generationConfig":{"topK":3}}'],
  ];
  for (const [dialect, defaults, source, text, model] of cases)
    test(`${dialect}: ${JSON.stringify(defaults)} into ${source}`, () => {
      expect(edited(dialect, source, { defaults }, model)).toEqual({ text, warnings: [] });
    });

  test("what is dropped and set has the set value whoever calls", () => {
    const change = { drop: ["temperature"], defaults: { temperature: 1 } } as const;
    for (const source of ['{"n":1}', '{"n":1,"temperature":0.5}'])
      expect(edited("openai-chat", source, change).text).toBe('{"temperature":1,"n":1}');
  });

  test("what the protocol cannot say is told", () => {
    expect(edited("anthropic-messages", "{}", { defaults: { seed: 7 } })).toEqual({
      text: "{}",
      warnings: ["anthropic-messages cannot say a seed; left out"],
    });
  });

  test("reasoning is said as the model takes it", () => {
    const said = (dialect: DialectName, model: string) => {
      const body: JsonObject = JSON.parse(edited(dialect, "{}", { defaults: low }, model).text);
      return body;
    };
    expect(said("gemini", "gemini-3-pro")).toEqual({
      generationConfig: { thinkingConfig: { thinkingLevel: "LOW", includeThoughts: false } },
    });
    expect(said("gemini", "gemini-2.5-flash")).toMatchObject({
      generationConfig: { thinkingConfig: { thinkingBudget: expect.any(Number) } },
    });
    expect(said("anthropic-messages", "claude-sonnet-4-5")).toMatchObject({ thinking: { type: "enabled" } });
  });

  test("where it has nothing to do with the rest of the request, that is so", () => {
    const settings = { temperature: 0.3, topP: 0.5, topK: 3, seed: 7, stop: ["e"], ...low, verbosity: "low" };
    const own = {
      "openai-chat": { model: "m", messages: [{ role: "user", content: "x" }], reasoning_effort: "high", n: 2 },
      "openai-responses": {
        model: "m",
        input: "x",
        reasoning: { effort: "high", summary: "auto" },
        text: { verbosity: "high" },
      },
      gemini: { contents: [{ role: "user", parts: [{ text: "x" }] }] },
    };
    const more: JsonObject = {
      temperature: 0.2,
      top_p: 0.9,
      tools: [{ type: "function", name: "f", function: { name: "f", parameters: { type: "object" } } }],
      tool_choice: "required",
    };
    const config: JsonObject = { temperature: 0.2, topP: 0.9, thinkingConfig: { thinkingBudget: 100 }, seed: 1 };
    for (const [name, base] of Object.entries(own)) {
      const dialect = [...dialects.values()].find((one) => one.name === name);
      if (!dialect) throw new Error(`no dialect ${name}`);
      expect(dialect.parameters.independent).toBeTrue();
      const { independent: _, ...parameters } = dialect.parameters;
      const said = fc.subarray(Object.entries(settings), { minLength: 1 }).map((some) => Object.fromEntries(some));
      const given = name === "gemini" ? config : more;
      const body = fc
        .subarray(Object.entries(given))
        .map((some) => Object.fromEntries(some))
        .map((some): JsonObject => (name === "gemini" ? { ...base, generationConfig: some } : { ...base, ...some }));
      fc.assert(
        fc.property(said, body, fc.constantFrom("m", "gemini-2.5-flash", "gemini-3-pro"), (defaults, source, model) => {
          const asking = { model, cap: null, request: () => dialect.decodeRequest(source, { model, stream: false }) };
          expect(asking.request).not.toThrow();
          const text = JSON.stringify(source);
          expect(editParameters(text, { drop: [], defaults }, { dialect, ...asking })).toEqual(
            editParameters(text, { drop: [], defaults }, { dialect: { ...dialect, parameters }, ...asking }),
          );
        }),
      );
    }
  });

  describe("as the model takes it with the rest of the request", () => {
    const high = { reasoning: { effort: "high" } };
    const asked = (rest: string) =>
      `{"model":"c","max_tokens": 8000,"messages":[{"role":"user","content":"x"}]${rest}}`;
    const tool = ',"tools":[{"name":"f","input_schema":{"type":"object"}}]';
    const said = (rest: string, defaults: Parameters["defaults"], drop: readonly ParameterName[] = []) =>
      edited("anthropic-messages", asked(rest), { defaults, drop }, "claude-sonnet-4-5");

    test("a tool that must be called: no thinking", () => {
      for (const choice of ['{"type":"tool","name":"f"}', '{"type":"any"}']) {
        const rest = `${tool},"tool_choice":${choice},"temperature":0.2`;
        expect(said(rest, high)).toEqual({
          text: asked(rest),
          warnings: ["anthropic-messages cannot say reasoning together with a forced tool choice; left out"],
        });
      }
    });

    test("a temperature, which is not taken while thinking: it goes, and every other byte stays", () => {
      const rest = '"top_p": 0.99,"big":12345678901234567890';
      const thinking = '"thinking":{"type":"enabled","budget_tokens":3904},';
      expect(said(`,"temperature":0.2, ${rest}`, high)).toEqual({
        text: asked(`,${rest}`).replace("{", `{${thinking}`),
        warnings: ["anthropic-messages cannot say a temperature while thinking; left out"],
      });
    });

    test("what is dropped is not in its way", () => {
      expect(said(',"temperature":0.2', high, ["temperature"]).warnings).toEqual([
        "temperature is left out, as the operator says for this target",
      ]);
      expect(said(',"temperature":0.2', high, ["temperature"]).text).toContain('"thinking":{"type":"enabled"');
    });

    test("a setting for a client that thinks: left out", () => {
      const rest = ',"thinking":{"type":"enabled","budget_tokens":2000}';
      expect(said(rest, { temperature: 0.5 })).toEqual({
        text: asked(rest),
        warnings: ["anthropic-messages cannot say a temperature while thinking; left out"],
      });
    });

    test("a turn that began without thinking is gone on with as it began", () => {
      const turns =
        '{"role":"user","content":"x"},{"role":"assistant","content":[{"type":"tool_use","id":"a","name":"f","input":{}}]},{"role":"user","content":[{"type":"tool_result","tool_use_id":"a","content":"1"}]}';
      const source = `{"model":"c","max_tokens":8000,"messages":[${turns}]${tool}}`;
      const { text, warnings } = edited("anthropic-messages", source, { defaults: high }, "claude-sonnet-4-5");
      expect(text).toBe(source);
      expect(warnings).toEqual([expect.stringContaining("amid calls of tools")]);
    });

    test("a request that we cannot read is its provider's to judge", () => {
      const source = '{"max_tokens":8000,"messages":[{"role":7}]}';
      const { text } = edited("anthropic-messages", source, { defaults: high }, "claude-sonnet-4-5");
      expect(text).toBe(source.replace("{", '{"thinking":{"type":"enabled","budget_tokens":3904},'));
    });
  });
});
