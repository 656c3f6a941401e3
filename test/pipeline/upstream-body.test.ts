import { describe, expect, test } from "bun:test";
import { upstreamBody } from "../../core/pipeline/upstream-body.ts";
import { FetchedResponse, nextOf } from "../../core/runtime/upstream-response.ts";

/** A body of a type that says nothing, one byte a piece, as a network may cut it. */
const byteByByte = (text: string) => {
  const bytes = new TextEncoder().encode(text);
  let at = 0;
  const body = new ReadableStream<Uint8Array>(
    {
      pull(controller) {
        if (at < bytes.byteLength) controller.enqueue(bytes.slice(at, ++at));
        else controller.close();
      },
    },
    { highWaterMark: 0 },
  );
  return upstreamBody(new FetchedResponse(new Response(body)), true);
};

async function readAll(text: string) {
  const body = await byteByByte(text);
  if (body.kind === "whole") return ["whole", new TextDecoder("utf-8", { ignoreBOM: true }).decode(body.bytes)];
  const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
  let all = "";
  for (let piece = await nextOf(body.pieces); piece !== null; piece = await nextOf(body.pieces))
    all += decoder.decode(piece, { stream: true });
  return [body.framing, all];
}

describe("what an answer is, when its type does not say it, cut after each byte", () => {
  test.each([
    ["sse", 'data: {"a":1}\n\n'],
    ["sse", "event: message_start\ndata: {}\n\n"],
    ["sse", "id: 1\ndata: {}\n\n"],
    ["sse", "retry: 1\n\n"],
    ["sse", ": ping\n\ndata: {}\n\n"],
    ["sse", "\r\n\r\ndata: {}\r\n\r\n"],
    ["sse", "\uFEFFdata: {}\n\n"],
    ["json-array", '\n [{"candidates":[]}]'],
    ["whole", '\n {"data":1}'],
    ["whole", "dat"],
    ["whole", "database is down"],
  ])("%s: %j", async (kind, text) => {
    expect(await readAll(text)).toEqual([kind, text]);
  });
});
