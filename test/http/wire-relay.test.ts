import { afterAll, describe, expect, test } from "bun:test";
import { call } from "../support/clients.ts";
import { invariants } from "../support/invariants.ts";
import { eachOf } from "../support/poll.ts";
import { seeded } from "../support/random.ts";
import { reportedUsage } from "../support/reported-usage.ts";
import { usageOf } from "../support/rows.ts";
import { sse, whole } from "../support/scripts.ts";
import { setUp } from "../support/setup.ts";
import { type Recording, recordings, responseBytes } from "../support/wire.ts";
import { relayExceptions } from "./wire-relay-exceptions.ts";

/**
 * Every recorded exchange of Responses and Gemini, as `wire-replay` and `anthropic-replay` have the others: the provider gets the client's JSON
 * but for the model's name, the client gets the provider's bytes, and the record has the tokens that the provider reported.
 */
const nameOf = (dialect: Name, index: number) => `${dialect}-r-${index}`;
const names = ["openai-responses", "gemini"] as const;
type Name = (typeof names)[number];
const random = seeded("wire relay");
const setup = await setUp({ dialects: names });
afterAll(() => setup.stop());

for (const dialect of names) {
  const all = recordings(dialect).filter(({ request, response }) => request?.body && response.status === 200);
  all.forEach((recording, index) =>
    setup.upstream.on(nameOf(dialect, index), (exchange) => answer(recording, exchange)),
  );
  describe.if(all.length > 0)(dialect, () => {
    for (const isStream of [false, true]) {
      const some = [...all.entries()].filter(([, { stream }]) => stream === isStream);
      test(`${some.length} ${isStream ? "streams" : "whole answers"} come through as they are`, async () => {
        const excused = new Set<string>(relayExceptions.map(({ id }) => id));
        const wrong = await eachOf(some, 8, async ([index, recording]) => {
          const fault = await faultOf(dialect, index, recording);
          if (excused.has(recording.id)) return fault === null ? [`${recording.id}: needs no exception`] : [];
          return fault === null ? [] : [`${recording.id}: ${fault}`];
        });
        expect(wrong.flat()).toEqual([]);
        await invariants(setup);
      }, 60_000);
    }
  });
}

async function answer(recording: Recording, exchange: Parameters<ReturnType<typeof sse>>[0]): Promise<void> {
  const bytes = responseBytes(recording);
  const contentType = recording.response.headers["content-type"] ?? null;
  if (recording.response.sse === undefined) {
    return whole(exchange, 200, bytes, contentType === null ? {} : { "content-type": contentType });
  }
  const cuts = Array.from({ length: 4 }, () => 1 + random.below(bytes.length - 1));
  return sse(bytes, { cuts, framing: random.below(2) === 0 ? "chunked" : "close", contentType })(exchange);
}

async function faultOf(dialect: Name, index: number, recording: Recording): Promise<string | null> {
  const upstreamModel = nameOf(dialect, index);
  const model = `mock-${dialect}/${upstreamModel}`;
  const body = recording.request?.body ?? {};
  const { path, sent, expected } = requestOf(dialect, recording, model, upstreamModel);
  const reply = await call(setup.gateway, setup.key.key, sent, { path });
  if (reply.status !== 200) return `status ${reply.status}: ${reply.text.slice(0, 200)}`;
  if (!reply.bytes.equals(responseBytes(recording))) return "other bytes came to the client";
  const got = setup.upstream.requestsFor(upstreamModel).at(-1)?.request.body.toString("utf8");
  if (got !== expected)
    return `other bytes went to the provider: ${got?.slice(0, 100)} (${Object.keys(body).length} fields)`;
  return recordFault(dialect, recording, reply.callId);
}

function requestOf(dialect: Name, recording: Recording, model: string, upstreamModel: string) {
  const body = recording.request?.body ?? {};
  if (dialect === "gemini") {
    const [, action = "generateContent", query = ""] = /:(\w+)(\?.*)?$/.exec(recording.request?.path ?? "") ?? [];
    // Go's client names the model in the body too.
    const text = (named: string) =>
      JSON.stringify("model" in body ? { ...body, model: `models/${named}` } : body, null, 1);
    const at = `/v1beta/models/${model}:${action}${withoutKey(query)}`;
    return { path: at, sent: text(model), expected: text(upstreamModel) };
  }
  const text = (named: string, more: object = {}) => JSON.stringify({ ...body, ...more, model: named }, null, 1);
  // Nothing goes on in the background when the client has left.
  const expected = text(upstreamModel, body["background"] === true ? { background: false } : {});
  return { path: "/v1/responses", sent: text(model), expected };
}

const withoutKey = (query: string): string => (query.includes("alt=sse") ? "?alt=sse" : "");

function recordFault(dialect: Name, recording: Recording, callId: string): string | null {
  const row = usageOf(setup.gateway, callId);
  const usage = reportedUsage[dialect](recording);
  if (usage === null) return row.source === "provider" ? "usage that nobody reported" : null;
  if (row.status !== "ok" || row.source !== "provider") return `status ${row.status}, source ${row.source}`;
  const { input_tokens, output_tokens, cache_read_tokens, cache_write_tokens, reasoning_tokens } = row;
  const got = { input_tokens, output_tokens, cache_read_tokens, cache_write_tokens, reasoning_tokens };
  return Bun.deepEquals(got, usage)
    ? null
    : `recorded ${JSON.stringify(got)}, the provider said ${JSON.stringify(usage)}`;
}
