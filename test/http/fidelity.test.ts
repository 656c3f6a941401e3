import { afterAll, afterEach, describe, expect, test } from "bun:test";
import { call, chat, errorOf } from "../support/clients.ts";
import { invariants } from "../support/invariants.ts";
import { answers } from "../support/openai-answers.ts";
import { eachOf } from "../support/poll.ts";
import { seeded } from "../support/random.ts";
import { usageOf } from "../support/rows.ts";
import { setUp } from "../support/setup.ts";

/** What the client wrote reaches the upstream byte for byte, whatever it is; only the model's name changes. */
const setup = await setUp();
setup.upstream.on("ok", answers());
afterEach(() => invariants(setup));
afterAll(() => setup.stop());

const messages = '"messages":[{"role":"user","content":"hi"}]';

async function expectPassed(sent: string, expected: string): Promise<void> {
  const reply = await call(setup.gateway, setup.key.key, sent);
  expect({ status: reply.status, text: reply.status === 200 ? "" : reply.text }).toEqual({ status: 200, text: "" });
  expect(setup.upstream.log.at(-1)?.request.body.toString("utf8")).toBe(expected);
}

describe("bytes that a parse and a stringify would change", () => {
  const texts: Record<string, string> = {
    "an unknown field": `{"model":"mock/ok",${messages},"x_vendor":{"a":1,"b":[{}]}}`,
    "a big integer": `{"model":"mock/ok",${messages},"seed":9007199254740993}`,
    "a number with a zero after the point": `{"model":"mock/ok",${messages},"temperature":1.0,"top_p":1e-1}`,
    "key order and white space": `\n{ ${messages} ,\t"model" :\r\n "mock/ok" , "b":1,"a":2 }\n`,
    "a lone surrogate": `{"model":"mock/ok","messages":[{"role":"user","content":"\\ud83d alone"}]}`,
    "escapes nobody needs": `{"model":"mock/ok","messages":[{"role":"user","content":"\\u0041\\/\\u00e9"}]}`,
    "a model inside other fields": `{"metadata":{"model":"mock/ok"},"x":[{"model":"mock/ok"}],${messages},"model":"mock/ok"}`,
    "a text that looks like the field": `{"messages":[{"role":"user","content":"\\"model\\":\\"mock/ok\\""}],"model":"mock/ok"}`,
    "keys of prototypes": `{"__proto__":{"stream":true,"model":"mock/other"},"constructor":{"prototype":{"polluted":1}},${messages},"model":"mock/ok"}`,
    "NUL, DEL, right-to-left, four-byte text": `{"model":"mock/ok","messages":[{"role":"user","content":"\\u0000\x7f \u202eabc\u202c 🎈 e\u0301 \u00e9"}]}`,
    "an escaped name": `{"model":"m\\u006fck/ok",${messages}}`,
    "an escaped key": `{"mod\\u0065l":"mock/ok",${messages}}`,
  };
  for (const [what, sent] of Object.entries(texts)) {
    test(what, async () => {
      const at =
        what === "a model inside other fields" || what.startsWith("a text")
          ? sent.lastIndexOf('"mock/ok"')
          : sent.search(/"(mock|m\\u006fck)\/ok"/);
      const length = sent.indexOf('ok"', at) + 3 - at;
      await expectPassed(sent, `${sent.slice(0, at)}"ok"${sent.slice(at + length)}`);
    });
  }

  test("two models: refused, or both replaced", async () => {
    const before = setup.upstream.log.length;
    const reply = await call(setup.gateway, setup.key.key, `{"model":"mock/forbidden",${messages},"model":"mock/ok"}`);
    if (reply.status === 400) return void errorOf(reply.text);
    expect(reply.status).toBe(200);
    const body = setup.upstream.log[before]?.request.body.toString("utf8");
    expect(body).toBe(`{"model":"ok",${messages},"model":"ok"}`);
  });

  test("nothing stays of keys of prototypes: the next request is as before", async () => {
    await call(
      setup.gateway,
      setup.key.key,
      `{"__proto__":{"stream":true,"n":7},"constructor":{"prototype":{"stream":true}},${messages},"model":"mock/ok"}`,
    );
    const reply = await call(setup.gateway, setup.key.key, `{${messages},"model":"mock/ok"}`);
    expect(reply.headers.get("content-type")).toContain("application/json");
    expect(setup.upstream.log.at(-1)?.request.body.toString()).toBe(`{${messages},"model":"ok"}`);
  });
});

test("text of every kind comes back unharmed, from an upstream and from echo", async () => {
  const text = "e\u0301 \u00e9 \u0000 \x7f \u202eabc\u202c 🎈👩‍👩‍👧 \ud83d 漢字 \u2028\u2029";
  setup.upstream.on("odd", answers({ text }));
  for (const model of ["mock/odd", "echo"]) {
    const reply = await call(setup.gateway, setup.key.key, { model, messages: [{ role: "user", content: text }] });
    const body: { choices: { message: { content: string } }[] } = JSON.parse(reply.text);
    expect(body.choices[0]?.message.content).toBe(text);
    expect(usageOf(setup.gateway, reply.callId).status).toBe("ok");
  }
});

/** A wrong value is refused in the protocol's shape, or it goes on as it was written; there is no third way. */
async function expectRefusedOrFaithful(sent: string): Promise<string | null> {
  const mark = `f${crypto.randomUUID()}`;
  const marked = sent.replace("mock/ok", `mock/${mark}`);
  setup.upstream.on(mark, answers());
  const reply = await call(setup.gateway, setup.key.key, marked).catch((error: unknown) => String(error));
  if (typeof reply === "string") return `${sent.slice(0, 120)}: ${reply}`;
  const received = setup.upstream.requestsFor(mark)[0]?.request.body.toString("utf8");
  if (reply.status === 200) {
    const streamed = /"stream": *true/.test(sent);
    return received === marked.replace(`mock/${mark}`, mark) || streamed
      ? null
      : `${sent.slice(0, 120)}: changed to ${received?.slice(0, 160)}`;
  }
  if (reply.status < 400 || reply.status >= 500 || received !== undefined)
    return `${sent.slice(0, 120)}: status ${reply.status}, ${received === undefined ? "not sent" : "sent"}`;
  errorOf(reply.text);
  return null;
}

const fields = (
  "messages stream stream_options max_tokens max_completion_tokens n temperature top_p stop tools tool_choice parallel_tool_calls response_format seed user " +
  "logprobs top_logprobs metadata presence_penalty frequency_penalty logit_bias reasoning_effort service_tier modalities audio prediction store functions function_call web_search_options"
).split(" ");
const values = [
  "null",
  '""',
  "-1",
  "0",
  "1.5",
  "1e400",
  "true",
  "[]",
  "{}",
  "9".repeat(100_000),
  "9007199254740993",
  "[null]",
  '[{"type":1}]',
  '"x"',
];

test("each documented field with each odd value: refused, or passed on as it is", async () => {
  const bodies = fields.flatMap((field) =>
    values.map(
      (value) => `{"model":"mock/ok",${field === "messages" ? "" : `${messages},`}${JSON.stringify(field)}:${value}}`,
    ),
  );
  const wrong = await eachOf(bodies, 16, expectRefusedOrFaithful);
  expect(wrong.filter((each) => each !== null)).toEqual([]);
}, 60_000);

test("random bodies: refused, or passed on as they are", async () => {
  const random = seeded("random bodies");
  const pick = <T>(items: readonly T[]): T => {
    const item = items[random.below(items.length)];
    if (item === undefined) throw new Error("nothing to pick from");
    return item;
  };
  const value = (depth: number): string => {
    if (depth > 3 || random.below(2) === 0) return pick(values.filter((each) => each.length < 1000));
    const parts = Array.from({ length: random.below(4) }, () => value(depth + 1));
    return random.below(2) === 0
      ? `[${parts.join(",")}]`
      : `{${parts.map((part) => `${JSON.stringify(pick(fields))}:${part}`).join(", ")}}`;
  };
  const body = (): string => {
    const entries = Array.from({ length: random.below(5) }, () => pick(fields)).filter((field) => field !== "stream");
    const own = [...new Set(entries)].map((field) => `${JSON.stringify(field)}:${value(0)}`);
    const base = own.some((entry) => entry.startsWith('"messages"'))
      ? ['"model":"mock/ok"']
      : ['"model":"mock/ok"', messages];
    return `{${[...base, ...own].toSorted(() => random.below(3) - 1).join(",")}}`;
  };
  const wrong = await eachOf(Array.from({ length: 2000 }, body), 16, expectRefusedOrFaithful);
  expect(wrong.filter((each) => each !== null)).toEqual([]);
}, 60_000);

test("unknown names of models are 404 whatever they hold", async () => {
  for (const model of [
    "nobody",
    "mock2/ok",
    "/ok",
    "mock/",
    "*",
    "mock/*",
    "../echo",
    "echo\u0000",
    " echo",
    "ECHO",
    "ｅcho",
    "x".repeat(100_000),
  ]) {
    const reply = await call(setup.gateway, setup.key.key, chat(model));
    // "mock/…" and "mock/*" name a target of that provider, which answers 404 itself.
    expect({ model: model.slice(0, 20), status: reply.status }).toEqual({
      model: model.slice(0, 20),
      // A control character or endless length makes the text no name at all.
      status: model.includes("\0") || model.length > 1000 ? 400 : 404,
    });
    errorOf(reply.text);
  }
}, 20_000);
