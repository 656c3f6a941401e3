import { expect, test } from "bun:test";
import type { Json } from "../../../core/chat/json.ts";
import { decodeUsage } from "../../../core/dialects/openai-responses/usage.ts";

const usageWith = (output: Json) =>
  decodeUsage({ input_tokens: 5, output_tokens: 5, total_tokens: 10 }, null, output)?.usage;
const searched = (output: Json) => usageWith(output)?.webSearches;

test("searches are counted in the output, and pages that were opened are none", () => {
  const call = (action?: Json) => ({ type: "web_search_call", id: "ws_1", ...(action !== undefined && { action }) });
  expect(searched([call({ type: "search" }), call({ type: "open_page" }), call({ type: "find_in_page" })])).toBe(1);
  expect(searched([call(), call({ query: "x" }), { type: "message" }])).toBe(2);
  for (const none of [[], null, "x", [null, 5, "web_search_call"]]) expect(searched(none)).toBeUndefined();
});

test("searches of files are counted apart, one an item", () => {
  const call = { type: "file_search_call", id: "fs_1", status: "completed", queries: ["a", "b"], results: null };
  expect(usageWith([call, { type: "web_search_call", id: "ws_1" }, call])).toMatchObject({
    webSearches: 1,
    fileSearches: 2,
  });
  expect(usageWith([{ type: "message" }])?.fileSearches).toBeUndefined();
});

test("images that were made are counted, and those that failed are none", () => {
  const call = (status: string, result: Json = null) => ({ type: "image_generation_call", id: "ig_1", status, result });
  const output = [call("completed"), call("generating", "iVBORw0KGgo="), call("failed"), { type: "message" }];
  expect(usageWith(output)?.images).toBe(2);
  expect(usageWith([call("failed")])?.images).toBeUndefined();
});
