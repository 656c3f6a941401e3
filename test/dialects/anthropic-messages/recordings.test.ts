import { afterAll, describe, expect, test } from "bun:test";
import type { Json, JsonObject } from "../../../core/chat/json.ts";
import { anthropicMessages } from "../../../core/dialects/anthropic-messages/index.ts";
import { inputBound } from "../../../core/pipeline/estimate.ts";
import { bytesOf } from "../../contract/dialect.ts";
import { answerUsage, streamUsage } from "../../support/anthropic-usage.ts";
import { wireFaults } from "../../support/wirecheck.ts";
import { clientRequestsOf, recordingsOf } from "../recordings.ts";
import { exceptions } from "./exceptions.ts";
import { normalRequest, normalResponse } from "./normal-form.ts";
import { eventsIn, object } from "./wire-events.ts";

/*
 * Real exchanges with Anthropic; its streams have a file of their own. What is expected is computed from the raw JSON, by the
 * rules of the wire's own notes, without the code under test.
 */

const recordings = recordingsOf("anthropic-messages");
const recorded = recordings.flatMap((recording) =>
  recording.request === null || exceptions.get(recording.id)?.of === "request"
    ? []
    : [{ ...recording, request: recording.request }],
);
const requests = [...recorded, ...clientRequestsOf("anthropic-messages")];
const answers = recordings.flatMap((recording) =>
  recording.status === 200 && recording.body?.["type"] === "message" ? [{ ...recording, body: recording.body }] : [],
);
const covered = { requests: 0, answers: 0, errors: 0, "input bounds": 0, "counts of tokens": 0 };
afterAll(() => {
  if (recordings.length > 0) console.log(`anthropic-messages recordings: ${JSON.stringify(covered)}`);
});

describe("requests", () => {
  test("each, decoded and encoded again, means the same", () => {
    for (const { id, request } of requests) {
      const decoded = anthropicMessages.decodeRequest(request);
      const { body, warnings } = anthropicMessages.encodeRequest(decoded, decoded.model);
      expect({ id, body: normalRequest(body), warnings }).toEqual({ id, body: normalRequest(request), warnings: [] });
      covered.requests++;
    }
  });

  test("each keeps to Anthropic's own schema as far as it did", async () => {
    for (const { id, request } of requests) {
      const decoded = anthropicMessages.decodeRequest(request);
      const { body } = anthropicMessages.encodeRequest(decoded, decoded.model);
      const before = await wireFaults("anthropic-messages/request", request);
      const faults = await wireFaults("anthropic-messages/request", body);
      expect({ id, faults: faults.filter((fault) => !before.includes(fault)) }).toEqual({ id, faults: [] });
    }
  });

  test("each, as if another dialect had brought it, keeps to the schema, and is no other conversation", async () => {
    for (const { id, request } of requests) {
      const decoded = withoutOwn(anthropicMessages.decodeRequest(request));
      const { body } = anthropicMessages.encodeRequest(decoded, decoded.model);
      const before = await wireFaults("anthropic-messages/request", request);
      const faults = await wireFaults("anthropic-messages/request", body);
      expect({ id, faults: faults.filter((fault) => !before.includes(fault)) }).toEqual({ id, faults: [] });
      expect({ id, said: wordsOf(body) }).toEqual({ id, said: wordsOf(request) });
    }
  });

  test("the relay changes the model, sets the cap, and nothing else", () => {
    for (const { id, request } of requests) {
      const edit = { model: "x/y", includeUsage: true, maxOutputTokens: 7, maxOutputTokensField: "max_tokens" };
      const edited: Json = JSON.parse(anthropicMessages.relay.editRequest(JSON.stringify(request), edit));
      expect({ id, edited }).toEqual({ id, edited: { ...request, model: "x/y", max_tokens: 7 } });
    }
  });

  test("the bound of the input is never below the tokens that Anthropic counted", () => {
    for (const { id, request, body, sse } of recorded) {
      const counted =
        sse !== null ? streamUsage(eventsIn(sse)) : body?.["type"] === "message" ? answerUsage(body) : null;
      if (counted === null) continue;
      const { input } = anthropicMessages.readEnvelope(request, bytesOf(JSON.stringify(request)).length);
      expect({ id, short: Math.max(0, counted.inputTokens - inputBound(input, null)) }).toEqual({ id, short: 0 });
      covered["input bounds"]++;
    }
  });

  test("what is an exception is refused with its place", () => {
    for (const { id, request } of recordings) {
      if (exceptions.get(id)?.of !== "request" || request === null) continue;
      expect(() => anthropicMessages.readEnvelope(request, 1)).toThrow(/'messages(\[\d+\])?'/);
    }
  });
});

test("every answer, decoded and encoded again, means the same, and is metered exactly", async () => {
  for (const { id, body } of answers) {
    const decoded = anthropicMessages.decodeResponse(body);
    const again = anthropicMessages.encodeResponse(decoded);
    expect({ id, body: normalResponse(again) }).toEqual({ id, body: normalResponse(body) });
    const before = await wireFaults("anthropic-messages/response", body);
    const faults = await wireFaults("anthropic-messages/response", again);
    expect({ id, faults: faults.filter((fault) => !before.includes(fault)) }).toEqual({ id, faults: [] });
    const metered = anthropicMessages.relay.meterResponse(body);
    expect({ id, usage: metered.usage?.usage }).toMatchObject({ id, usage: answerUsage(body) });
    expect({ id, finish: metered.finish, upstreamId: metered.upstreamId, complete: metered.complete }).toEqual({
      id,
      finish: String(body["stop_reason"]),
      upstreamId: String(body["id"]),
      complete: true,
    });
    expect(decoded.usage).toEqual(metered.usage);
    covered.answers++;
  }
});

test("every answer, as if another dialect had brought it, keeps to Anthropic's own schema", async () => {
  for (const { id, body } of answers) {
    const plain = withoutOwn(anthropicMessages.decodeResponse(body));
    const faults = await wireFaults("anthropic-messages/response", anthropicMessages.encodeResponse(plain));
    expect({ id, faults }).toEqual({ id, faults: [] });
  }
});

test("every error has its vendor's message and type", () => {
  for (const { id, status, body } of recordings) {
    if (status === 200 || body === null) continue;
    const { message, type } = object(body["error"]);
    const read = anthropicMessages.decodeError(body);
    expect({ id, message: read.message, type: read.type }).toEqual({
      id,
      message: String(message),
      type: String(type),
    });
    covered.errors++;
  }
});

test("every count of tokens, asked and answered, means the same", () => {
  const codec = anthropicMessages.operations["count-tokens"];
  for (const { id, request, status, body } of recordingsOf("anthropic-count-tokens")) {
    if (request === null || codec === undefined) continue;
    const asked = codec.decodeRequest(request);
    const { body: again, warnings } = codec.encodeRequest(asked, asked.model);
    expect({ id, body: normalRequest(again), warnings }).toEqual({ id, body: normalRequest(request), warnings: [] });
    if (status !== 200 || body === null) continue;
    expect({ id, body: codec.encodeResponse(codec.decodeResponse(body), asked) }).toEqual({ id, body });
    covered["counts of tokens"]++;
  }
});

/** The same without what this dialect kept, and without blocks that only it knows. */
function withoutOwn<Value>(value: Value): Value {
  const strip = (part: unknown): unknown => {
    if (Array.isArray(part)) return part.filter((item) => object(item)["type"] !== "other").map(strip);
    if (typeof part !== "object" || part === null) return part;
    const members = Object.entries(part).map(([key, member]) => [key, key === "extensions" ? {} : strip(member)]);
    return Object.fromEntries(members);
  };
  // Nothing else is taken away, so it is of the same type.
  return strip(value) as Value;
}

/** All texts and calls of the conversation, in order; a document of text is text under its title. */
function wordsOf(body: JsonObject): readonly string[] {
  const messages = Array.isArray(body["messages"]) ? body["messages"].map(object) : [];
  return messages
    .filter(({ role }) => role !== "system")
    .flatMap(({ content }) => (Array.isArray(content) ? content.map(object) : [{ type: "text", text: content }]))
    .flatMap(({ type, text, id, tool_use_id: result, title, source }: JsonObject) => {
      const { type: by, data } = object(source);
      if (type === "document" && by === "text")
        return [typeof title === "string" ? `${title}\n${String(data)}` : String(data)];
      if (type === "tool_use") return [`call ${String(id)}`];
      if (type === "tool_result") return [`result ${String(result)}`];
      return type === "text" && typeof text === "string" && text.trim() !== "" ? [text] : [];
    });
}
