import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import type { ChatEvent, ChatRequest, JsonObject } from "llm-proxy/plugin";
import plugin, { createEcho } from "../../../plugins/provider/echo.ts";
import { fakeContext, setUp } from "../../contract/context.ts";
import { grammarFault } from "../../contract/grammar.ts";
import { testProvider } from "../../contract/provider.ts";
import { aChatRequest, aMessage } from "../../contract/samples.ts";

for (const model of ["echo", "reasoning"])
  testProvider((context) => setUp(plugin, {}, context), { form: "model", model, unknownModel: "gpt-5" });
testProvider((context) => createEcho({ tokenDelayMs: 5, now: context.now, sleep: () => Promise.resolve() }), {
  form: "model",
  model: "slow",
  unknownModel: null,
});

const callId = "0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b";
const instant = createEcho({ tokenDelayMs: 200, now: () => 1_800_000_000_000, sleep: () => Promise.resolve() });
const stream = (changed: Partial<ChatRequest>, model = "echo", signal = new AbortController().signal) =>
  instant.chat(aChatRequest(changed), { callId, model, signal });
const say = (text: string): Partial<ChatRequest> => ({ messages: [aMessage("user", text)] });

/** What an answer comes to. */
async function answer(changed: Partial<ChatRequest>, model?: string) {
  const events = await Array.fromAsync(stream(changed, model));
  expect(grammarFault(events)).toBeNull();
  const textsOf = (type: ChatEvent["type"]) =>
    events.flatMap((event) => (event.type === type && "text" in event ? [event.text] : []));
  const finishes = events.flatMap((event) => (event.type === "candidate-end" ? [event.finish] : []));
  const end = events.at(-1);
  if (end?.type !== "response-end" || !end.usage) throw new Error("no usage");
  const { inputTokens, outputTokens, reasoningTokens } = end.usage.usage;
  return {
    events,
    textsOf,
    text: textsOf("text-delta").join(""),
    finishes,
    usage: { inputTokens, outputTokens, reasoningTokens },
  };
}

describe("echo", () => {
  test("is known by its bare name, and priced as echo", () => {
    expect(instant).toMatchObject({ models: ["echo"], vendor: "echo" });
  });

  test("streams back the last user message, a word at a time", async () => {
    const messages = [
      aMessage("system", "Be brief."),
      aMessage("user", "first"),
      aMessage("assistant", "an answer"),
      aMessage("user", " one  two\nthree "),
    ];
    const { events, textsOf, finishes, usage } = await answer({ messages });
    expect(textsOf("text-delta")).toEqual([" one  ", "two\n", "three "]);
    expect(finishes).toEqual([{ reason: "stop", raw: null }]);
    expect(usage).toEqual({ inputTokens: 8, outputTokens: 3, reasoningTokens: 0 });
    expect(events[0]).toEqual({
      type: "response-start",
      id: `echo-${callId}`,
      model: "echo",
      createdMs: 1_800_000_000_000,
    });
  });

  test("gives back any text with a word unchanged, and counts its words", async () => {
    const texts = fc
      .array(fc.oneof(fc.string(), fc.constantFrom(" ", "\n", "\t", "\u00a0", "word")))
      .map((pieces) => pieces.join(""));
    await fc.assert(
      fc.asyncProperty(
        texts.filter((said) => said.trim() !== ""),
        async (said) => {
          const { text, textsOf, usage } = await answer(say(said));
          const words = said.trim().split(/\s+/).length;
          expect(text).toBe(said);
          expect(textsOf("text-delta")).toHaveLength(words);
          expect(usage).toMatchObject({ inputTokens: words, outputTokens: words });
        },
      ),
    );
  });

  test("greets when there is nothing to give back", async () => {
    for (const messages of [[], [aMessage("user", "")], [aMessage("user", " \n")], [aMessage("system", "Be brief.")]]) {
      const { text, usage } = await answer({ messages });
      expect(text).toBe("Hello!");
      expect(usage.outputTokens).toBe(1);
    }
  });

  test("counts the texts of all parts and tool results, and no media", async () => {
    const { text, usage } = await answer({
      messages: [
        {
          role: "tool",
          parts: [{ type: "tool-result", id: "1", isError: false, parts: [{ type: "text", text: "22 degrees" }] }],
        },
        {
          role: "user",
          parts: [
            { type: "text", text: "a b " },
            {
              type: "media",
              kind: "image",
              mediaType: "image/png",
              source: { by: "url", url: "https://example.com/a.png" },
            },
            { type: "text", text: "c" },
          ],
        },
      ],
    });
    expect(text).toBe("a b c");
    expect(usage.inputTokens).toBe(5);
  });

  test.each([
    [null, "one two three", "stop"],
    [4, "one two three", "stop"],
    [3, "one two three", "stop"],
    [2, "one two ", "length"],
    [0, "", "length"],
  ] as const)("at most %p tokens: %j, %s", async (maxOutputTokens, expected, reason) => {
    const { text, finishes, usage } = await answer({ ...say("one two three"), maxOutputTokens });
    expect(text).toBe(expected);
    expect(finishes.map((finish) => finish.reason)).toEqual([reason]);
    expect(usage.outputTokens).toBe(expected.trim() === "" ? 0 : expected.trim().split(" ").length);
  });

  test("ends before the first of the stop sequences, and names it", async () => {
    const { text, finishes, usage } = await answer({
      ...say("one two three four"),
      stop: ["four", "", "re", "thre", "absent"],
    });
    expect(text).toBe("one two ");
    expect(finishes).toEqual([{ reason: "stop", raw: null, stopSequence: "thre" }]);
    expect(usage.outputTokens).toBe(2);
  });

  test("answers as often as asked, and counts every answer", async () => {
    const { text, finishes, usage } = await answer({ ...say("one two"), candidates: 3 });
    expect(text).toBe("one twoone twoone two");
    expect(finishes).toHaveLength(3);
    expect(usage).toMatchObject({ inputTokens: 2, outputTokens: 6 });
  });
});

describe("reasoning", () => {
  test("thinks the message before it says it", async () => {
    const { events, textsOf, usage } = await answer(say("one two"), "reasoning");
    expect(events[1]?.type).toBe("reasoning-start");
    expect(textsOf("reasoning-delta")).toEqual(["one ", "two"]);
    expect(textsOf("text-delta")).toEqual(["one ", "two"]);
    expect(usage).toEqual({ inputTokens: 2, outputTokens: 4, reasoningTokens: 2 });
  });

  test("the cap covers both", async () => {
    const { text, finishes, usage } = await answer({ ...say("one two"), maxOutputTokens: 3 }, "reasoning");
    expect(text).toBe("one ");
    expect(finishes[0]?.reason).toBe("length");
    expect(usage).toMatchObject({ outputTokens: 3, reasoningTokens: 2 });
  });
});

describe("tools", () => {
  const tool = (name: string, properties: JsonObject) =>
    ({ type: "function", name, description: null, parameters: { type: "object", properties }, strict: null }) as const;
  const tools = [tool("weather", { city: {}, unit: {} }), tool("time", {})];

  test("calls the first function with what the user said", async () => {
    const { events, textsOf, finishes } = await answer({ ...say('in "Paris", please'), tools }, "tools");
    expect(events[1]).toEqual({
      type: "tool-input-start",
      candidate: 0,
      index: 0,
      id: "call_0190a1b2c3d47e5f8a9b0c1d2e3f4a5b",
      name: "weather",
    });
    expect(JSON.parse(textsOf("tool-input-delta").join(""))).toEqual({ city: 'in "Paris", please' });
    expect(finishes).toEqual([{ reason: "tool-calls", raw: null }]);
  });

  test("calls the one that is asked for", async () => {
    const { events, textsOf } = await answer(
      { ...say("now"), tools, toolChoice: { type: "tool", name: "time" } },
      "tools",
    );
    expect(events[1]).toMatchObject({ name: "time" });
    expect(textsOf("tool-input-delta").join("")).toBe('{"text":"now"}');
  });

  test("says what the tool gave, so that a loop ends", async () => {
    const result = {
      role: "tool",
      parts: [{ type: "tool-result", id: "1", isError: false, parts: [{ type: "text", text: "22 degrees" }] }],
    } as const;
    const { text, finishes } = await answer({ messages: [aMessage("user", "Paris"), result], tools }, "tools");
    expect(text).toBe("22 degrees");
    expect(finishes[0]?.reason).toBe("stop");
  });

  test("echoes where no function is offered or wanted", async () => {
    for (const changed of [
      {},
      { tools, toolChoice: { type: "none" } as const },
      { tools: [{ type: "server", dialect: "openai-chat", definition: {} } as const] },
    ])
      expect((await answer({ ...say("hi"), ...changed }, "tools")).text).toBe("hi");
  });
});

describe("models that fail", () => {
  const outcome = async (changed: Partial<ChatRequest>, model: string) => {
    const events: ChatEvent[] = [];
    try {
      for await (const event of stream(changed, model)) events.push(event);
    } catch (error) {
      return { events, error };
    }
    throw new Error("expected it to fail");
  };

  test("fail: before the first event", async () => {
    const { events, error } = await outcome({}, "fail");
    expect(events).toEqual([]);
    expect(error).toMatchObject({ kind: "upstream-invalid" });
  });

  test.each([
    ["one two three four", "one two "],
    ["one two three", "one two "],
    ["one", "one"],
  ])("fail-midway: after half of %j", async (said, half) => {
    const { events, error } = await outcome(say(said), "fail-midway");
    expect(events.map((event) => (event.type === "text-delta" ? event.text : "")).join("")).toBe(half);
    expect(error).toMatchObject({ kind: "upstream-invalid" });
  });
});

describe("slow", () => {
  test("waits before each token, and for nothing else", async () => {
    const waits: number[] = [];
    const echo = createEcho({ tokenDelayMs: 200, now: () => 0, sleep: (ms) => Promise.resolve(void waits.push(ms)) });
    await Array.fromAsync(
      echo.chat(aChatRequest(say("a b c")), { callId, model: "slow", signal: new AbortController().signal }),
    );
    expect(waits).toEqual([200, 200, 200]);
  });

  test("stops at once when the call is aborted while it waits", async () => {
    const controller = new AbortController();
    const echo = await setUp(plugin, { tokenDelayMs: 60_000 }, fakeContext());
    if (!("chat" in echo)) throw new Error("expected the model form");
    const events = echo
      .chat(aChatRequest(), { callId, model: "slow", signal: controller.signal })
      [Symbol.asyncIterator]();
    expect((await events.next()).value).toMatchObject({ type: "response-start" });
    expect((await events.next()).value).toMatchObject({ type: "text-start" });
    const waiting = events.next();
    controller.abort();
    expect(await waiting).toEqual({ done: true, value: undefined });
  });

  test.each([{ tokenDelayMs: -1 }, { tokenDelayMs: 1.5 }, { delay: 5 }])("%j is refused", async (options) => {
    const error = await setUp(plugin, options, fakeContext()).catch((thrown: unknown) => thrown);
    expect(String(error)).toContain("provider echo");
  });
});
