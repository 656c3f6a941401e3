import { afterAll, describe, expect, test } from "bun:test";
import { call, chat } from "../support/clients.ts";
import { invariants } from "../support/invariants.ts";
import { eachOf } from "../support/poll.ts";
import { usageOf } from "../support/rows.ts";
import { sse } from "../support/scripts.ts";
import { setUp } from "../support/setup.ts";
import { framesOf, isUsageChunk, type Recording, recordings } from "../support/wire.ts";
import { expectedUsage } from "../support/wire-usage.ts";

/** The smallest recorded stream of each shape, cut at every single offset, asked with and without usage. */
const streams = recordings("openai-chat").filter(
  (recording) => recording.response.sse !== undefined && recording.response.status === 200,
);

type Choice = {
  index?: number;
  finish_reason?: string | null;
  delta?: { content?: unknown; tool_calls?: unknown; reasoning?: unknown; reasoning_content?: unknown };
};
const choicesOf = (recording: Recording): Choice[] =>
  // Only optional fields, so whatever a vendor sent fits.
  framesOf(recording.response.sse ?? "").flatMap((frame) =>
    Array.isArray(frame.data?.choices) ? (frame.data.choices as Choice[]) : [],
  );
const usagesIn = (recording: Recording): number =>
  framesOf(recording.response.sse ?? "").filter((frame) => frame.data?.usage).length;
const textOf = (recording: Recording): string => recording.response.sse ?? "";

const shapes: Record<string, (recording: Recording) => boolean> = {
  "no usage": (r) => usagesIn(r) === 0,
  "usage chunk": (r) => framesOf(textOf(r)).some(isUsageChunk),
  "usage beside the finish": (r) => usagesIn(r) === 1 && !framesOf(textOf(r)).some(isUsageChunk),
  "usage again and again": (r) => usagesIn(r) > 1,
  "first chunk without choices": (r) => JSON.stringify(framesOf(textOf(r))[0]?.data?.choices) === "[]",
  comments: (r) => /^:/m.test(textOf(r)),
  "two finishes": (r) => choicesOf(r).filter((choice) => choice.finish_reason).length > 1,
  "no [DONE]": (r) => !textOf(r).includes("[DONE]"),
  CRLF: (r) => textOf(r).includes("\r\n"),
  "tool calls": (r) => choicesOf(r).some((choice) => choice.delta?.tool_calls),
  reasoning: (r) => choicesOf(r).some((choice) => choice.delta?.reasoning ?? choice.delta?.reasoning_content),
  "content as a list": (r) => choicesOf(r).some((choice) => Array.isArray(choice.delta?.content)),
  "several candidates": (r) => choicesOf(r).some((choice) => (choice.index ?? 0) > 0),
  "more than ASCII": (r) => Buffer.byteLength(textOf(r)) > textOf(r).length,
  "an error inside": (r) => framesOf(textOf(r)).some((frame) => frame.data?.error),
};

const setup = await setUp();
afterAll(() => setup.stop());

/** With this stride each request is cut at many offsets, and `stride` requests together at every one. */
const stride = 89;

describe.if(streams.length > 0)("cut at every offset", () => {
  for (const [shape, matches] of Object.entries(shapes)) {
    const recording = streams.filter(matches).toSorted((a, b) => textOf(a).length - textOf(b).length)[0];
    test(`${shape}: ${recording?.id}`, async () => {
      if (!recording) throw new Error("no recording of this shape");
      const bytes = Buffer.from(textOf(recording));
      const model = `cut-${shape.replaceAll(/\W/g, "-")}`;
      const usage = expectedUsage(recording);
      const hidden = framesOf(textOf(recording))
        .filter((frame) => !isUsageChunk(frame))
        .map((frame) => frame.text)
        .join("");
      const wrong = await eachOf(
        Array.from({ length: stride }, (_, first) => first),
        12,
        async (first) => {
          const cuts = Array.from({ length: Math.ceil(bytes.length / stride) }, (_, at) => first + at * stride).filter(
            (cut) => cut > 0 && cut < bytes.length,
          );
          const includeUsage = first % 2 === 0;
          setup.upstream.on(`${model}-${first}`, sse(bytes, { cuts, framing: first % 3 === 0 ? "close" : "chunked" }));
          const reply = await call(
            setup.gateway,
            setup.key.key,
            chat(`mock/${model}-${first}`, {
              stream: true,
              ...(includeUsage ? { stream_options: { include_usage: true } } : {}),
            }),
          );
          if (reply.text !== (includeUsage ? textOf(recording) : hidden))
            return [`cut at ${first} + n·${stride}: other bytes (${reply.status}, ${reply.bytes.length})`];
          const row = usageOf(setup.gateway, reply.callId);
          if (
            usage &&
            (row.input_tokens !== usage.input_tokens ||
              row.output_tokens !== usage.output_tokens ||
              row.source !== "provider")
          ) {
            return [`cut at ${first} + n·${stride}: usage ${row.input_tokens}/${row.output_tokens} ${row.source}`];
          }
          return [];
        },
      );
      expect(wrong.flat()).toEqual([]);
      await invariants(setup);
    }, 60_000);
  }
});
