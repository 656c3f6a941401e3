import { afterAll, describe, expect, test } from "bun:test";
import { call, chat } from "../support/clients.ts";
import { invariants } from "../support/invariants.ts";
import { chunk, frame, frames, newUpstreamId } from "../support/openai-answers.ts";
import { gate, until } from "../support/poll.ts";
import { usageOf } from "../support/rows.ts";
import { openStream, sse, stalled } from "../support/scripts.ts";
import { setUp } from "../support/setup.ts";

/** Every way that the WHATWG rules allow to write the same events: the client gets the bytes, the record the usage. */
const setup = await setUp();
afterAll(() => setup.stop());

const answer = { text: "héllo 🎈 wörld", promptTokens: 12, completionTokens: 6 };
const all = frames("form", answer, true);
const usageFrame = all.at(-2) ?? "";
const joined = (change: (frame: string) => string): string => all.map(change).join("");

const forms: Record<string, string> = {
  "line feeds": joined((text) => text),
  "carriage returns": joined((text) => text.replaceAll("\n", "\r")),
  both: joined((text) => text.replaceAll("\n", "\r\n")),
  mixed: all.map((text, index) => text.replaceAll("\n", ["\n", "\r\n", "\r"][index % 3] ?? "\n")).join(""),
  "a byte order mark": `\uFEFF${all.join("")}`,
  comments: joined((text) => `: comment {"usage":{}}\n\n:\n${text}`),
  "no space after the colon": joined((text) => text.replace("data: ", "data:")),
  "other fields": joined((text) => `event: message\nid: 7\nretry: 10\n${text}`),
  "data over several lines": joined((text) =>
    text.includes("[DONE]") ? text : text.replace('{"id"', '{\ndata: "id"'),
  ),
  "empty data": joined((text) => `data:\n\n${text}`),
  "an unknown field": joined((text) => `foo: bar\n${text}`),
  "more blank lines": joined((text) => `${text}\n\n`),
};

describe("forms of an event stream", () => {
  for (const [what, text] of Object.entries(forms)) {
    for (const inPieces of [false, true]) {
      test(`${what}${inPieces ? ", in pieces of three bytes" : ""}`, async () => {
        const bytes = Buffer.from(text);
        setup.upstream.on(
          "form",
          sse(
            bytes,
            inPieces ? { cuts: Array.from({ length: Math.floor(bytes.length / 3) }, (_, at) => 1 + at * 3) } : {},
          ),
        );
        const reply = await call(
          setup.gateway,
          setup.key.key,
          chat("mock/form", { stream: true, stream_options: { include_usage: true } }),
        );
        expect(reply.bytes.equals(bytes)).toBe(true);
        expect(usageOf(setup.gateway, reply.callId)).toMatchObject({
          status: "ok",
          source: "provider",
          input_tokens: 12,
          output_tokens: 6,
          finish_reason: "stop",
        });
        await invariants(setup);
      }, 20_000);
    }
  }
  for (const [what, newline] of [
    ["line feeds", "\n"],
    ["carriage returns", "\r"],
    ["both", "\r\n"],
  ] as const) {
    test(`the usage chunk is hidden with ${what}, and nothing else`, async () => {
      setup.upstream.on(
        "hide",
        sse(
          joined((text) => text.replaceAll("\n", newline)),
          { framing: "close" },
        ),
      );
      const reply = await call(setup.gateway, setup.key.key, chat("mock/hide", { stream: true }));
      expect(reply.text).toBe(joined((text) => (text === usageFrame ? "" : text.replaceAll("\n", newline))));
      expect(usageOf(setup.gateway, reply.callId)).toMatchObject({ input_tokens: 12, output_tokens: 6 });
    });
  }
});

test("odd chunks pass and stop nothing", async () => {
  const id = newUpstreamId();
  const odd = [
    chunk(id, []),
    chunk(id, [{ index: 0, delta: null, finish_reason: null }]),
    chunk(id, [{ index: 0, finish_reason: null }]),
    chunk(id, [{ index: 0, delta: { role: "assistant" }, finish_reason: null }]),
    { ...chunk(id, []), usage: null },
    { type: "surprise" },
    { ...chunk(id, [{ index: 0, delta: { content: "x" }, finish_reason: null }]), choices: undefined },
    chunk(id, [{ index: 0, delta: {}, finish_reason: "content_filter" }]),
    {
      ...chunk(id, [{ index: 0, delta: {}, finish_reason: null }]),
      usage: { prompt_tokens: 2, completion_tokens: 1, total_tokens: 3 },
    },
  ];
  const text = `${odd.map(frame).join("")}data: [DONE]\n\n`;
  setup.upstream.on("odd", sse(text));
  const reply = await call(setup.gateway, setup.key.key, chat("mock/odd", { stream: true }));
  expect(reply.text).toBe(text);
  expect(usageOf(setup.gateway, reply.callId)).toMatchObject({
    status: "ok",
    input_tokens: 2,
    output_tokens: 1,
    finish_reason: "content_filter",
  });
});

test("an event reaches the client while the next one is still to come", async () => {
  const released = gate();
  const [first = "", ...rest] = frames("slow", { text: "one two" });
  setup.upstream.on("slow", stalled(first, released.opened, rest.join("")));
  let seen = "";
  const answered = call(setup.gateway, setup.key.key, chat("mock/slow", { stream: true }), {
    onPiece: (soFar) => (seen = soFar),
  });
  await until("the first event at the client", () => seen === first);
  released.open();
  expect((await answered).text).toBe(`${first}${rest.join("")}`);
});

test("headers of a stream keep every proxy in between from holding it back", async () => {
  setup.upstream.on("headers", async (exchange) => {
    const stream = await openStream(exchange);
    await stream.send(all.join(""));
    await stream.end();
  });
  const reply = await call(setup.gateway, setup.key.key, chat("mock/headers", { stream: true }), {
    headers: { "accept-encoding": "gzip, br" },
  });
  expect(reply.headers.get("content-type")).toStartWith("text/event-stream");
  expect(reply.headers.get("x-accel-buffering")).toBe("no");
  expect(reply.headers.get("content-encoding")).toBeNull();
  expect(reply.headers.get("cache-control")).toMatch(/no-cache|no-store/);
});
