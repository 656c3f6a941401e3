import { describe, expect, test } from "bun:test";
import { anthropicMessages } from "../../../core/dialects/anthropic-messages/index.ts";
import { asked, cannot, fromOpenai, messages, newModel } from "./from-openai.ts";

const capped = (tokens: number) => `anthropic-messages needs a cap on output tokens; ${tokens} is sent`;

describe("the cap on output tokens", () => {
  test("without one a cap is sent that the model takes", () => {
    for (const [model, tokens] of [
      ["claude-3-haiku-20240307", 4_096],
      ["claude-3-5-haiku-latest", 8_192],
      ["kimi-k2", 8_192],
      ["claude-opus-4-1-20250805", 16_384],
      [newModel, 16_384],
    ] as const) {
      const { body, warnings } = fromOpenai({}, model);
      expect({ model, cap: body["max_tokens"], warnings }).toEqual({ model, cap: tokens, warnings: [capped(tokens)] });
    }
  });

  test("without one it makes room for thinking", () => {
    const { body } = fromOpenai({ reasoning_effort: "high" });
    expect(body).toMatchObject({ thinking: { type: "enabled", budget_tokens: 24_576 }, max_tokens: 40_960 });
  });
});

describe("reasoning", () => {
  test("effort is a budget for models that take one, and effort for those that do not", () => {
    expect(fromOpenai({ reasoning_effort: "medium", max_tokens: 20_000 }).body).toMatchObject({
      thinking: { type: "enabled", budget_tokens: 8_192 },
      max_tokens: 20_000,
    });
    const { body, warnings } = fromOpenai({ reasoning_effort: "minimal", max_tokens: 9 }, newModel);
    expect(body).toEqual({
      model: newModel,
      max_tokens: 9,
      messages,
      thinking: { type: "adaptive" },
      output_config: { effort: "low" },
    });
    expect(warnings).toEqual([]);
  });

  test("a budget is an effort for models that take none", () => {
    const reasoning = { effort: null, budgetTokens: 4_000, show: true };
    const { body, warnings } = asked({ reasoning, maxOutputTokens: 9_000 }, newModel);
    expect(body).toMatchObject({
      thinking: { type: "adaptive", display: "summarized" },
      output_config: { effort: "medium" },
    });
    expect(warnings).toEqual([cannot("a budget of reasoning tokens")]);
  });

  test("a warning tells what is asked for in the place of what cannot be", () => {
    const little = { effort: null, budgetTokens: 100, show: null };
    const { body, warnings } = asked({ reasoning: little, maxOutputTokens: 9_000 });
    expect(body["thinking"]).toEqual({ type: "enabled", budget_tokens: 1_024 });
    expect(warnings).toEqual([cannot("100 tokens of reasoning", "asked for 1024")]);
    const always = fromOpenai({ reasoning_effort: "none", max_tokens: 9_000 }, "claude-fable-5");
    expect(always.body).toMatchObject({ output_config: { effort: "low" } });
    expect(always.warnings).toEqual([cannot("no reasoning at all", "asked for low")]);
  });

  test("the budget stays below the cap and not below 1,024", () => {
    for (const [cap, budget] of [
      [1_025, 1_024],
      [5_000, 1_024],
      [6_000, 1_904],
      [100_000, 8_192],
    ] as const) {
      expect(fromOpenai({ reasoning_effort: "medium", max_tokens: cap }).body["thinking"]).toEqual({
        type: "enabled",
        budget_tokens: budget,
      });
    }
    const { body, warnings } = fromOpenai({ reasoning_effort: "medium", max_tokens: 1_024 });
    expect(body["thinking"]).toBeUndefined();
    expect(warnings).toEqual([cannot("reasoning within 1024 output tokens")]);
  });

  test("what the API refuses while thinking is left out when we turned thinking on", () => {
    const { body, warnings } = fromOpenai({ reasoning_effort: "low", max_tokens: 9_000, temperature: 0.2, top_k: 5 });
    expect(body["temperature"]).toBeUndefined();
    expect(body["top_k"]).toBeUndefined();
    expect(warnings).toEqual([cannot("a temperature while thinking"), cannot("top_k while thinking")]);
  });

  test("a forced tool choice is worth more than thinking", () => {
    const tools = [{ type: "function", function: { name: "f" } }];
    const { body, warnings } = fromOpenai({
      reasoning_effort: "low",
      max_tokens: 9_000,
      tools,
      tool_choice: "required",
    });
    expect(body).toMatchObject({ tool_choice: { type: "any" } });
    expect(body["thinking"]).toBeUndefined();
    expect(warnings).toEqual([cannot("reasoning together with a forced tool choice")]);
  });

  test("amid calls that came without thinking it cannot be turned on with a budget", () => {
    const loop = [
      { role: "user", content: "Go" },
      { role: "assistant", tool_calls: [{ id: "c", type: "function", function: { name: "f", arguments: "{}" } }] },
      { role: "tool", tool_call_id: "c", content: "1" },
    ];
    const { body, warnings } = fromOpenai({ messages: loop, reasoning_effort: "low", max_tokens: 9_000 });
    expect(body["thinking"]).toBeUndefined();
    expect(warnings).toEqual([cannot("reasoning amid calls of tools that came without it")]);
    const more = { messages: [...loop, { role: "user", content: "And?" }] };
    expect(fromOpenai({ ...more, reasoning_effort: "low", max_tokens: 9_000 }).body["thinking"]).toBeDefined();
    expect(fromOpenai({ messages: loop, reasoning_effort: "low", max_tokens: 9 }, newModel).warnings).toEqual([]);
  });

  test("none is the default where it is, is said where it is not, and never an effort", () => {
    expect(fromOpenai({ reasoning_effort: "none", max_tokens: 9 }).body["thinking"]).toBeUndefined();
    expect(fromOpenai({ reasoning_effort: "none", max_tokens: 9 }, newModel).body["thinking"]).toEqual({
      type: "disabled",
    });
  });

  test("an effort beside thinking that is turned off says nothing of reasoning", () => {
    const body = {
      model: "m",
      max_tokens: 9,
      messages,
      thinking: { type: "disabled" },
      output_config: { effort: "high" },
    };
    expect(anthropicMessages.decodeRequest(body).reasoning).toEqual({ effort: null, budgetTokens: 0, show: null });
  });
});
