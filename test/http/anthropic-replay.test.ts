import { afterAll, describe, expect, test } from "bun:test";
import type { JsonObject } from "../../core/chat/json.ts";
import { exceptions } from "../dialects/anthropic-messages/exceptions.ts";
import { eventsIn } from "../dialects/anthropic-messages/wire-events.ts";
import { answerUsage, streamUsage } from "../support/anthropic-usage.ts";
import { call, type Reply } from "../support/clients.ts";
import { invariants } from "../support/invariants.ts";
import { eachOf } from "../support/poll.ts";
import { seeded } from "../support/random.ts";
import { usageOf } from "../support/rows.ts";
import { sse, whole } from "../support/scripts.ts";
import { setUp } from "../support/setup.ts";
import { type Recording, recordings, responseBytes } from "../support/wire.ts";

/** Every recorded exchange of Anthropic's Messages, replayed: the recorded bytes come through, and the record has its tokens. */
const all = recordings("anthropic-messages").filter(
  ({ id, response }) =>
    exceptions.get(id)?.of !== "request" &&
    (response.status !== 200 || response.sse !== undefined || messageOf({ response })["type"] === "message"),
);
const random = seeded("anthropic replay");
const setup = await setUp({ dialects: ["anthropic-messages"] });
all.forEach((recording, index) => {
  const bytes = responseBytes(recording);
  const { status, sse: isStream } = recording.response;
  const cuts = Array.from({ length: 4 }, () => 1 + random.below(bytes.length - 1));
  setup.upstream.on(`r-${index}`, (exchange) =>
    isStream === undefined
      ? whole(exchange, status, bytes, { "content-type": "application/json" })
      : sse(bytes, { cuts, framing: "chunked", contentType: "text/event-stream" })(exchange),
  );
});
afterAll(() => setup.stop());

describe.if(all.length > 0)("recorded exchanges of Anthropic's Messages", () => {
  test("the same bytes both ways, and the recorded usage", async () => {
    const wrong = await eachOf([...all.entries()], 8, async ([index, recording]) => {
      const sent = requestText(recording, index);
      const path = recording.request?.path.includes("?beta=true") ? "/v1/messages?beta=true" : "/v1/messages";
      const reply = await call(setup.gateway, setup.key.key, sent, {
        path,
        headers: { "anthropic-version": "2023-06-01", "anthropic-beta": "a-2025-01-01,b-2025-01-01" },
      });
      const got = setup.upstream.requestsFor(`r-${index}`).at(-1)?.request.body.toString("utf8");
      const what =
        got === sent.replace(`"mock-anthropic-messages/r-${index}"`, `"r-${index}"`)
          ? (replyDiffers(recording, reply) ?? recordDiffers(recording, reply))
          : "other bytes went to the upstream";
      return what === null ? [] : [`${recording.id}: ${what}`];
    });
    expect(wrong.flat()).toEqual([]);
    console.log(`anthropic-messages: ${all.length} recorded exchanges replayed through the gateway`);
    await invariants(setup);
  }, 120_000);
});

/** The recorded request, under the name by which the scripted upstream finds the answer; one of our own where there is none. */
function requestText(recording: Recording, index: number): string {
  const stream = recording.response.sse !== undefined;
  const body = recording.request?.body ?? { max_tokens: 9, messages: [{ role: "user", content: "hi" }] };
  const model = `mock-anthropic-messages/r-${index}`;
  return JSON.stringify({ ...body, model, stream }, null, index % 2 === 0 ? 1 : undefined);
}

function replyDiffers({ response }: Recording, reply: Reply): string | null {
  if (response.status !== 200) {
    // Ours, in Anthropic's shape; a key that the vendor does not know is the gateway's fault, not the client's.
    const { type, message } = object(object(JSON.parse(reply.text))["error"]);
    const recorded = object(messageOf({ response })["error"]);
    if (response.status === 401) return reply.status === 502 && type === "api_error" ? null : `status ${reply.status}`;
    return reply.status === response.status && type === recorded["type"] && message === recorded["message"]
      ? null
      : `status ${reply.status}: ${reply.text.slice(0, 200)}`;
  }
  if (reply.status !== 200) return `status ${reply.status}: ${reply.text.slice(0, 200)}`;
  return reply.bytes.equals(responseBytes({ response } as Recording)) ? null : "other bytes came to the client";
}

function recordDiffers({ response }: Recording, reply: Reply): string | null {
  const row = usageOf(setup.gateway, reply.callId);
  if (response.status !== 200) return row.status === "upstream_error" && row.cost_nano === 0 ? null : row.status;
  if (row.status !== "ok" || row.source !== "provider" || row.dialect !== "anthropic-messages") {
    return `${row.status}, ${row.source}, ${row.dialect}`;
  }
  const expected =
    response.sse === undefined ? answerUsage(messageOf({ response })) : streamUsage(eventsIn(response.sse));
  const got = {
    inputTokens: row.input_tokens,
    outputTokens: row.output_tokens,
    cacheReadTokens: row.cache_read_tokens,
    cacheWriteTokens: row.cache_write_tokens,
    cacheWrite1hTokens: row.cache_write_1h_tokens,
    reasoningTokens: row.reasoning_tokens,
  };
  return Bun.deepEquals(got, expected) ? null : `recorded ${JSON.stringify(got)}, not ${JSON.stringify(expected)}`;
}

function object(value: unknown): JsonObject {
  // What these tests read was JSON.
  return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as JsonObject) : {};
}

function messageOf({ response }: Pick<Recording, "response">): JsonObject {
  return object(response.body);
}
