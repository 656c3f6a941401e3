import { describe, expect, test } from "bun:test";
import OpenAI from "openai";
import { Collector } from "../../../core/chat/collect.ts";
import type { ChatEvent } from "../../../core/chat/event.ts";
import type { JsonObject } from "../../../core/chat/json.ts";
import { openaiResponses } from "../../../core/dialects/openai-responses/index.ts";
import { SseSplitter } from "../../../core/dialects/sse.ts";
import { eventsOf } from "../../../core/pipeline/translate/replay.ts";
import { bytesOf, decodeSse, meterSse } from "../../contract/dialect.ts";
import { wireFaults } from "../../support/wirecheck.ts";

const asked = openaiResponses.decodeRequest({ model: "m", input: "hi", instructions: "Be brief." });
const framesOf = (sse: string) =>
  new SseSplitter().push(bytesOf(sse)).map(({ data, event }) => ({
    event,
    frame: JSON.parse(data ?? "") as JsonObject,
  }));
const lastOf = (sse: string): JsonObject => framesOf(sse).at(-1)?.frame["response"] as JsonObject;

describe("streams", () => {
  const start: ChatEvent = { type: "response-start", id: "resp_1", model: "m", createdMs: 0 };
  const error = {
    kind: "upstream-timeout",
    status: 504,
    message: "It took too long.",
    requestId: "call-1",
    details: {},
  } as const;

  test("log probabilities have the form of the whole answer's", () => {
    const logprobs = [{ token: "hi", logprob: -0.5, bytes: [104, 105], top_logprobs: [] }];
    const item = { id: "msg_1", type: "message", role: "assistant", status: "completed" };
    const part = { type: "output_text", text: "hi", annotations: [], logprobs };
    const whole = { id: "resp_1", object: "response", model: "m", output: [{ ...item, content: [part] }] };
    const frames = [
      { type: "response.created", response: { ...whole, status: "in_progress", output: [] } },
      { type: "response.output_item.added", output_index: 0, item: { ...item, content: [] } },
      {
        type: "response.output_text.delta",
        output_index: 0,
        content_index: 0,
        item_id: "msg_1",
        delta: "hi",
        logprobs,
      },
      { type: "response.output_item.done", output_index: 0, item: { ...item, content: [part] } },
      { type: "response.completed", response: { ...whole, status: "completed" } },
    ];
    const sse = frames.map((frame) => `event: ${frame.type}\ndata: ${JSON.stringify(frame)}\n\n`).join("");
    const { response } = decodeSse(openaiResponses, [bytesOf(sse)]);
    const [decoded] = openaiResponses.decodeResponse({ ...whole, status: "completed" }).candidates;
    expect(response.candidates[0]?.logprobs).toEqual({ content: logprobs, refusal: null });
    expect(decoded?.logprobs).toEqual({ content: logprobs, refusal: null });
  });

  test("blocks that overlap are written as they come, each to its end", () => {
    const events: readonly ChatEvent[] = [
      start,
      { type: "text-start", candidate: 0, index: 0 },
      { type: "tool-input-start", candidate: 0, index: 1, id: "c1", name: "f" },
      { type: "text-delta", candidate: 0, index: 0, text: "a" },
      { type: "tool-input-delta", candidate: 0, index: 1, text: "{}" },
      { type: "text-start", candidate: 0, index: 2 },
      { type: "text-delta", candidate: 0, index: 2, text: "c" },
      { type: "text-delta", candidate: 0, index: 0, text: "b" },
      { type: "text-end", candidate: 0, index: 0 },
      { type: "tool-input-end", candidate: 0, index: 1 },
      { type: "text-end", candidate: 0, index: 2 },
      { type: "candidate-end", candidate: 0, finish: { reason: "tool-calls", raw: null } },
      { type: "response-end", usage: null },
    ];
    const encoder = openaiResponses.encodeStream({ includeUsage: false });
    const sse = events.map((event) => encoder.step(event)).join("");
    const { response } = decodeSse(openaiResponses, [bytesOf(sse)]);
    expect(response.candidates[0]?.parts.map((part) => ("text" in part ? part.text : part.type))).toEqual([
      "ab",
      "tool-call",
      "c",
    ]);
    expect(response.candidates[0]?.finish.reason).toBe("tool-calls");
    expect(lastOf(sse)["usage"]).toBeNull();
    for (const [at, { event, frame }] of framesOf(sse).entries()) {
      expect(event).toBe(String(frame["type"]));
      expect(frame["sequence_number"]).toBe(at);
    }
  });

  test("an answer without a candidate is complete and empty", () => {
    const encoder = openaiResponses.encodeStream({ includeUsage: true });
    const sse = encoder.step(start) + encoder.step({ type: "response-end", usage: null });
    expect(framesOf(sse).at(-1)?.event).toBe("response.completed");
    expect(lastOf(sse)).toMatchObject({ status: "completed", output: [], error: null });
  });

  test("an error goes on from what was said, as an event of its own and as the end of the answer", async () => {
    const encoder = openaiResponses.encodeStream({ includeUsage: true, asked });
    let sse = encoder.step(start);
    sse += encoder.step({ type: "text-start", candidate: 0, index: 0 });
    sse += encoder.step({ type: "text-delta", candidate: 0, index: 0, text: "Hal" });
    sse += encoder.error?.(error) ?? "";
    const frames = framesOf(sse);
    expect(frames.map(({ frame }) => frame["sequence_number"])).toEqual(frames.map((_, at) => at));
    expect(frames.slice(-2)).toMatchObject([
      {
        event: "error",
        frame: {
          type: "error",
          code: "upstream_timeout",
          message: "It took too long.",
          param: null,
          error: { type: "server_error", code: "upstream_timeout", message: "It took too long." },
        },
      },
      {
        event: "response.failed",
        frame: {
          response: {
            status: "failed",
            error: { code: "server_error", message: "It took too long." },
            output: [{ type: "message", status: "incomplete", content: [{ type: "output_text", text: "Hal" }] }],
          },
        },
      },
    ]);
    expect(sse).not.toContain("[DONE]");
    for (const { frame } of frames) expect(await wireFaults("openai-responses/event", frame)).toEqual([]);
    const fetch = () => Promise.resolve(new Response(sse, { headers: { "content-type": "text/event-stream" } }));
    const client = new OpenAI({ apiKey: "k", maxRetries: 0, fetch });
    const read = client.responses.stream({ model: "m", input: "hi" }).finalResponse();
    await expect(read).rejects.toThrow("It took too long.");
  });

  test("before the answer began, an error is all there is", () => {
    const { step, error: fail } = openaiResponses.encodeStream({ includeUsage: true });
    expect(step({ type: "response-end", usage: null })).toBe("");
    const [only, ...more] = framesOf(fail?.(error) ?? "");
    expect(more).toEqual([]);
    expect(only).toMatchObject({ event: "error", frame: { type: "error", sequence_number: 0 } });
  });

  test("a failed answer is a fault that keeps its code, in a stream and whole", () => {
    const failed = {
      id: "r",
      status: "failed",
      output: [],
      error: { code: "rate_limit_exceeded", message: "Slow down." },
    };
    const sse = `data: ${JSON.stringify({ type: "response.failed", response: failed })}\n\n`;
    const { metered } = meterSse(openaiResponses, [bytesOf(sse)]);
    const fault = { code: "rate_limit_exceeded", message: "Slow down." };
    expect(metered).toMatchObject({ complete: false, finish: "failed", fault });
    expect(() => decodeSse(openaiResponses, [bytesOf(sse)])).toThrow("broke off");
    expect(openaiResponses.relay.meterResponse(failed)).toMatchObject({ complete: false, fault });
    expect(openaiResponses.decodeResponse(failed).candidates[0]?.finish.reason).toBe("error");
  });

  test("errors of every shape are faults", () => {
    const shapes: readonly [string, string][] = [
      ['data: {"type":"error","code":"x","message":"flat","param":null}\n\n', "flat"],
      ['event: error\ndata: {"type":"error","error":{"code":"x","message":"nested"}}\n\n', "nested"],
      ['data: {"error":{"message":"bare"}}\n\n', "bare"],
    ];
    for (const [sse, message] of shapes) {
      expect(meterSse(openaiResponses, [bytesOf(sse)]).metered).toMatchObject({ complete: false, fault: { message } });
      expect(() => decodeSse(openaiResponses, [bytesOf(sse)])).toThrow("broke off");
    }
  });

  test("nothing follows the end", () => {
    const end = (id: string, tokens: number) =>
      `data: ${JSON.stringify({ type: "response.completed", response: { id, status: "completed", output: [], usage: { input_tokens: 1, output_tokens: tokens, total_tokens: 1 + tokens } } })}\n\n`;
    const bytes = bytesOf(`${end("a", 2)}${end("b", 3)}data: [DONE]\n\n`);
    expect(meterSse(openaiResponses, [bytes]).metered).toMatchObject({
      upstreamId: "a",
      usage: { usage: { outputTokens: 2 } },
    });
    const { response, complete } = decodeSse(openaiResponses, [bytes]);
    expect({ id: response.id, tokens: response.usage?.usage.outputTokens, complete }).toEqual({
      id: "a",
      tokens: 2,
      complete: true,
    });
  });

  test("deltas whose item or beginning never came are told all the same", () => {
    const frame = (fields: JsonObject) => `data: ${JSON.stringify(fields)}\n\n`;
    const sse =
      frame({ type: "response.output_text.delta", output_index: 0, content_index: 0, delta: "a" }) +
      frame({ type: "response.reasoning_text.delta", output_index: 1, item_id: "r", delta: "b" }) +
      frame({ type: "response.function_call_arguments.delta", output_index: 2, delta: "{}" }) +
      frame({
        type: "response.output_item.done",
        output_index: 2,
        item: { type: "function_call", call_id: "c", name: "f", arguments: "{}" },
      }) +
      frame({ type: "response.completed", response: { id: "r", status: "completed" } });
    const { response } = decodeSse(openaiResponses, [bytesOf(sse)]);
    const collector = new Collector();
    for (const event of eventsOf(response)) collector.add(event);
    expect(collector.response().candidates[0]?.parts).toMatchObject([
      { type: "text", text: "a" },
      { type: "reasoning", text: "b" },
      { type: "tool-call", id: "c", name: "f", input: "{}" },
    ]);
  });
});
