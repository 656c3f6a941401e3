import { afterAll, describe, expect, test } from "bun:test";
import OpenAI from "openai";
import type { Json, JsonObject } from "../../../core/chat/json.ts";
import { openaiResponses } from "../../../core/dialects/openai-responses/index.ts";
import { SseSplitter } from "../../../core/dialects/sse.ts";
import { inputBound } from "../../../core/pipeline/estimate.ts";
import { bytesOf, decodeSse, encodeSse, meterSse, said } from "../../contract/dialect.ts";
import { wireFaults } from "../../support/wirecheck.ts";
import { recordingsOf } from "../recordings.ts";
import { normalRequest, normalResponse } from "./normal-form.ts";

/*
 * Real exchanges with providers. What is expected of them comes from the official SDK and from the raw JSON, without the
 * code under test.
 */

/** Every recording that is not held to all of it, and why. */
const exceptions: Readonly<Record<string, string>> = {
  "dd-trace-js--openai-openai-responses-post-2f619a5a--0-c95e53": "no model: a stored prompt names it",
  "dd-trace-js--openai-openai-responses-post-90c55597--0-aef0a8": "no model: a stored prompt names it",
  "lingua--multimodalrequest-responses-followup-response-streaming--0-d78e1e":
    "rebuilt by its project in events that OpenAI never sent; its own SDK refuses them",
  "ai--fixtures-openai-reasoning-encrypted-content-1-chunks--0-96ddc3":
    "several answers in one stream; the SDK refuses it, and here the first one's end is the end",
  "ai--fixtures-openai-shell-tool-1-chunks--0-78553a":
    "several answers in one stream; the SDK refuses it, and here the first one's end is the end",
  "pydantic-ai--test-openai-responses-test-openai-responses-raw-cot-stream-openrouter--0-c4aa61":
    "OpenRouter gives the same reasoning another id at the end",
  "ruby_llm--edrock-mantle-responses-chat-calls-tools-through-the-responses-surface--0-81ff9f":
    "a call without an id, which gets one",
};
/** The schema has a field required that the vendor itself leaves out of its own items, which pass through as they are. */
const vendorsOwnFaults =
  /^(FunctionShellCall\|required:environment|UrlCitationBody\|required:|WebSearchTool\.search_context_size)/;

const recordings = recordingsOf("openai-responses");
const held = recordings.filter(({ id }) => !(id in exceptions));
const covered = { requests: 0, responses: 0, streams: 0, errors: 0, bounds: 0, "cuts of streams": 0 };
afterAll(() => {
  if (recordings.length === 0) return;
  const excepted = recordings.filter(({ id }) => id in exceptions).length;
  console.log(`openai-responses recordings: ${JSON.stringify({ ...covered, excepted })}`);
});

test("every exception is a recording", () => {
  if (recordings.length === 0) return;
  const ids = new Set(recordings.map(({ id }) => id));
  expect(Object.keys(exceptions).filter((id) => !ids.has(id))).toEqual([]);
});

test("every request, decoded and encoded again, means the same and keeps the schema", async () => {
  for (const { id, request } of held) {
    if (request === null) continue;
    const decoded = openaiResponses.decodeRequest(request);
    const { body, warnings } = openaiResponses.encodeRequest(decoded, decoded.model);
    expect({ id, body: normalRequest(body), warnings }).toEqual({ id, body: normalRequest(request), warnings: [] });
    const before = await wireFaults("openai-responses/request", request);
    if (before.length === 0)
      expect({ id, faults: await wireFaults("openai-responses/request", body) }).toEqual({ id, faults: [] });
    covered.requests++;
  }
});

test("a request without a model is refused", () => {
  for (const { request } of recordings) {
    if (request === null || typeof request["model"] === "string") continue;
    expect(() => openaiResponses.readEnvelope(request, 1)).toThrow("'model'");
  }
});

test("every request: the relay changes the model and the cap, and nothing else", () => {
  for (const { id, request } of held) {
    if (request === null) continue;
    const edit = { model: "x/y", includeUsage: true, maxOutputTokens: 77, maxOutputTokensField: "max_tokens" };
    const edited: JsonObject = JSON.parse(openaiResponses.relay.editRequest(JSON.stringify(request), edit));
    const inFront = request["background"] === true ? { background: false } : {};
    expect({ id, edited }).toEqual({ id, edited: { ...request, ...inFront, model: "x/y", max_output_tokens: 77 } });
  }
});

test("every answer, decoded and encoded again, means the same, keeps the schema and is metered exactly", async () => {
  for (const { id, status, body } of held) {
    if (status !== 200 || body === null) continue;
    const decoded = openaiResponses.decodeResponse(body);
    const again = openaiResponses.encodeResponse(decoded);
    expect({ id, body: normalResponse(again, body) }).toEqual({ id, body: normalResponse(body) });
    const faults = await wireFaults("openai-responses/response", again);
    expect({ id, faults: faults.filter((fault) => !vendorsOwnFaults.test(fault)) }).toEqual({ id, faults: [] });
    const metered = openaiResponses.relay.meterResponse(body);
    expect({ id, usage: metered.usage?.usage }).toMatchObject({ id, usage: expectedUsage(body["usage"]) });
    expect({ id, complete: metered.complete, upstreamId: metered.upstreamId }).toMatchObject({
      id,
      complete: true,
      upstreamId: body["id"],
    });
    expect(decoded.usage).toEqual(metered.usage);
    covered.responses++;
  }
});

test("every error has its vendor's message", () => {
  for (const { id, status, body } of recordings) {
    if (status === 200) continue;
    const { error, message } = object(body);
    const expected = typeof error === "string" ? error : (object(error)["message"] ?? message);
    expect({ id, message: openaiResponses.decodeError(body).message }).toEqual({ id, message: String(expected) });
    covered.errors++;
  }
});

test("no prompt is above what admission takes its request to be at most", () => {
  for (const { id, request, body, sse } of held) {
    if (request === null) continue;
    const answer = sse === null ? object(body) : object(framesOf(sse).at(-1)?.["response"]);
    const told = Number(object(answer["usage"])["input_tokens"] ?? 0);
    const { input } = openaiResponses.readEnvelope(request, bytesOf(JSON.stringify(request)).length);
    const bound = inputBound(input, null);
    expect({ id, told, bounded: told <= bound }).toEqual({ id, told, bounded: true });
    covered.bounds++;
  }
});

describe("streams", () => {
  const streams = held.flatMap(({ id, sse }) => (sse === null ? [] : [{ id, sse }]));

  test("each is metered exactly, passes whole and ends", () => {
    for (const { id, sse } of streams) {
      const { metered, hidden } = meterSse(openaiResponses, [bytesOf(sse)]);
      const last = object(framesOf(sse).at(-1)?.["response"]);
      expect({ id, hidden, usage: metered.usage?.usage }).toMatchObject({
        id,
        hidden: 0,
        usage: expectedUsage(last["usage"]),
      });
      const finish = object(last["incomplete_details"])["reason"] ?? last["status"];
      expect({ id, finish: String(metered.finish), upstreamId: String(metered.upstreamId) }).toEqual({
        id,
        finish: String(finish),
        upstreamId: String(last["id"]),
      });
      expect({ id, complete: metered.complete, fault: metered.fault }).toEqual({ id, complete: true, fault: null });
      covered.streams++;
    }
  });

  test("each adds up to what the SDK's last answer says", async () => {
    for (const { id, sse } of streams) {
      const { response, complete } = decodeSse(openaiResponses, [bytesOf(sse)]);
      const last = openaiResponses.decodeResponse(await read(sse));
      expect({ id, complete, answer: unsealed(said(response)), usage: response.usage }).toEqual({
        id,
        complete: true,
        answer: unsealed(said(last)),
        usage: last.usage,
      });
    }
  });

  test("each, decoded and encoded again, is the same answer by the SDK's accumulation, with the same pieces", async () => {
    for (const { id, sse } of streams) {
      const again = encodeSse(openaiResponses, decodeSse(openaiResponses, [bytesOf(sse)]).events);
      const before = await read(sse);
      const after = await read(again);
      expect({ id, answer: unsealed(normalResponse(after, before)) }).toEqual({
        id,
        answer: unsealed(normalResponse(before)),
      });
      expect({ id, pieces: piecesOf(again) }).toEqual({ id, pieces: piecesOf(sse) });
    }
  }, 20_000);

  test("what is written keeps the protocol's grammar and schema", async () => {
    for (const { id, sse } of streams) {
      const again = encodeSse(openaiResponses, decodeSse(openaiResponses, [bytesOf(sse)]).events);
      expect({ id, fault: grammarFault(again) }).toEqual({ id, fault: null });
      for (const frame of framesOf(again)) {
        const faults = await wireFaults("openai-responses/event", frame);
        expect({ id, faults: faults.filter((fault) => !vendorsOwnFaults.test(fault)) }).toEqual({ id, faults: [] });
      }
    }
  }, 20_000);

  test("cut anywhere, the meter and the decoder tell the same", () => {
    const shapes = new Map<string, string>();
    for (const { sse } of streams.toSorted((a, b) => b.sse.length - a.sse.length)) shapes.set(shapeOf(sse), sse);
    for (const sse of shapes.values()) {
      const bytes = bytesOf(sse);
      const { metered } = meterSse(openaiResponses, [bytes]);
      const { response } = decodeSse(openaiResponses, [bytes]);
      const step = Math.max(1, Math.floor(bytes.length / 12));
      for (let cut = 1 + (bytes.length % 7); cut < bytes.length; cut += step) {
        const chunks = [bytes.subarray(0, cut), bytes.subarray(cut)];
        expect(meterSse(openaiResponses, chunks).metered).toEqual(metered);
        expect(decodeSse(openaiResponses, chunks).response).toEqual(response);
        covered["cuts of streams"]++;
      }
    }
  }, 20_000);

  test("broken off anywhere, nothing is taken for complete, and what came is counted", () => {
    for (const { id, sse } of streams) {
      const frames = new SseSplitter().push(bytesOf(sse)).filter(({ data }) => data !== null && data !== "[DONE]");
      const pieces = frames.slice(0, sse.length % (frames.length - 1)).map(({ bytes }) => bytes);
      const text = pieces.map((bytes) => Buffer.from(bytes).toString()).join("");
      const deltas = framesOf(text).map(({ delta }) => (typeof delta === "string" ? delta : ""));
      const { complete } = decodeSse(openaiResponses, pieces);
      const { metered } = meterSse(openaiResponses, pieces);
      expect({ id, complete, metered }).toMatchObject({
        id,
        complete: false,
        metered: { complete: false, usage: null, contentBytes: bytesOf(deltas.join("")).length },
      });
    }
  });
});

/** The answer that the official SDK makes of a stream. */
async function read(sse: string): Promise<JsonObject> {
  const answer = () => Promise.resolve(new Response(sse, { headers: { "content-type": "text/event-stream" } }));
  const client = new OpenAI({ apiKey: "key", maxRetries: 0, fetch: answer });
  const response = await client.responses.stream({ model: "m", input: "hi" }).finalResponse();
  // What the SDK parsed from JSON, and nothing else.
  return JSON.parse(JSON.stringify(response)) as JsonObject;
}

/** What is said in deltas or, where there are none, in their `done`: by kind, in order. */
function piecesOf(sse: string): JsonObject {
  const pieces: Record<string, string> = {};
  for (const frame of framesOf(sse)) {
    const [, kind, end] = pieceType.exec(String(frame["type"])) ?? [];
    if (kind === undefined) continue;
    const key = `${kind} of item ${String(frame["output_index"])}`;
    if (end === "delta") pieces[key] = (pieces[key] ?? "") + String(frame["delta"]);
    else pieces[key] ??= String(frame["arguments"] ?? frame["input"] ?? frame["refusal"] ?? frame["text"] ?? "");
  }
  return Object.fromEntries(Object.entries(pieces).filter(([, text]) => text !== ""));
}
const pieceType =
  /^response\.(output_text|refusal|reasoning_text|function_call_arguments|custom_tool_call_input)\.(delta|done)$/;

/** The first way in which a stream breaks the rules that clients rely on; `null`: none. */
function grammarFault(sse: string): string | null {
  const frames = new SseSplitter().push(bytesOf(sse));
  const open = new Set<Json | undefined>();
  for (const [position, { data, event }] of frames.entries()) {
    const frame: JsonObject = JSON.parse(data ?? "null");
    const { type, sequence_number: sequence, output_index: index } = frame;
    const fault = (what: string) => `frame ${position} (${String(type)}): ${what}`;
    if (event !== type) return fault("another name in its event line");
    if (sequence !== position) return fault("a number out of turn");
    if ((type === "response.created") !== (position === 0)) return fault("created comes first, and once");
    if ((type === "response.in_progress") !== (position === 1)) return fault("in_progress comes second, and once");
    const isLast = type === "response.completed" || type === "response.incomplete";
    if (isLast !== (position === frames.length - 1)) return fault("the end comes last, and once");
    if (type === "response.output_item.added") open.add(index);
    else if (typeof index === "number" && !open.has(index)) return fault("its item is not open");
    if (type === "response.output_item.done") open.delete(index);
    if (isLast && open.size > 0) return fault("an item is still open");
  }
  return null;
}

/** The vendor encrypts the same thoughts anew each time it repeats them. `-0` is 0. */
function unsealed(value: Json | object): Json {
  return JSON.parse(JSON.stringify(value), (key, member: unknown) =>
    typeof member === "string" && sealed.has(key) ? "sealed" : member,
  );
}
const sealed = new Set(["encrypted", "encrypted_content", "fingerprint"]);

function expectedUsage(raw: Json | undefined) {
  const usage = object(raw);
  const details = object(usage["input_tokens_details"]);
  return {
    inputTokens: Number(usage["input_tokens"]),
    outputTokens: Number(usage["output_tokens"]),
    cacheReadTokens: Number(details["cached_tokens"] ?? 0),
    cacheWriteTokens: Number(details["cache_write_tokens"] ?? 0),
    reasoningTokens: Number(object(usage["output_tokens_details"])["reasoning_tokens"] ?? 0),
  };
}

/** Which events a stream has. */
const shapeOf = (sse: string): string =>
  [...new Set(framesOf(sse).map(({ type }) => String(type)))].toSorted().join(" ");

const framesOf = (sse: string): readonly JsonObject[] =>
  sse
    .split(/\r?\n/)
    .filter((line) => line.startsWith("data:") && !line.includes("[DONE]"))
    .map((line) => JSON.parse(line.slice(5)));
const object = (value: Json | undefined): JsonObject =>
  typeof value === "object" && value !== null && !Array.isArray(value) ? (value as JsonObject) : {};
