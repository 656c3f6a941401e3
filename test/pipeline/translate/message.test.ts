import { describe, expect, test } from "bun:test";
import { GatewayError, type UpstreamProvider } from "llm-proxy/plugin";
import { anthropicMessages } from "../../../core/dialects/anthropic-messages/index.ts";
import { openCall } from "../../../core/pipeline/call.ts";
import { type Message, messageFor } from "../../../core/pipeline/message.ts";
import type { Endpoint } from "../../../core/pipeline/services.ts";
import { benches, chat, chatRequest } from "../bench.ts";

/** What is sent to one target, by what its provider is and can. */

const newBench = benches();
const anthropic = { dialect: anthropicMessages, operation: "chat" } as const;

interface Asking {
  readonly endpoint?: Endpoint;
  readonly body?: object;
  readonly maxOutputTokens?: number | null;
  /** What the price book knows that the model can write. */
  readonly most?: number | null;
  /** A budget holds for the call. */
  readonly held?: boolean;
}

async function messageTo(
  slot: Partial<UpstreamProvider>,
  { endpoint = anthropic, body = {}, maxOutputTokens = null, most = null, held = false }: Asking = {},
): Promise<Omit<Message, "body"> & { readonly body: Record<string, unknown> }> {
  const facts = { model: "one", contextWindow: null, maxOutputTokens: most };
  const { services } = await newBench({ biller: { facts: () => facts } });
  const provider: UpstreamProvider = {
    dialects: ["openai-chat"],
    request: () => ({ url: "https://example.com/", headers: {}, body: "" }),
    ...slot,
  };
  const headers = { "anthropic-beta": "some-beta", "openai-beta": "other" };
  const call = openCall(chatRequest({}, headers), endpoint, services);
  const messages = [{ role: "user", content: "hi" }];
  const text = JSON.stringify({ model: "alias", max_tokens: 500, messages, stream: true, ...body });
  const asked = {
    text,
    body: JSON.parse(text),
    envelope: endpoint.dialect.readEnvelope(JSON.parse(text), text.length),
  };
  const target = { provider: "mock", vendor: "mock", model: "one", slot: provider };
  const limits = services.settings.timeouts("one", target);
  const admitted = {
    route: { targets: [target] as const },
    holds: [],
    held: held ? [["budget-1", 5, 0] as const] : [],
    heldNano: 0,
    maxOutputTokens,
    expectedInputTokens: 1,
    inputBoundTokens: 1,
    outputBoundTokens: null,
  };
  const request = () => endpoint.dialect.decodeRequest(asked.body);
  const message = await messageFor({ call, asked, admitted, target, limits, services, request }, provider);
  return { ...message, body: JSON.parse(message.body) };
}

describe("a provider of the client's dialect", () => {
  test("gets the client's own words, and the headers of the protocol", async () => {
    const message = await messageTo({ dialects: ["openai-chat", "anthropic-messages"] }, { body: { unknown: 1 } });
    expect(message).toMatchObject({
      dialect: { name: "anthropic-messages" },
      clientHeaders: { "anthropic-beta": "some-beta" },
      warnings: [],
      body: { model: "one", unknown: 1, max_tokens: 500 },
    });
  });
});

describe("a provider of another dialect", () => {
  test("gets none of the client's headers, is spoken to in its first dialect and asked for the usage", async () => {
    const message = await messageTo({ dialects: ["openai-chat", "gemini"] });
    expect(message).toMatchObject({ dialect: { name: "openai-chat" }, clientHeaders: {}, framing: "sse" });
    expect(message.body).toMatchObject({
      model: "one",
      max_completion_tokens: 500,
      stream_options: { include_usage: true },
    });
  });

  test("gets no option that it refuses, and the cap under its own name", async () => {
    const { body } = await messageTo({ refusesStreamOptions: true, maxOutputTokensField: "max_tokens" });
    expect(body).toMatchObject({ stream: true, max_tokens: 500 });
    expect(body).not.toHaveProperty("stream_options");
    expect(body).not.toHaveProperty("max_completion_tokens");
  });

  test("gets the cap that was granted", async () => {
    const slot = { maxOutputTokensField: "max_tokens" };
    expect((await messageTo(slot, { maxOutputTokens: 50 })).body).toMatchObject({ max_tokens: 50 });
    expect((await messageTo({}, { maxOutputTokens: 50 })).body).toMatchObject({ max_completion_tokens: 50 });
    // In other dialects there is one name for it.
    const asked = { endpoint: chat, maxOutputTokens: 50 };
    const message = await messageTo({ ...slot, dialects: ["anthropic-messages"] }, asked);
    expect(message.body).toMatchObject({ max_tokens: 50 });
    const responses = await messageTo({ ...slot, dialects: ["openai-responses"] }, asked);
    expect(responses.body).toMatchObject({ max_output_tokens: 50 });
  });

  test("gets no higher cap than its model is known to write", async () => {
    const asked = { body: { max_tokens: 32_000 }, most: 16_384 };
    const lowered = await messageTo({}, asked);
    expect(lowered.body).toMatchObject({ max_completion_tokens: 16_384 });
    expect(lowered.warnings).toEqual(["max output tokens lowered from 32000 to 16384, the most that one can write"]);
    const granted = await messageTo({}, { ...asked, maxOutputTokens: 50 });
    expect([granted.body, granted.warnings]).toMatchObject([{ max_completion_tokens: 50 }, []]);
    // Its own words are its own matter.
    const relayed = await messageTo({ dialects: ["anthropic-messages"] }, asked);
    expect([relayed.body, relayed.warnings]).toMatchObject([{ max_tokens: 32_000 }, []]);
  });

  test("gets no lower cap than its protocol takes, but never one above what is held", async () => {
    const asked = { body: { max_tokens: 1 } };
    const slot = { dialects: ["openai-responses"] as const };
    const raised = await messageTo(slot, asked);
    expect(raised.body).toMatchObject({ max_output_tokens: 16 });
    expect(raised.warnings).toEqual(["max output tokens raised from 1 to 16, the least that openai-responses takes"]);
    const held = await messageTo(slot, { ...asked, held: true });
    expect([held.body, held.warnings]).toMatchObject([{ max_output_tokens: 1 }, []]);
    const chatted = await messageTo({}, asked);
    expect([chatted.body, chatted.warnings]).toMatchObject([{ max_completion_tokens: 1 }, []]);
  });

  test("is not asked at all where only the client's own could answer", async () => {
    const body = { container: "container_1" };
    await expect(messageTo({}, { body })).rejects.toBeInstanceOf(GatewayError);
    await expect(messageTo({}, { body })).rejects.toMatchObject({ details: { code: "not_carried" } });
  });
});
