import { afterAll, describe, expect, test } from "bun:test";
import { call, type Reply } from "../support/clients.ts";
import { invariants } from "../support/invariants.ts";
import { eachOf } from "../support/poll.ts";
import { seeded } from "../support/random.ts";
import { usageOf } from "../support/rows.ts";
import { sse, whole } from "../support/scripts.ts";
import { setUp } from "../support/setup.ts";
import type { Script } from "../support/upstream.ts";
import { clientText, framesOf, type Recording, recordings, responseBytes } from "../support/wire.ts";
import { expectedUsage } from "../support/wire-usage.ts";

/** Every recorded exchange of OpenAI Chat, replayed: the recorded bytes come through, and the record has its tokens. */
const all = recordings("openai-chat").filter(
  (recording) => recording.request?.body && recording.response.status === 200,
);
const random = seeded("wire replay");

const setup = await setUp();
all.forEach((recording, index) => setup.upstream.on(`r-${index}`, replay(recording)));
afterAll(() => setup.stop());

function replay(recording: Recording): Script {
  const bytes = responseBytes(recording);
  // As it was recorded: there are event streams that say `application/json`, and answers that say nothing.
  const contentType = recording.response.headers["content-type"] ?? null;
  const cuts = Array.from({ length: 4 }, () => 1 + random.below(bytes.length - 1));
  return (exchange) =>
    recording.stream
      ? sse(bytes, { cuts, framing: random.below(2) === 0 ? "chunked" : "close", contentType })(exchange)
      : whole(exchange, 200, bytes, contentType === null ? {} : { "content-type": contentType });
}

/** The client's JSON text: the recorded request, under the name by which the scripted upstream finds the answer. */
function requestText(recording: Recording, index: number): string {
  const body = { ...recording.request?.body };
  // Azure names the model in the path; put it where everybody else has it.
  return JSON.stringify(
    "model" in body ? { ...body, model: `mock/r-${index}` } : { model: `mock/r-${index}`, ...body },
    null,
    index % 2 === 0 ? 1 : undefined,
  );
}

/** Replays all recordings that `pick` takes and gives the ids, with what was wrong, of those that fail `check`. */
async function failing(
  pick: (recording: Recording) => boolean,
  check: (recording: Recording, index: number, reply: Reply, sent: string) => string | null,
): Promise<string[]> {
  const chosen = all.map((recording, index) => ({ recording, index })).filter(({ recording }) => pick(recording));
  expect(chosen.length).toBeGreaterThan(0);
  const found = await eachOf(chosen, 8, async ({ recording, index }) => {
    const sent = requestText(recording, index);
    const reply = await call(setup.gateway, setup.key.key, sent);
    const wrong =
      reply.status === 200
        ? check(recording, index, reply, sent)
        : `status ${reply.status}: ${reply.text.slice(0, 200)}`;
    return wrong === null ? [] : [`${recording.id}: ${wrong}`];
  });
  return found.flat();
}

describe.if(all.length > 0)("recorded exchanges", () => {
  test("unary: the same bytes, the same request, the recorded usage", async () => {
    expect(
      await failing(
        (recording) => !recording.stream,
        (recording, index, reply, sent) => {
          if (!reply.bytes.equals(responseBytes(recording))) return "other bytes came to the client";
          return requestDiffers(index, sent) ?? recordDiffers(recording, reply);
        },
      ),
    ).toEqual([]);
    await invariants(setup);
  }, 60_000);

  test("streams: the same bytes but for a usage chunk that nobody asked for, the recorded usage", async () => {
    expect(
      await failing(
        (recording) => recording.stream,
        (recording, index, reply, sent) => {
          if (!reply.headers.get("content-type")?.startsWith("text/event-stream")) return "not an event stream";
          if (reply.text !== clientText(recording))
            return `other bytes came to the client: ${firstDifference(reply.text, clientText(recording))}`;
          return requestDiffers(index, sent) ?? recordDiffers(recording, reply);
        },
      ),
    ).toEqual([]);
    await invariants(setup);
  }, 60_000);
});

/** The upstream must get the client's bytes, with another model and perhaps one insertion that asks for usage. */
function requestDiffers(index: number, sent: string): string | null {
  const got = setup.upstream.requestsFor(`r-${index}`).at(-1)?.request.body.toString("utf8") ?? "";
  const expected = sent.replace(`"mock/r-${index}"`, `"r-${index}"`);
  if (got === expected) return asksUsage(sent) ? "include_usage was not added" : null;
  if (!asksUsage(sent)) return `other bytes went to the upstream: ${firstDifference(got, expected)}`;
  const start = commonPrefix(got, expected);
  if (!got.endsWith(expected.slice(start)))
    return `more than one insertion went to the upstream: ${firstDifference(got, expected)}`;
  const wanted: Record<string, unknown> = JSON.parse(expected);
  const options = Object.assign({}, wanted.stream_options, { include_usage: true });
  return Bun.deepEquals(JSON.parse(got), { ...wanted, stream_options: options })
    ? null
    : "the insertion is not stream_options.include_usage";
}

/** The client streams and did not ask for usage itself, so the product must. */
function asksUsage(sent: string): boolean {
  const body: { stream?: boolean; stream_options?: { include_usage?: boolean } | null } = JSON.parse(sent);
  return body.stream === true && body.stream_options?.include_usage !== true;
}

function recordDiffers(recording: Recording, reply: Reply): string | null {
  const row = usageOf(setup.gateway, reply.callId);
  const usage = expectedUsage(recording);
  const failed =
    recording.features.includes("error-in-stream") ||
    framesOf(recording.response.sse ?? "").some((frame) => frame.data?.error);
  if (row.status !== (failed ? "upstream_error" : "ok")) return `status ${row.status}`;
  if (row.stream !== (recording.stream ? 1 : 0)) return `stream ${row.stream}`;
  if (!usage) {
    if (failed) return row.cost_nano === 0 ? null : `a failed stream costs ${row.cost_nano}`;
    const said = /"(content|arguments|reasoning\w*)": ?"[^"]/.test(recording.response.sse ?? "");
    return row.source === "estimated" && (row.output_tokens ?? 0) > 0 === said
      ? null
      : `source ${row.source}, output ${row.output_tokens} without reported usage`;
  }
  if (row.source !== "provider") return `source ${row.source}`;
  const { input_tokens, output_tokens, cache_read_tokens, cache_write_tokens, reasoning_tokens } = row;
  const got = { input_tokens, output_tokens, cache_read_tokens, cache_write_tokens, reasoning_tokens };
  return Bun.deepEquals(got, usage)
    ? null
    : `recorded ${JSON.stringify(got)}, the provider said ${JSON.stringify(usage)}`;
}

function commonPrefix(a: string, b: string): number {
  let at = 0;
  while (at < a.length && a[at] === b[at]) at++;
  return at;
}
function firstDifference(got: string, expected: string): string {
  const at = commonPrefix(got, expected);
  return `at ${at} of ${expected.length} (got ${got.length}): ${JSON.stringify(got.slice(at, at + 60))} for ${JSON.stringify(expected.slice(at, at + 60))}`;
}
