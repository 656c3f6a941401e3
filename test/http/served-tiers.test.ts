import { afterAll, afterEach, describe, expect, test } from "bun:test";
import { dialects } from "../../core/dialects/index.ts";
import { ask } from "../support/dialect-calls.ts";
import { invariants } from "../support/invariants.ts";
import { json, sse } from "../support/scripts.ts";
import { setUp } from "../support/setup.ts";
import { spokenStream, spokenWhole, type Turn } from "../support/spoken.ts";

/** The tier that served a call, which need not be the one that was asked for, as clients of other protocols are told it. */

const setup = await setUp({ dialects: dialects.keys() });
afterEach(() => invariants(setup));
afterAll(() => setup.stop());
const { gateway, upstream, key } = setup;

const turn: Turn = { text: "hello", usage: { input: 3, output: 2 } };

describe.each([false, true])("streamed: %p", (stream) => {
  const script = (dialect: "gemini" | "openai-chat", from: string, to: string) => {
    const text = stream ? spokenStream(dialect, turn) : spokenWhole(dialect, turn);
    const told = text.replaceAll(from, `${to},${from}`);
    expect(told).not.toBe(text);
    return stream ? sse(told) : json(200, told);
  };

  test.each([
    ["openai-responses", { service_tier: "flex" }],
    ["openai-chat", { service_tier: "flex", ...(stream && { stream_options: { include_usage: true } }) }],
  ] as const)("a client of %s that asked for another one", async (client, more) => {
    const model = `served-${client}-${stream}`;
    upstream.on(model, script("gemini", '"totalTokenCount"', '"serviceTier":"standard"'));
    const reply = await ask(gateway, key.key, client, { model: `mock-gemini/${model}`, stream, more });
    expect(upstream.requestsFor(model)[0]?.json).toMatchObject({ serviceTier: "flex" });
    const told = [...reply.text.matchAll(/"service_tier":"(\w+)"/g)].map(([, tier]) => tier);
    expect(told.at(-1)).toBe("default");
  });

  test("a client of Gemini", async () => {
    const model = `served-gemini-${stream}`;
    upstream.on(model, script("openai-chat", '"object"', '"service_tier":"priority"'));
    const reply = await ask(gateway, key.key, "gemini", { model: `mock-openai-chat/${model}`, stream });
    expect(reply.text).toContain('"serviceTier":"priority"');
  });
});
