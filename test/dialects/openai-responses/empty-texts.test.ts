import { expect, test } from "bun:test";
import { bareRequest, type Part } from "../../../core/chat/request.ts";
import { openaiResponses } from "../../../core/dialects/openai-responses/index.ts";

const call: Part = { type: "tool-call", id: "c1", name: "f", input: "{}" };
const item = { type: "function_call", call_id: "c1", name: "f", arguments: "{}" };
const text = (value: string): Part => ({ type: "text", text: value });
const message = (content: string) => ({ type: "message", role: "assistant", content });

test.each([
  ["does not stand between a call and its result", [call, text("")], [item]],
  ["is no message before a call", [text(""), call, text("Done.")], [item, message("Done.")]],
  ["is a turn where it is all that was said", [text("")], [message("")]],
])("an empty text of the model %s", (_, parts, input) => {
  const request = { ...bareRequest, messages: [{ role: "assistant", parts } as const] };
  expect(openaiResponses.encodeRequest(request, "m").body["input"]).toEqual(input);
});

test("an empty text that this protocol's own client sent is as it was", () => {
  const input = [item, message("")];
  const request = openaiResponses.decodeRequest({ model: "m", input });
  expect(openaiResponses.encodeRequest(request, "m").body["input"]).toEqual(input);
});
