import { afterAll, afterEach, describe, expect, test } from "bun:test";
import { call, chat, dataOf, type Reply } from "../support/clients.ts";
import { invariants } from "../support/invariants.ts";
import { type Answer, answers, chunk, completion, frame, frames, newUpstreamId } from "../support/openai-answers.ts";
import { type UsageRow, usageOf } from "../support/rows.ts";
import { json, openStream, sse, taken, whole } from "../support/scripts.ts";
import { setUp } from "../support/setup.ts";
import type { Script } from "../support/upstream.ts";

const setup = await setUp({ mock: "", providers: "" });
afterEach(() => invariants(setup));
afterAll(() => setup.stop());

let models = 0;
async function ask(
  script: Script,
  more: Readonly<Record<string, unknown>> = {},
): Promise<{ reply: Reply; row: UsageRow; sent: Record<string, unknown> | undefined }> {
  const model = `u-${++models}`;
  setup.upstream.on(model, script);
  const reply = await call(setup.gateway, setup.key.key, chat(`mock/${model}`, more));
  return { reply, row: usageOf(setup.gateway, reply.callId), sent: setup.upstream.requestsFor(model)[0]?.json };
}
const streaming = { stream: true };
const asking = { stream: true, stream_options: { include_usage: true } };

describe("the usage chunk", () => {
  test("is asked for and hidden from a client that did not ask", async () => {
    const { reply, row, sent } = await ask(answers({ id: "hid", promptTokens: 5, completionTokens: 2 }), streaming);
    expect(sent?.stream_options).toEqual({ include_usage: true });
    expect(reply.text).toBe(frames("hid").join(""));
    expect(row).toMatchObject({ input_tokens: 5, output_tokens: 2, source: "provider" });
  });
  test("comes once to a client that asked", async () => {
    const { reply } = await ask(answers({ id: "asked" }), asking);
    expect(reply.text).toBe(frames("asked", {}, true).join(""));
  });
  test("is asked for beside other stream options", async () => {
    const { reply, sent } = await ask(answers({ id: "beside" }), {
      stream: true,
      stream_options: { include_obfuscation: false },
    });
    expect(sent?.stream_options).toEqual({ include_obfuscation: false, include_usage: true });
    expect(dataOf(reply.text).some((data) => data.includes('"usage"'))).toBe(false);
  });
  test("is asked for where the client said false or null", async () => {
    for (const stream_options of [{ include_usage: false }, null]) {
      const { reply, sent, row } = await ask(answers(), { stream: true, stream_options });
      expect(sent?.stream_options).toEqual({ include_usage: true });
      expect(reply.text).not.toContain('"usage"');
      expect(row.source).toBe("provider");
    }
  });
});

describe("reports of usage", () => {
  const usage = (prompt: number, output: number, more: object = {}) => ({
    prompt_tokens: prompt,
    completion_tokens: output,
    total_tokens: prompt + output,
    ...more,
  });
  const golden: [what: string, answer: Answer["usage"], row: Partial<UsageRow>][] = [
    ["plain", usage(10, 4), { input_tokens: 10, output_tokens: 4, cost_nano: 18_000 }],
    ["all zero", usage(0, 0), { input_tokens: 0, output_tokens: 0, cost_nano: 0 }],
    [
      "cached is part of the prompt",
      usage(100, 4, { prompt_tokens_details: { cached_tokens: 64 } }),
      { input_tokens: 100, cache_read_tokens: 64 },
    ],
    [
      "cached as DeepSeek says it",
      usage(100, 4, { prompt_cache_hit_tokens: 64, prompt_cache_miss_tokens: 36 }),
      { input_tokens: 100, cache_read_tokens: 64 },
    ],
    [
      "cache writes",
      usage(100, 4, { prompt_tokens_details: { cached_tokens: 0, cache_write_tokens: 90 } }),
      { input_tokens: 100, cache_write_tokens: 90 },
    ],
    [
      "reasoning inside the completion",
      usage(10, 50, { completion_tokens_details: { reasoning_tokens: 40 } }),
      { output_tokens: 50, reasoning_tokens: 40 },
    ],
    [
      "reasoning beside the completion",
      {
        prompt_tokens: 10,
        completion_tokens: 2,
        total_tokens: 332,
        completion_tokens_details: { reasoning_tokens: 320 },
      },
      { output_tokens: 322, reasoning_tokens: 320, cost_nano: 654_000 },
    ],
  ];
  for (const [what, reported, expected] of golden) {
    for (const more of [{}, streaming, asking]) {
      test(`${what}, ${JSON.stringify(more)}`, async () => {
        expect((await ask(answers({ usage: reported }), more)).row).toMatchObject({
          status: "ok",
          source: "provider",
          ...expected,
        });
      });
    }
  }

  for (const reported of [{ prompt_tokens: "x", completion_tokens: null }, usage(-5, -7)]) {
    for (const more of [{}, asking]) {
      test(`without a number that can be true are none: ${JSON.stringify([reported, more])}`, async () => {
        const { row } = await ask(answers({ usage: reported }), more);
        expect(row).toMatchObject({ status: "ok", source: "estimated" });
        expect(row.cost_nano).toBeGreaterThan(0);
      });
    }
  }

  for (const reported of [
    { prompt_tokens: null, completion_tokens: 5, total_tokens: 5 },
    { completion_tokens: 5, total_tokens: 5 },
    { completion_tokens: 5 },
    { prompt_tokens: "x", completion_tokens: 5 },
  ]) {
    test(`without an input that can be read it is estimated, and the output is its word: ${JSON.stringify(reported)}`, async () => {
      const { row } = await ask(answers({ usage: reported }), asking);
      expect(row).toMatchObject({ status: "ok", source: "estimated", output_tokens: 5 });
      expect(row.input_tokens).toBeGreaterThan(0);
    });
  }

  const hostile: unknown[] = [
    usage(-5, -7),
    { prompt_tokens: "12", completion_tokens: "3", total_tokens: "15" },
    { prompt_tokens: null, completion_tokens: null },
    { prompt_tokens: 1.5, completion_tokens: 2.5, total_tokens: 4 },
    { prompt_tokens: 10, completion_tokens: 5, total_tokens: 1_000_000 },
    { prompt_tokens: 10 },
    { completion_tokens: 10 },
    usage(10, 5, { prompt_tokens_details: { cached_tokens: 1_000 } }),
    usage(10, 5, { completion_tokens_details: { reasoning_tokens: 1_000 } }),
    usage(10, 5, { prompt_tokens_details: null, completion_tokens_details: "x" }),
    { prompt_tokens: 1e308, completion_tokens: 1e308, total_tokens: 1e308 },
    [1, 2, 3],
    {},
    "12",
    7,
    true,
  ];
  for (const reported of hostile) {
    for (const more of [{}, asking]) {
      test(`hostile: ${JSON.stringify(reported).slice(0, 90)}, ${JSON.stringify(more)}`, async () => {
        const { reply, row } = await ask(answers({ usage: reported }), more);
        expect(reply.status).toBe(200);
        expect(row.status).toBe("ok");
        const counts = [
          row.input_tokens,
          row.output_tokens,
          row.cache_read_tokens,
          row.cache_write_tokens,
          row.reasoning_tokens,
          row.cost_nano,
        ];
        for (const count of counts) expect(Number.isSafeInteger(count) && Number(count) >= 0).toBe(true);
        expect(row.cache_read_tokens).toBeLessThanOrEqual(row.input_tokens ?? 0);
        expect(row.reasoning_tokens).toBeLessThanOrEqual(row.output_tokens ?? 0);
        const types = setup.gateway.sql<{ kind: string }>(
          "select distinct typeof(cost_nano) as kind from v_usage where cost_nano is not null",
        );
        expect(types).toEqual([{ kind: "integer" }]);
      });
    }
  }

  test("a very large but possible number is recorded in full", async () => {
    const { row } = await ask(answers({ usage: usage(1_000_000, 1_000_000) }));
    expect(row).toMatchObject({ input_tokens: 1_000_000, output_tokens: 1_000_000, cost_nano: 3_000_000_000 });
  });

  test("cumulative reports are not added up", async () => {
    const id = newUpstreamId();
    const grow = (output: number, finish: string | null = null) =>
      frame({ ...chunk(id, [{ index: 0, delta: { content: "x" }, finish_reason: finish }]), usage: usage(10, output) });
    const text = `${grow(1)}${grow(2)}${grow(3, "stop")}${frame({ ...chunk(id, []), usage: usage(10, 4) })}${frame({ ...chunk(id, []), usage: usage(10, 5) })}data: [DONE]\n\n`;
    const { reply, row } = await ask(sse(text), asking);
    expect(reply.text).toBe(text);
    expect(row).toMatchObject({ input_tokens: 10, output_tokens: 5 });
  });

  for (const more of [{}, streaming]) {
    test(`none at all, ${JSON.stringify(more)}: estimated, above nothing and bounded`, async () => {
      const { row } = await ask(answers({ usage: null, text: "word ".repeat(400) }), {
        ...more,
        max_completion_tokens: 600,
      });
      expect(row).toMatchObject({ status: "ok", source: "estimated" });
      expect(row.input_tokens).toBeGreaterThan(0);
      expect(row.output_tokens).toBeGreaterThan(100);
      expect(row.output_tokens).toBeLessThanOrEqual(600);
    });

    test(`none at all, ${JSON.stringify(more)}: never estimated above the caller's own cap`, async () => {
      const asked = { ...more, max_completion_tokens: 7 };
      const { row } = await ask(answers({ usage: null, text: "word ".repeat(400) }), asked);
      expect(row).toMatchObject({ source: "estimated", output_tokens: 7 });
    });
  }

  test("what the client says of usage, and text that looks like usage, count nothing", async () => {
    const text = 'data: {"usage":{"prompt_tokens":0,"completion_tokens":0}}\n\ndata: [DONE]\n\n';
    for (const more of [{}, streaming]) {
      const { row } = await ask(answers({ text, promptTokens: 33, completionTokens: 8 }), {
        ...more,
        usage: usage(0, 0),
        cost: 0,
        metadata: { price: "0" },
      });
      expect(row).toMatchObject({ input_tokens: 33, output_tokens: 8, cost_nano: 49_000 });
    }
  });
});

describe("ids of the upstream", () => {
  test("that come after a comment, as OpenRouter's do, are recorded all the same", async () => {
    const comment = ": OPENROUTER PROCESSING\n\n";
    const { reply } = await ask(async (exchange) => {
      exchange.upstreamId = "after-a-comment";
      const stream = await openStream(exchange);
      await stream.send(comment);
      await taken();
      await stream.send(frames("after-a-comment", {}, true).join(""));
      await stream.end();
    }, asking);
    expect(reply.text).toStartWith(comment);
    const attempts = setup.gateway.sql("select upstream_id from v_attempts where call_id = ?", reply.callId);
    expect(attempts).toEqual([{ upstream_id: "after-a-comment" }]);
  });
  for (const id of ["", "the-same", null, 7]) {
    test(`${JSON.stringify(id)} for all: a record each`, async () => {
      const script: Script = (exchange) => json(200, { ...completion("x"), id })(exchange);
      const rows = await Promise.all(Array.from({ length: 5 }, () => ask(script)));
      expect(new Set(rows.map(({ row }) => row.call_id)).size).toBe(5);
    });
  }
});

describe("large answers", () => {
  const text = "0123456789abcdé🎈".repeat(200_000);
  test("unary: the same bytes", async () => {
    const body = Buffer.from(JSON.stringify(completion("large", { text })));
    const { reply } = await ask((exchange) => whole(exchange, 200, body, { "content-type": "application/json" }));
    expect(Bun.SHA256.hash(reply.bytes, "hex")).toBe(Bun.SHA256.hash(body, "hex"));
  });
  test("stream: the same bytes", async () => {
    const id = newUpstreamId();
    const pieces = Array.from({ length: 4_000 }, (_, index) =>
      frame(
        chunk(id, [{ index: 0, delta: { content: text.slice(index * 100, index * 100 + 101) }, finish_reason: null }]),
      ),
    );
    const body = Buffer.from(`${pieces.join("")}${frames(id, { text: "" }, true).slice(1).join("")}`);
    const { reply, row } = await ask(sse(body), asking);
    expect(Bun.SHA256.hash(reply.bytes, "hex")).toBe(Bun.SHA256.hash(body, "hex"));
    expect(row.status).toBe("ok");
  });
});
