import { describe, expect, test } from "bun:test";
import { codecOf } from "../../../core/dialects/codec.ts";
import type { Dialect } from "../../../core/dialects/dialect.ts";
import { openaiChat } from "../../../core/dialects/openai-chat/index.ts";
import type { Answer } from "../../../core/pipeline/answer.ts";
import { relay } from "../../../core/pipeline/relay.ts";
import { translatedAnswer } from "../../../core/pipeline/translate/answer.ts";
import { type UpstreamBody, upstreamBody } from "../../../core/pipeline/upstream-body.ts";
import { chunk, completion, frames } from "../../support/openai-answers.ts";
import { FetchedResponse, nextOf } from "../../../core/runtime/upstream-response.ts";

/** Streams framed as one JSON array, as Gemini's clients ask for them; the events in it are any dialect's. */

const bodyOf = async (text: string, contentType: string): Promise<UpstreamBody> =>
  upstreamBody(new FetchedResponse(new Response(text, { headers: { "content-type": contentType } })), true);

/** Without `[DONE]`, which is no JSON. */
const client: Dialect = {
  ...openaiChat,
  encodeStream(options) {
    const encoder = openaiChat.encodeStream(options);
    return { step: (event) => encoder.step(event).replace("data: [DONE]\n\n", "") };
  },
};

const translated = (body: UpstreamBody): Promise<Answer> =>
  translatedAnswer(body, true, {
    client,
    target: openaiChat,
    asked: openaiChat.decodeRequest({ model: "m", stream: true, messages: [{ role: "user", content: "hi" }] }),
    includeUsage: true,
    framing: "json-array",
    restore: (emit) => emit,
    secrets: [],
  });

const fault = { kind: "upstream-invalid", status: 502, message: "fell over", requestId: "r", details: {} } as const;

/** What the client gets in all, the error that ends it included. */
async function read(answer: Answer): Promise<{ readonly text: string; readonly failed: boolean }> {
  if (answer.kind !== "stream") throw new Error(`a ${answer.kind} answer`);
  let text = "";
  try {
    for (let bytes = await nextOf(answer.source); bytes !== null; bytes = await nextOf(answer.source))
      text += new TextDecoder().decode(bytes);
    const { complete, fault: told } = answer.source.metered();
    if (complete || told) return { text, failed: false };
  } catch {
    // As below.
  }
  return { text: text + (answer.source.fail?.(fault) ?? ""), failed: true };
}

const answered = frames("chatcmpl-1", { text: "one two" }, true);
const texts = (text: string): unknown[] =>
  (JSON.parse(text) as { choices?: { delta?: { content?: string } }[]; error?: { message: string } }[]).flatMap(
    ({ choices, error }) => error?.message ?? choices?.[0]?.delta?.content ?? [],
  );

describe("a translated stream", () => {
  test("is one array, whole at its end", async () => {
    const answer = await translated(await bodyOf(answered.join(""), "text/event-stream"));
    expect(answer).toMatchObject({ kind: "stream", framing: "json-array" });
    const { text, failed } = await read(answer);
    expect(failed).toBe(false);
    expect(texts(text).slice(0, 3)).toEqual(["", "one ", "two"]);
  });

  test("an answer in one piece is one too", async () => {
    const whole = JSON.stringify(completion("chatcmpl-1", { text: "at once" }));
    const { text, failed } = await read(await translated(await bodyOf(whole, "application/json")));
    expect(failed).toBe(false);
    expect(texts(text)).toContain("at once");
  });

  test.each([
    ["in its middle", answered.slice(0, 3).join(""), ["", "one ", "two", "fell over"]],
    ["before its start", "", ["fell over"]],
  ])("an error %s leaves the array valid", async (_, text, expected) => {
    const result = await read(await translated(await bodyOf(text, "text/event-stream")));
    expect(result.failed).toBe(true);
    expect(texts(result.text)).toEqual(expected);
  });
});

describe("a relayed stream", () => {
  const chunks = ["one ", "two"].map((content) =>
    chunk("chatcmpl-1", [{ index: 0, delta: { content }, finish_reason: null }]),
  );
  const last = chunk("chatcmpl-1", [{ index: 0, delta: {}, finish_reason: "stop" }]);
  const codec = codecOf(openaiChat, "chat");
  const relayed = async (text: string): Promise<Answer> => {
    const body = await bodyOf(text, "application/json");
    expect(body).toMatchObject({ kind: "events", framing: "json-array" });
    if (codec === null) throw new Error("no codec");
    return relay(body, openaiChat, { codec, hideUsage: false, secrets: [] });
  };

  test("passes byte for byte, and is metered", async () => {
    const array = `[${[...chunks, last].map((each) => JSON.stringify(each, null, 1)).join("\n,\r\n")}\n]\n`;
    const answer = await relayed(array);
    expect(await read(answer)).toEqual({ text: array, failed: false });
    expect(answer).toMatchObject({ framing: "json-array" });
    if (answer.kind === "stream") expect(answer.source.metered()).toMatchObject({ contentBytes: 7, finish: "stop" });
  });

  test.each([
    [
      "in the middle of an element",
      `[${JSON.stringify(chunks[0])},${JSON.stringify(chunks[1]).slice(0, -9)}`,
      ["one ", "fell over"],
    ],
    ["between two elements", `[${JSON.stringify(chunks[0])}\n`, ["one ", "fell over"]],
    [
      "by an error of its own",
      `[${JSON.stringify(chunks[0])},{"error":{"message":"own words"}}`,
      ["one ", "own words"],
    ],
  ])("that breaks off %s is closed", async (_, array, expected) => {
    expect(texts((await read(await relayed(array))).text)).toEqual(expected);
  });

  test("whose end is told but not written is closed", async () => {
    const { text, failed } = await read(await relayed(`[${JSON.stringify(chunks[0])},${JSON.stringify(last)}`));
    expect(failed).toBe(false);
    expect(texts(text)).toEqual(["one "]);
  });
});
