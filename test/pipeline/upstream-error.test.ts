import { afterEach, expect, jest, test } from "bun:test";
import { openaiChat } from "../../core/dialects/openai-chat/index.ts";
import { upstreamError } from "../../core/pipeline/upstream-error.ts";
import { FetchedResponse } from "../../core/runtime/upstream-response.ts";

afterEach(() => void jest.useRealTimers());

test("the body of an error is waited for 5 s: its status says enough to ask another target", async () => {
  jest.useFakeTimers();
  let isCancelled = false;
  const body = new ReadableStream<Uint8Array>({
    start: (controller) => controller.enqueue(new TextEncoder().encode('{"error":{"message":"inner')),
    cancel: () => void (isCancelled = true),
  });
  let ended: unknown = null;
  const error = upstreamError(new FetchedResponse(new Response(body, { status: 503 })), openaiChat, [], 0).then(
    (found) => (ended = found),
  );
  jest.advanceTimersByTime(4_900);
  await Promise.resolve();
  expect([ended, isCancelled]).toEqual([null, false]);
  jest.advanceTimersByTime(200);
  expect(await error).toMatchObject({ kind: "unavailable", message: "the provider is overloaded" });
  expect(isCancelled).toBe(true);
});
