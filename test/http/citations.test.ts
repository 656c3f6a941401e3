import { afterAll, afterEach, describe, expect, test } from "bun:test";
import { dialects } from "../../core/dialects/index.ts";
import { ask, eventsOf } from "../support/dialect-calls.ts";
import { invariants } from "../support/invariants.ts";
import { json, sse } from "../support/scripts.ts";
import { setUp } from "../support/setup.ts";
import type { Script } from "../support/upstream.ts";

/** What a citation points at, in the text that the client reads: it is cut out of it by the offsets. */

const setup = await setUp({ dialects: dialects.keys() });
afterEach(() => invariants(setup));
afterAll(() => setup.stop());
const { gateway, upstream, key } = setup;

const page = (url: string, start: number, end: number) => ({
  type: "url_citation",
  url,
  title: "",
  start_index: start,
  end_index: end,
});
const message = (id: string, text: string, annotation: object) => ({
  id,
  type: "message",
  role: "assistant",
  status: "completed",
  content: [{ type: "output_text", text, annotations: [annotation], logprobs: [] }],
});
/** Two messages, and the offsets of each are its own. */
const response = {
  id: "resp_1",
  object: "response",
  created_at: 1_700_000_000,
  status: "completed",
  model: "m",
  output: [
    message("msg_1", "I look: é\u{1f600}. ", page("https://one.example", 2, 6)),
    message("msg_2", "Found it.", page("https://two.example", 0, 5)),
  ],
  usage: { input_tokens: 3, output_tokens: 4, total_tokens: 7 },
};
const cited = {
  type: "web_search_result_location",
  url: "https://two.example",
  title: "",
  cited_text: "found",
  encrypted_index: "e",
};
/** A block that has citations is what they support. */
const blocks = [
  { type: "text", text: "I look. ", citations: null },
  { type: "text", text: "Found it.", citations: [cited] },
];
const usage = { input_tokens: 3, output_tokens: 4 };
const answer = {
  id: "msg_1",
  type: "message",
  role: "assistant",
  model: "m",
  stop_reason: "end_turn",
  stop_sequence: null,
};

const event = (data: { readonly type: string } & Record<string, unknown>) =>
  `event: ${data.type}\ndata: ${JSON.stringify(data)}\n\n`;
const responseStream = [
  event({ type: "response.created", response: { ...response, status: "in_progress", output: [], usage: null } }),
  ...response.output.flatMap((item, index) => {
    const at = { output_index: index, item_id: item.id, content_index: 0 };
    const [part] = item.content;
    return [
      event({ type: "response.output_item.added", output_index: index, item: { ...item, content: [] } }),
      event({ type: "response.content_part.added", ...at, part: { ...part, text: "", annotations: [] } }),
      event({ type: "response.output_text.delta", ...at, delta: part?.text }),
      event({ type: "response.output_text.done", ...at, text: part?.text }),
      event({ type: "response.content_part.done", ...at, part }),
      event({ type: "response.output_item.done", output_index: index, item }),
    ];
  }),
  event({ type: "response.completed", response }),
].join("");
const messageStream = [
  event({ type: "message_start", message: { ...answer, stop_reason: null, content: [], usage } }),
  ...blocks.flatMap(({ text, citations }, index) => [
    event({ type: "content_block_start", index, content_block: { type: "text", text: "" } }),
    event({ type: "content_block_delta", index, delta: { type: "text_delta", text } }),
    ...(citations ?? []).map((citation) =>
      event({ type: "content_block_delta", index, delta: { type: "citations_delta", citation } }),
    ),
    event({ type: "content_block_stop", index }),
  ]),
  event({ type: "message_delta", delta: { stop_reason: "end_turn", stop_sequence: null }, usage }),
  event({ type: "message_stop" }),
].join("");

interface Annotation {
  readonly url_citation: { readonly url: string; readonly start_index: number; readonly end_index: number };
}
interface Said {
  readonly content?: string | null;
  readonly annotations?: readonly Annotation[];
}

async function citedInChat(provider: string, script: Script, stream: boolean) {
  const model = `${provider}-${stream}`;
  upstream.on(model, script);
  const reply = await ask(gateway, key.key, "openai-chat", { model: `mock-${provider}/${model}`, stream });
  // As a client reads it; the expectations fail for another shape.
  const bodies: { choices: { message?: Said; delta?: Said }[] }[] = stream
    ? eventsOf(reply.text).flatMap(({ data }) => (data === "[DONE]" ? [] : JSON.parse(data)))
    : [JSON.parse(reply.text)];
  const said = bodies.flatMap(({ choices }) => choices.flatMap(({ message: whole, delta }) => whole ?? delta ?? []));
  const text = said.map(({ content }) => content ?? "").join("");
  return said.flatMap(({ annotations = [] }) =>
    annotations.map(({ url_citation: { url, start_index: start, end_index: end } }) => [url, text.slice(start, end)]),
  );
}

test.each([
  [
    "openai-responses",
    [
      ["https://one.example", "look"],
      ["https://two.example", "Found"],
    ],
  ],
  ["anthropic-messages", [["https://two.example", "Found it."]]],
])("in the one text that a chat client gets of several of %s", async (provider, pairs) => {
  const isResponses = provider === "openai-responses";
  const whole = json(200, isResponses ? response : { ...answer, content: blocks, usage });
  expect(await citedInChat(provider, whole, false)).toEqual(pairs);
  expect(await citedInChat(provider, sse(isResponses ? responseStream : messageStream), true)).toEqual(pairs);
});

test("in a text of a Responses client, where a block is what they support", async () => {
  upstream.on("block", json(200, { ...answer, content: blocks, usage }));
  const reply = await ask(gateway, key.key, "openai-responses", { model: "mock-anthropic-messages/block" });
  const content: { text: string; annotations: object[] }[] = JSON.parse(reply.text).output[0].content;
  expect(content.map(({ text, annotations }) => [text, annotations])).toEqual([
    ["I look. ", []],
    ["Found it.", [page("https://two.example", 0, 9)]],
  ]);
});

describe("of a text that a stream of Gemini signs before it tells its sources", () => {
  const said = (parts: readonly object[], more: object = {}) =>
    `data: ${JSON.stringify({
      candidates: [{ content: { role: "model", parts }, index: 0, ...more }],
      usageMetadata: { promptTokenCount: 3, candidatesTokenCount: 4, totalTokenCount: 7 },
      responseId: "r",
    })}\n\n`;
  const groundingMetadata = {
    groundingChunks: [{ web: { uri: "https://one.example", title: "1" } }, { web: { uri: "https://two.example" } }],
    groundingSupports: [
      { segment: { startIndex: 2, endIndex: 6 }, groundingChunkIndices: [0] },
      { segment: { startIndex: 8, endIndex: 13 }, groundingChunkIndices: [1] },
    ],
  };
  const stream = sse(
    [
      said([{ text: "I look" }]),
      said([{ text: ". ", thoughtSignature: "c2ln" }]),
      said([{ text: "Found it." }]),
      said([{ text: "" }], { finishReason: "STOP", groundingMetadata }),
    ].join(""),
  );

  test("a chat client gets each by its place, as every source is told", async () => {
    expect(await citedInChat("gemini", stream, true)).toEqual([
      ["https://one.example", "look"],
      ["https://two.example", "Found"],
    ]);
  });

  test.each(["openai-responses", "anthropic-messages"] as const)("a client of %s gets each", async (dialect) => {
    upstream.on(`late-${dialect}`, stream);
    const model = `mock-gemini/late-${dialect}`;
    const reply = await ask(gateway, key.key, dialect, { model, stream: true });
    for (const url of ["https://one.example", "https://two.example"]) expect(reply.text).toContain(url);
    expect(reply.text).not.toMatch(/"(start|end)_index":-/);
  });
});

describe("of an answer of Perplexity's, which names its sources beside the choices", () => {
  const head = {
    id: "c",
    model: "sonar",
    created: 1_700_000_000,
    citations: ["https://one.example", "https://two.example"],
  };
  const results = { search_results: [{ title: "One", url: "https://one.example", date: null, snippet: "…" }] };
  const counts = { usage: { prompt_tokens: 3, completion_tokens: 4, total_tokens: 7 } };
  const content = "Found [1], and [2].";
  const whole = json(200, {
    ...head,
    ...results,
    ...counts,
    object: "chat.completion",
    choices: [{ index: 0, finish_reason: "stop", message: { role: "assistant", content } }],
  });
  const piece = (choice: object, more: object = {}) =>
    `data: ${JSON.stringify({ ...head, ...more, object: "chat.completion.chunk", choices: [{ index: 0, ...choice }] })}\n\n`;
  const stream = sse(
    [
      piece({ delta: { role: "assistant", content: "Found [1]" } }),
      piece({ delta: { content: ", and [2]." } }),
      piece({ delta: { content: "" }, finish_reason: "stop" }, { ...results, ...counts }),
      "data: [DONE]\n\n",
    ].join(""),
  );

  for (const dialect of ["openai-responses", "anthropic-messages", "gemini"] as const)
    test.each([true, false])(`a client of ${dialect} gets them; streamed: %p`, async (isStream) => {
      upstream.on(`beside-${dialect}-${isStream}`, isStream ? stream : whole);
      const model = `mock-openai-chat/beside-${dialect}-${isStream}`;
      const reply = await ask(gateway, key.key, dialect, { model, stream: isStream });
      expect(reply.status).toBe(200);
      for (const url of head.citations) expect(reply.text).toContain(JSON.stringify(url));
      expect(reply.text).toContain('"title":"One"');
    });

  test("a Responses client, as those of the whole text", async () => {
    upstream.on("beside", whole);
    const reply = await ask(gateway, key.key, "openai-responses", { model: "mock-openai-chat/beside" });
    expect(JSON.parse(reply.text)).toMatchObject({
      output: [
        {
          content: [
            {
              annotations: [
                { ...page("https://one.example", 0, content.length), title: "One" },
                page("https://two.example", 0, content.length),
              ],
            },
          ],
        },
      ],
    });
  });

  test("a Messages client may send them back to Anthropic, which takes its own alone", async () => {
    upstream.on("found", whole);
    upstream.on("asked-next", json(200, answer));
    const first = await ask(gateway, key.key, "anthropic-messages", { model: "mock-openai-chat/found" });
    const { content: found } = JSON.parse(first.text);
    expect(found).toMatchObject([{ type: "text", text: content, citations: [{ encrypted_index: "" }, {}] }]);
    const said = [
      { role: "user", content: "hi" },
      { role: "assistant", content: found },
      { role: "user", content: "and?" },
      { role: "assistant", content: blocks.slice(1) },
      { role: "user", content: "more" },
    ];
    const model = "mock-anthropic-messages/asked-next";
    const reply = await ask(gateway, key.key, "anthropic-messages", { model, more: { messages: said } });
    expect(reply.status).toBe(200);
    expect(upstream.requestsFor("asked-next")[0]?.json["messages"]).toMatchObject([
      {},
      { role: "assistant", content },
      {},
      { role: "assistant", content: blocks.slice(1) },
      {},
    ]);
  });
});
