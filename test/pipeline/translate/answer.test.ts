import { describe, expect, test } from "bun:test";
import { GatewayError } from "../../../core/chat/error.ts";
import type { Dialect } from "../../../core/dialects/dialect.ts";
import { dialects } from "../../../core/dialects/index.ts";
import type { Framing } from "../../../core/dialects/framing.ts";
import { openaiChat } from "../../../core/dialects/openai-chat/index.ts";
import type { Answer, Source } from "../../../core/pipeline/answer.ts";
import { translatedAnswer } from "../../../core/pipeline/translate/answer.ts";
import { upstreamBody } from "../../../core/pipeline/upstream-body.ts";
import { dataOf } from "../../support/clients.ts";
import { chunk, completion, frame, frames } from "../../support/openai-answers.ts";
import { FetchedResponse, nextOf } from "../../../core/runtime/upstream-response.ts";

/** Answers of an `openai-chat` target, whole and broken, as the client of each dialect gets them. */

const usage = { prompt_tokens: 11, completion_tokens: 3, total_tokens: 14 };
const told = frames("chatcmpl-1", { text: "one two three" }, true);
const content = { choices: [{ index: 0, delta: { content: "more" }, finish_reason: null }] };

type Body = string | readonly (string | Error)[];

function responseOf(body: Body, contentType: string): Response {
  const pieces = typeof body === "string" ? [body] : [...body];
  const stream = new ReadableStream<Uint8Array>({
    pull(controller) {
      const next = pieces.shift();
      if (next === undefined) controller.close();
      else if (typeof next === "string") controller.enqueue(new TextEncoder().encode(next));
      else controller.error(next);
    },
  });
  return new Response(stream, { headers: { "content-type": contentType } });
}

const events = (body: Body) => responseOf(body, "text/event-stream");

const ask = async (client: Dialect, response: Response, stream = true, framing: Framing = "sse"): Promise<Answer> =>
  translatedAnswer(await upstreamBody(new FetchedResponse(response), stream), stream, {
    client,
    target: openaiChat,
    asked: openaiChat.decodeRequest({ model: "m", stream, messages: [{ role: "user", content: "hi" }] }),
    includeUsage: true,
    framing,
    restore: (emit) => emit,
    secrets: [Buffer.from("sk-secret-of-ours")],
  });

interface Played {
  readonly text: string;
  readonly source: Source;
  readonly error: unknown;
}

/** Reads the source to its end, or to what it throws; what it throws is then told as `respond` does. */
async function play(answer: Answer): Promise<Played> {
  if (answer.kind !== "stream") throw new Error(`a ${answer.kind} answer`);
  const { source } = answer;
  let text = "";
  try {
    for (let bytes = await nextOf(source); bytes !== null; bytes = await nextOf(source))
      text += new TextDecoder().decode(bytes);
    return { text, source, error: null };
  } catch (error) {
    return { text, source, error };
  }
}

/** What the client's own decoder makes of a stream. */
function readBack(client: Dialect, text: string) {
  const decoder = client.decodeStream();
  const said: string[] = [];
  const blocks = text.split("\n\n").filter((block) => block !== "");
  for (const block of blocks) {
    const event = /^event: (.*)$/m.exec(block)?.[1] ?? null;
    for (const data of dataOf(`${block}\n\n`))
      for (const each of decoder.step(data, event)) if (each.type === "text-delta") said.push(each.text);
  }
  return { said: said.join(""), complete: decoder.end().complete };
}

for (const client of dialects.values()) {
  describe(`a stream for a client of ${client.name}`, () => {
    test("comes whole, with the target's usage", async () => {
      const { text, source, error } = await play(await ask(client, events(told.join(""))));
      expect(error).toBeNull();
      expect(readBack(client, text)).toEqual({ said: "one two three", complete: true });
      expect(source.metered()).toMatchObject({
        complete: true,
        usage: { usage: { inputTokens: 11, outputTokens: 3 } },
        contentBytes: 13,
      });
    });

    test("is the same however it is cut", async () => {
      const whole = told.join("");
      const { text: expected } = await play(await ask(client, events(whole)));
      for (let cut = 1; cut < whole.length; cut += 37) {
        const { text } = await play(await ask(client, events([whole.slice(0, cut), whole.slice(cut)])));
        expect(text).toBe(expected);
      }
    });

    test("a fault before anything was said is thrown at once, so that another target may be asked", async () => {
      const fault = frame({ error: { message: "no capacity for sk-secret-of-ours", type: "server_error" } });
      const { text, error } = await play(await ask(client, events(fault)));
      expect(text).toBe("");
      expect(error).toBeInstanceOf(GatewayError);
      expect(String(error)).toContain("no capacity for ***");
    });

    test("a fault later ends it: what came before is told, and the vendor's words are, in the client's dialect", async () => {
      const fault = `${told.slice(0, 4).join("")}${frame({ ...chunk("chatcmpl-1", []), usage })}${frame({ error: { message: "upstream fell over" } })}${told[4]}`;
      const { text, source, error } = await play(await ask(client, events(fault)));
      expect(readBack(client, text)).toEqual({ said: "one two three", complete: false });
      expect(error).toMatchObject({ message: "upstream fell over", kind: "upstream-invalid" });
      expect(source.metered()).toMatchObject({ complete: false, usage: { usage: { inputTokens: 11 } } });
      const last = source.fail?.({
        kind: "upstream-invalid",
        status: 502,
        message: "upstream fell over",
        requestId: "r",
        details: {},
      });
      expect(last).toContain("upstream fell over");
    });

    test.each([
      ["data that is no JSON", "data: {bad\n\n"],
      ["null", "data: null\n\n"],
      ["a list", "data: []\n\n"],
      ["an event larger than any", `data: ${"x".repeat(5_000_000)}\n\n`],
    ])("%s in its middle: an error, and no end", async (_, between) => {
      const { text, error, source } = await play(
        await ask(client, events([...told.slice(0, 4), between, ...told.slice(4)])),
      );
      expect(readBack(client, text)).toEqual({ said: "one two three", complete: false });
      expect(error).toMatchObject({ kind: "upstream-invalid" });
      expect(source.metered().complete).toBe(false);
    });

    test("comments and events of other kinds are passed over", async () => {
      const between = ': OPENROUTER PROCESSING\n\nevent: surprise\ndata: {"a":1}\n\n';
      const { text, error } = await play(await ask(client, events([...told.slice(0, 4), between, ...told.slice(4)])));
      expect(error).toBeNull();
      expect(readBack(client, text)).toEqual({ said: "one two three", complete: true });
    });

    test("an end without its own end is a broken answer", async () => {
      const { text, error, source } = await play(await ask(client, events(told.slice(0, 4).join(""))));
      expect(readBack(client, text)).toEqual({ said: "one two three", complete: false });
      expect(error).toMatchObject({ details: { code: "provider_broke_off" } });
      expect(source.metered()).toMatchObject({ complete: false, usage: null, contentBytes: 13 });
    });

    test("a last event without its blank line counts, unless it is cut in its middle", async () => {
      const noDone = told.slice(0, -1).join("").trimEnd();
      expect(readBack(client, (await play(await ask(client, events(noDone)))).text).complete).toBe(true);
      const cut = `${told.slice(0, 4).join("")}data: {"id":"half`;
      expect((await play(await ask(client, events(cut)))).error).toMatchObject({
        details: { code: "provider_broke_off" },
      });
    });

    test("a connection that breaks after the answer and its usage ends the answer well", async () => {
      const reset = new Error("ECONNRESET");
      const { text, error } = await play(await ask(client, events([told.slice(0, -1).join(""), reset])));
      expect(error).toBeNull();
      expect(readBack(client, text)).toEqual({ said: "one two three", complete: true });
    });

    test("one that falls silent then, and is given up, does too", async () => {
      const silence = new GatewayError("upstream-timeout", "the provider sent nothing for 1000 ms");
      const { text, error } = await play(await ask(client, events([told.slice(0, -1).join(""), silence])));
      expect(error).toBeNull();
      expect(readBack(client, text)).toEqual({ said: "one two three", complete: true });
    });

    test("a connection that breaks before is an error", async () => {
      const { error, source } = await play(
        await ask(client, events([told.slice(0, 3).join(""), new Error("ECONNRESET")])),
      );
      expect(error).not.toBeNull();
      expect(source.metered().complete).toBe(false);
    });

    test("nothing follows the end", async () => {
      const twice = [...told, frame({ ...chunk("chatcmpl-1", []), ...content }), frame({ error: { message: "late" } })];
      const { text, error } = await play(await ask(client, events(twice)));
      expect(error).toBeNull();
      expect(readBack(client, text)).toEqual({ said: "one two three", complete: true });
      expect(text).not.toContain("late");
      expect(text).not.toContain("more");
    });

    test("a whole answer becomes a stream", async () => {
      const whole = JSON.stringify(completion("chatcmpl-1", { text: "all at once" }));
      const { text, source, error } = await play(await ask(client, responseOf(whole, "application/json")));
      expect(error).toBeNull();
      expect(readBack(client, text)).toEqual({ said: "all at once", complete: true });
      expect(source.metered()).toMatchObject({ complete: true, usage: { usage: { outputTokens: 3 } } });
    });
  });

  describe(`a whole answer for a client of ${client.name}`, () => {
    const textOf = (answer: Answer): string => {
      if (answer.kind !== "whole") throw new Error(`a ${answer.kind} answer`);
      const text = typeof answer.body === "string" ? answer.body : new TextDecoder().decode(answer.body);
      const { candidates } = client.decodeResponse(JSON.parse(text));
      return (candidates[0]?.parts ?? []).map((part) => (part.type === "text" ? part.text : `<${part.type}>`)).join("");
    };

    test("comes in the client's own form", async () => {
      const answer = await ask(client, Response.json(completion("chatcmpl-1", { text: "hello" })), false);
      expect(textOf(answer)).toBe("hello");
      expect(answer).toMatchObject({ metered: { usage: { usage: { inputTokens: 11, outputTokens: 3 } } } });
    });

    test.each(["text/event-stream", "text/plain"])("events that nobody asked for are added up (%s)", async (type) => {
      const body = told.join("");
      const headers = { "content-type": type, "content-length": String(body.length) };
      expect(textOf(await ask(client, new Response(body, { headers }), false))).toBe("one two three");
      expect(textOf(await ask(client, responseOf([body], type), false))).toBe("one two three");
    });

    test("events that nobody asked for and that break off have used what they told", async () => {
      // Some vendors tell the usage so far with each event.
      const first = frame({ ...chunk("chatcmpl-1", []), ...content, usage });
      for (const end of [[], [new Error("ECONNRESET")]])
        expect(await ask(client, events([first, ...end]), false)).toMatchObject({
          kind: "failed",
          error: { message: "the provider's answer broke off", details: { code: "provider_broke_off" } },
          metered: { complete: false, usage: { usage: { inputTokens: 11 } } },
        });
    });

    test("an error in a 200 is one, in the vendor's words; what it used counts", async () => {
      const answer = await ask(
        client,
        Response.json({ error: { message: "quota of sk-secret-of-ours" }, usage }),
        false,
      );
      expect(answer).toMatchObject({
        kind: "failed",
        error: { message: "quota of ***", kind: "upstream-invalid" },
        metered: { usage: { usage: { inputTokens: 11 } } },
      });
    });

    test.each(["", "<html>", "null", "[]"])("%p is the provider's fault", async (body) => {
      const asked = ask(client, new Response(body, { headers: { "content-type": "application/json" } }), false);
      await expect(asked).rejects.toMatchObject({ kind: "upstream-invalid" });
    });

    test("JSON that is no answer is the provider's fault", async () => {
      expect(await ask(client, Response.json({ hello: 1 }), false)).toMatchObject({
        kind: "failed",
        error: { kind: "upstream-invalid" },
      });
    });
  });
}
