import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import type { ChatRequest, Part } from "../../../core/chat/request.ts";
import {
  anthropic,
  assistant,
  call,
  chat,
  dialectOf,
  gemini,
  requestOf,
  restored,
  result,
  translate,
  withMessages,
} from "./parties.ts";

/** What is done to a request on its way to another dialect, and undone in the answer. */

describe("what only the client's own dialect can give", () => {
  const needs = (...params: string[]): ChatRequest => ({
    ...requestOf(),
    nativeOnly: params.map((param) => ({ param, what: "a stored response" })),
  });

  test("is refused by name", async () => {
    const refused = translate(needs("previous_response_id"), dialectOf("openai-responses"), anthropic);
    await expect(refused).rejects.toMatchObject({
      kind: "invalid-request",
      status: 400,
      details: { code: "not_carried", param: "previous_response_id" },
    });
    await expect(refused).rejects.toThrow(/a stored response.*openai-responses/);
  });

  const search = { type: "server", dialect: "openai-responses", definition: { type: "web_search" } } as const;

  test("a tool that the provider runs is refused, alone and among others", async () => {
    const alone = { ...needs("tools[0]"), tools: [search] };
    await expect(translate(alone, chat, anthropic)).rejects.toMatchObject({ details: { param: "tools[0]" } });
    const { tools } = requestOf({ tools: [{ type: "function", function: { name: "f", parameters: {} } }] });
    const among = { ...needs("tools[1]"), tools: [...tools, search] };
    await expect(translate(among, chat, anthropic)).rejects.toMatchObject({ details: { param: "tools[1]" } });
  });

  test("one that is not needed is left to the codec, which warns", async () => {
    const offered = { ...requestOf({}), tools: [search] };
    expect((await translate(offered, chat, anthropic)).request.tools).toEqual([search]);
  });
});

describe("tools that take free text", () => {
  const custom = { type: "custom", custom: { name: "patch", description: "Applies a patch." } };
  const asked = requestOf({ tools: [custom], tool_choice: { type: "custom", custom: { name: "patch" } } });
  const wrapped = (input: string): Part => ({ type: "tool-call", id: "c1", name: "patch", input });
  const unwrapped = async (input: string): Promise<Part | undefined> =>
    (await restored(asked, [wrapped(input)], chat, anthropic)).candidates[0]?.parts[0];

  test("become functions with one string, in the list, the choice and the history", async () => {
    const history = assistant({ type: "tool-call", id: "c1", name: "patch", input: '*** "Begin"\n', custom: true });
    const { request } = await translate({ ...asked, messages: [history] }, chat, anthropic);
    expect(request.tools).toMatchObject([
      {
        type: "function",
        name: "patch",
        parameters: { required: ["input"], properties: { input: { type: "string" } } },
      },
    ]);
    expect(request.toolChoice).toEqual({ type: "tool", name: "patch" });
    expect(request.messages[0]?.parts).toEqual([wrapped('{"input":"*** \\"Begin\\"\\n"}')]);
  });

  test("stay what they are for a target that knows them", async () => {
    expect((await translate(asked, anthropic, chat)).request.tools).toEqual(asked.tools);
  });

  test("any text comes back as it was, in whatever pieces it comes", async () => {
    const { restore } = await translate(asked, chat, anthropic);
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), fc.array(fc.nat(60)), fc.boolean(), (text, cuts, escapes) => {
        const json = JSON.stringify({ input: text });
        const told = escapes
          ? json.replace(/[^\x20-\x7e]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`)
          : json;
        const pieces = [0, ...cuts, told.length]
          .sort((a, b) => a - b)
          .map((cut, at, all) => told.slice(cut, all[at + 1]));
        const said: string[] = [];
        let isCustom = false;
        const emit = restore((event) => {
          if (event.type === "tool-input-start") isCustom = event.custom === true;
          if (event.type === "tool-input-delta") said.push(event.text);
        });
        const at = { candidate: 0, index: 0 };
        emit({ type: "tool-input-start", ...at, id: "c1", name: "patch" });
        for (const piece of pieces) if (piece !== "") emit({ type: "tool-input-delta", ...at, text: piece });
        emit({ type: "tool-input-end", ...at });
        expect(said.join("")).toBe(text);
        expect(isCustom).toBe(true);
        // No delta ends in half of a character that the next one completes.
        for (const [n, piece] of said.entries())
          expect(/[\ud800-\udbff]$/.test(piece) && /^[\udc00-\udfff]/.test(said[n + 1] ?? "")).toBe(false);
      }),
    );
  });

  test.each([
    ["no JSON at all", "*** Begin Patch"],
    ["nothing", ""],
    ["an empty object", "{}"],
    ["another field", '{"text":"x"}'],
    ["no string", '{"input":1}'],
  ])("%s comes as it is", async (_, input) => {
    expect(await unwrapped(input)).toEqual({ type: "tool-call", id: "c1", name: "patch", input, custom: true });
  });

  test.each([
    ["cut off", '{"input":"abc', "abc"],
    ["with more behind it", '{ "input" : "abc" , "more": 1}', "abc"],
    ["with a bad escape", '{"input":"abc\\xdef"}', 'abc\\xdef"}'],
  ])("%s it keeps what there is", async (_, input, text) => {
    expect(await unwrapped(input)).toMatchObject({ input: text, custom: true });
  });

  test("other tools' input passes untouched", async () => {
    const parts = [{ type: "tool-call", id: "c1", name: "other", input: '{"input":"x"}' } as const];
    expect((await restored(asked, parts, chat, anthropic)).candidates[0]?.parts).toEqual(parts);
  });
});

describe("names of tools", () => {
  const odd = fc.string({ unit: "grapheme", minLength: 1, maxLength: 300 });

  test("fit the target everywhere, stay apart, and have their own names in the answer", async () => {
    await fc.assert(
      fc.asyncProperty(fc.uniqueArray(odd, { minLength: 1, maxLength: 8 }), async (names) => {
        const asked: ChatRequest = {
          ...withMessages(assistant(...names.map((name) => call("c1", { name })))),
          tools: names.map((name) => ({ type: "function", name, description: null, parameters: null, strict: null })),
          toolChoice: { type: "auto", allowed: names },
        };
        const { request } = await translate(asked, chat, gemini);
        const sent = request.tools.map((tool) => (tool.type === "server" ? "" : tool.name));
        for (const name of sent) expect(name).toMatch(gemini.traits.toolName);
        expect(new Set(sent).size).toBe(names.length);
        expect(request.toolChoice).toEqual({ type: "auto", allowed: sent });
        expect(request.messages[0]?.parts.map((part) => (part.type === "tool-call" ? part.name : ""))).toEqual(sent);
        const forced = await translate({ ...asked, toolChoice: { type: "tool", name: names[0] ?? "" } }, chat, gemini);
        expect(forced.request.toolChoice).toEqual({ type: "tool", name: sent[0] ?? "" });
        const answer = await restored(
          asked,
          sent.map((name) => call("c1", { name })),
          chat,
          gemini,
        );
        expect(answer.candidates[0]?.parts.map((part) => (part.type === "tool-call" ? part.name : ""))).toEqual(names);
      }),
      { numRuns: 50 },
    );
  });

  test("are the same in every turn, and untouched where they fit", async () => {
    const tool = { type: "function", name: "a.b/c", description: null, parameters: null, strict: null } as const;
    const sent = async (request: ChatRequest) => (await translate(request, chat, gemini)).request.tools;
    const alone = await sent({ ...requestOf(), tools: [tool] });
    const among = await sent({ ...requestOf(), tools: [{ ...tool, name: "get_weather" }, tool] });
    expect(among).toEqual([{ ...tool, name: "get_weather" }, ...alone]);
  });
});

describe("ids of calls", () => {
  test("fit the target in calls and results alike, and stay apart", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.uniqueArray(fc.string({ unit: "grapheme", minLength: 1, maxLength: 400 }), { minLength: 1, maxLength: 6 }),
        async (ids) => {
          const asked = withMessages(assistant(...ids.map((id) => call(id))), ...ids.map(result));
          const { messages } = (await translate(asked, gemini, anthropic)).request;
          const calls = messages[0]?.parts.map((part) => (part.type === "tool-call" ? part.id : "")) ?? [];
          for (const id of calls) expect(id).toMatch(anthropic.traits.toolCallId);
          expect(new Set(calls).size).toBe(ids.length);
          expect(messages.slice(1).map(({ parts: [part] }) => (part?.type === "tool-result" ? part.id : ""))).toEqual(
            calls,
          );
        },
      ),
      { numRuns: 50 },
    );
  });

  test("calls without one get one by their order", async () => {
    const asked = withMessages(assistant(call("")), result(""), assistant(call("")), result(""));
    const ids = (await translate(asked, chat, anthropic)).request.messages.map(({ parts: [part] }) =>
      part?.type === "tool-call" || part?.type === "tool-result" ? part.id : null,
    );
    expect(ids).toEqual(["call_0", "call_0", "call_1", "call_1"]);
  });

  test("that a vendor gave twice are told apart, and results follow the order of the calls", async () => {
    const asked = withMessages(
      assistant(call("call_0"), call("call_0")),
      result("call_0"),
      result("call_0"),
      assistant(call("call_0"), call("call_0_1")),
      result("call_0_1"),
      result("call_0"),
    );
    const { request } = await translate(asked, chat, anthropic);
    const ids = request.messages.flatMap(({ parts }) =>
      parts.flatMap((part) => (part.type === "tool-call" || part.type === "tool-result" ? [part.id] : [])),
    );
    const [first = "", second = "", , , third = "", fourth = ""] = ids;
    expect(new Set([first, second, third, fourth]).size).toBe(4);
    expect(ids.slice(2)).toEqual([first, second, third, fourth, fourth, third]);
    expect(first).toBe("call_0");
    expect((await translate(asked, chat, anthropic)).request).toEqual(request);
  });

  test("given thousands of times over are told apart in time in proportion", async () => {
    const count = 5_000;
    const taken = Array.from({ length: count }, (_, n) => call(`c_${n + 1}`));
    const again = Array.from({ length: count }, () => call("c"));
    const startedMs = performance.now();
    const { request } = await translate(withMessages(assistant(...taken, ...again)), chat, anthropic);
    expect(performance.now() - startedMs).toBeLessThan(2_500);
    const ids = request.messages[0]?.parts.map((part) => (part.type === "tool-call" ? part.id : ""));
    expect(new Set(ids).size).toBe(2 * count);
  });

  test("that a target gives go to the client as they are", async () => {
    const id = `toolu_${"x".repeat(300)}/é`;
    expect((await restored(requestOf(), [call(id)], chat, anthropic)).candidates[0]?.parts).toEqual([call(id)]);
  });
});

test("an answer without an id or a time gets the call's", async () => {
  expect(await restored(requestOf(), [], chat, anthropic)).toMatchObject({ id: "call-1", createdMs: 1_000 });
});
