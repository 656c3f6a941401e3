import { describe, expect, test } from "bun:test";
import type { Reasoning } from "../../../core/chat/request.ts";
import { gemini } from "../../../core/dialects/gemini/index.ts";
import { foreignRequest as request } from "./foreign.ts";
import { object } from "./oracle.ts";

describe("reasoning", () => {
  const thinking = (reasoning: Partial<Reasoning>, model: string) => {
    const { body, warnings } = gemini.encodeRequest(
      request({ reasoning: { effort: null, budgetTokens: null, show: null, ...reasoning } }),
      model,
    );
    const told = warnings.map((warning) => warning.replace("gemini cannot say ", ""));
    return [object(body["generationConfig"])["thinkingConfig"] ?? null, ...told];
  };
  const seen = { includeThoughts: true };

  for (const [name, reasoning, model, expected] of [
    ["a level", { effort: "low" }, "gemini-3-pro", [{ thinkingLevel: "LOW", ...seen }]],
    [
      "the next level up",
      { effort: "medium" },
      "gemini-3-pro",
      [{ thinkingLevel: "HIGH", ...seen }, "the reasoning effort 'medium'; asked for high"],
    ],
    ["a level that came later", { effort: "medium" }, "gemini-3.1-pro-preview", [{ thinkingLevel: "MEDIUM", ...seen }]],
    [
      "the least there is",
      { effort: "none" },
      "gemini-3-flash",
      [{ thinkingLevel: "MINIMAL" }, "no reasoning at all; asked for minimal"],
    ],
    [
      "the most there is",
      { effort: "xhigh" },
      "gemini-3-flash",
      [{ thinkingLevel: "HIGH", ...seen }, "the reasoning effort 'xhigh'; asked for high"],
    ],
    [
      "a budget as a level",
      { budgetTokens: 20_000 },
      "models/gemini-3.5-flash",
      [{ thinkingLevel: "HIGH", ...seen }, "a budget of reasoning tokens; asked for high"],
    ],
    ["as the model likes", { budgetTokens: -1 }, "gemini-flash-latest", [seen]],
    ["a word of no vendor's", { effort: "epic" }, "gemini-3-pro", [seen, "the reasoning effort 'epic'; left out"]],
    ["an effort as a budget", { effort: "medium" }, "gemini-2.5-flash", [{ thinkingBudget: 8_192, ...seen }]],
    ["off", { effort: "none" }, "gemini-2.5-flash", [{ thinkingBudget: 0 }]],
    [
      "not to be turned off",
      { effort: "none" },
      "gemini-2.5-pro",
      [{ thinkingBudget: 128 }, "0 tokens of reasoning; asked for 128"],
    ],
    [
      "too much",
      { budgetTokens: 31_999 },
      "gemini-2.5-flash",
      [{ thinkingBudget: 24_576, ...seen }, "31999 tokens of reasoning; asked for 24576"],
    ],
    [
      "too little",
      { budgetTokens: 100, show: false },
      "gemini-2.5-flash-lite",
      [{ thinkingBudget: 512, includeThoughts: false }, "100 tokens of reasoning; asked for 512"],
    ],
    ["not at all", { effort: "high" }, "gemini-2.0-flash", [null, "reasoning, which this model does not do; left out"]],
    ["of an unknown model", { budgetTokens: 5 }, "tuned", [{ thinkingBudget: 5, ...seen }]],
    ["of an unknown model, by level", { effort: "high" }, "tuned", [{ thinkingLevel: "HIGH", ...seen }]],
  ] as const) {
    test(`${name}: ${JSON.stringify(reasoning)} for ${model}`, () => {
      expect(thinking(reasoning, model)).toEqual([...expected]);
    });
  }
});
