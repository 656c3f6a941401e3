import { afterAll, afterEach, beforeAll, expect, test } from "bun:test";
import Anthropic from "@anthropic-ai/sdk";
import OpenAI from "openai";
import { invariants } from "../support/invariants.ts";
import { answers } from "../support/openai-answers.ts";
import { type Setup, setUp } from "../support/setup.ts";
import { newKey, newModel } from "./calls.ts";

let setup: Setup;
beforeAll(async () => {
  setup = await setUp({ config: "server: { idempotency: { waitMs: 1 } }" });
});
afterAll(() => setup.stop());
afterEach(() => invariants(setup));

const openai = () => new OpenAI({ baseURL: `${setup.gateway.url}/v1`, apiKey: setup.key.key, maxRetries: 3 });
const ask = [{ role: "user", content: "Say hello." }] as const;

test("OpenAI's SDK reads a replayed stream as it reads the first", async () => {
  const { model, sent } = newModel(setup, answers());
  const headers = { "Idempotency-Key": newKey() };
  const once = async () => {
    const stream = openai().chat.completions.stream({ model, messages: [...ask] }, { headers });
    return [(await stream.finalChatCompletion()).id, (await stream.finalMessage()).content];
  };
  const first = await once();
  expect(first[1]).toBe("Hello there.");
  expect([await once(), sent()]).toEqual([first, 1]);
});

test("Anthropic's SDK reads a replayed stream as it reads the first", async () => {
  const { model, sent } = newModel(setup, answers());
  const client = new Anthropic({ baseURL: setup.gateway.url, apiKey: setup.key.key });
  const headers = { "Idempotency-Key": newKey() };
  const once = () => client.messages.stream({ model, max_tokens: 100, messages: [...ask] }, { headers }).finalMessage();
  const first = await once();
  expect(first.content).toMatchObject([{ type: "text", text: "Hello there." }]);
  expect([await once(), sent()]).toEqual([first, 1]);
});

test("OpenAI's SDK tries again while the first call runs, and not when its key was used for something else", async () => {
  const { model, sent } = newModel(setup, async (exchange) => {
    // Until the second call has been told to come back.
    while (refused() === 0 && !exchange.abandoned) await setup.gateway.get("/healthz");
    await answers()(exchange);
  });
  const refused = () => setup.gateway.sql("select 1 from v_usage where status = 'refused' and model = ?", model).length;
  const headers = { "Idempotency-Key": newKey() };
  const once = (more = {}) => openai().chat.completions.create({ model, messages: [...ask], ...more }, { headers });
  const [first, second] = await Promise.all([once(), once()]);
  expect(second).toEqual(first);
  expect([sent(), refused()]).toEqual([1, 1]);
  expect(await once({ user: "x" }).catch((error: unknown) => error)).toMatchObject({
    status: 422,
    code: "idempotency_key_reused",
  });
  expect(refused()).toBe(2);
});
