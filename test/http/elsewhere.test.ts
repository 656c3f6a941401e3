import { afterAll, afterEach, describe, expect, test } from "bun:test";
import { call, chat } from "../support/clients.ts";
import { invariants } from "../support/invariants.ts";
import { answers } from "../support/openai-answers.ts";
import { json } from "../support/scripts.ts";
import { type Setup, setUp } from "../support/setup.ts";

/** What one target will not take and another one may. */

const models = "models: { either: [mock/small, mock/large], small: [mock/small] }";
const setups = {
  usual: await setUp({ config: models }),
  lenient: await setUp({ config: `${models}\nserver: { attempts: { afterContentFilter: true } }` }),
};
afterEach(() => Promise.all(Object.values(setups).map((setup) => invariants(setup))));
afterAll(() => Promise.all(Object.values(setups).map((setup) => setup.stop())));

const tooLong = {
  "OpenAI's": {
    type: "invalid_request_error",
    code: "context_length_exceeded",
    message: "This model's maximum context length is 8192 tokens.",
  },
  "Anthropic's": { type: "invalid_request_error", message: "prompt is too long: 210000 tokens > 200000 maximum" },
  "Google's": { message: "The input token count (1100000) exceeds the maximum number of tokens allowed (1048576)." },
};
const filtered = { type: "invalid_request_error", code: "content_filter", message: "The response was filtered." };

const ask = async ({ gateway, upstream, key }: Setup, model: string, error: object) => {
  upstream.on("small", json(400, { error }));
  upstream.on("large", answers());
  const { status, headers } = await call(gateway, key.key, chat(model));
  return [status, headers.get("x-llm-proxy-attempts")];
};

describe("a request that is too long for a target", () => {
  for (const [whose, error] of Object.entries(tooLong))
    test(`goes to the next one, in ${whose} words`, async () => {
      expect(await ask(setups.usual, "either", error)).toEqual([200, "2"]);
    });

  test("that is the only one is refused, and not sent again", async () => {
    expect(await ask(setups.usual, "small", tooLong["OpenAI's"])).toEqual([400, "1"]);
  });
});

describe("what a content filter refuses", () => {
  test("is refused, unless the operator lets the next target see it", async () => {
    expect(await ask(setups.usual, "either", filtered)).toEqual([400, "1"]);
    expect(await ask(setups.lenient, "either", filtered)).toEqual([200, "2"]);
  });
});

test("any other 400 goes nowhere else", async () => {
  const other = { type: "invalid_request_error", code: "invalid_value", message: "messages[0].role is unknown" };
  expect(await ask(setups.lenient, "either", other)).toEqual([400, "1"]);
});
