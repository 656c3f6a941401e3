import { describe, expect, test } from "bun:test";
import type { Json, JsonObject } from "../../../core/chat/json.ts";
import { openaiResponses } from "../../../core/dialects/openai-responses/index.ts";

describe("the measure of a request", () => {
  const measure = (fields: JsonObject, bytes = 1_000) =>
    openaiResponses.readEnvelope({ model: "m", input: "hi", ...fields }, bytes).input;
  const item = (part: Json) => ({ input: [{ role: "user", content: [part] }] });

  test("functions, custom tools and those of namespaces are counted; any other has no bound", () => {
    const plain = [
      { type: "function", name: "f" },
      { type: "custom", name: "c" },
    ];
    expect(measure({ tools: [...plain, { type: "namespace", name: "n", tools: plain }] })).toMatchObject({
      functionTools: 4,
      unbounded: false,
    });
    expect(measure({ tools: [{ type: "web_search" }] }).unbounded).toBe(true);
  });

  test("images and audio are measured by kind, not by their bytes", () => {
    const url = `data:image/png;base64,${"A".repeat(400)}`;
    expect(measure(item({ type: "input_image", image_url: url }))).toMatchObject({
      textBytes: 1_000 - url.length,
      images: 1,
      unbounded: false,
    });
    expect(measure(item({ type: "input_audio", input_audio: { data: "A".repeat(400), format: "mp3" } }))).toMatchObject(
      {
        textBytes: 600,
        audioBytes: 300,
      },
    );
    const result = { type: "function_call_output", call_id: "c", output: [{ type: "input_image", image_url: url }] };
    expect(measure({ input: [result] }).images).toBe(1);
  });

  test("what its bytes do not bound is unbounded", () => {
    const cases: readonly JsonObject[] = [
      { previous_response_id: "r" },
      { conversation: "c" },
      { prompt: { id: "p" } },
      { reasoning: { mode: "pro" } },
      item({ type: "input_file", file_id: "f" }),
      item({ type: "input_file", file_data: "data:application/pdf;base64,aGk=", filename: "a.pdf" }),
      item({ type: "input_image", image_url: "data:application/pdf;base64,aGk=" }),
      { input: [{ type: "item_reference", id: "i" }] },
      { input: [{ type: "reasoning", id: "rs_1", summary: [] }] },
      { input: [{ type: "web_search_call", id: "ws_1" }] },
    ];
    for (const fields of cases)
      expect({ fields, unbounded: measure(fields).unbounded }).toEqual({ fields, unbounded: true });
    const bounded = { type: "reasoning", id: "rs_1", summary: [], encrypted_content: "E" };
    expect(measure({ input: [bounded], reasoning: { mode: "standard" } }).unbounded).toBe(false);
  });

  test("an answer that nobody could ever be charged for is refused", () => {
    expect(() => measure({ background: true })).toThrow("'background'");
    expect(measure({ background: true, stream: true }).unbounded).toBe(false);
    expect(measure({ background: false }).unbounded).toBe(false);
  });
});
