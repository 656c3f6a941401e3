import { describe, expect, test } from "bun:test";
import type { UpstreamProvider } from "llm-proxy/plugin";
import plugin from "../../../plugins/provider/openai-compatible.ts";
import { fakeContext, setUp } from "../../contract/context.ts";
import { testProvider } from "../../contract/provider.ts";
import { anAttempt } from "../../contract/samples.ts";

const apiKey = "upstream-secret-0123456789";
const baseUrl = "https://api.example.com/v1";
const attempt = anAttempt({ stream: true });

testProvider((context) => setUp(plugin, { baseUrl, apiKey, headers: { "X-Team": "red-0123456789" } }, context), {
  form: "upstream",
  secrets: [apiKey, "red-0123456789"],
  golden: [
    {
      attempt,
      request: {
        url: "https://api.example.com/v1/chat/completions",
        headers: {
          "user-agent": "llm-proxy",
          authorization: `Bearer ${apiKey}`,
          "x-team": "red-0123456789",
          "content-type": "application/json",
          accept: "text/event-stream",
        },
        body: attempt.body,
      },
    },
  ],
});

describe("openai-compatible", () => {
  const create = async (options: object): Promise<UpstreamProvider> => {
    const provider = await setUp(plugin, { baseUrl, ...options }, fakeContext());
    if ("request" in provider) return provider;
    throw new Error("expected the upstream form");
  };
  const sent = async (options: object) => (await create(options)).request(anAttempt());

  test.each([
    ["https://api.example.com/v1/", "https://api.example.com/v1/chat/completions"],
    ["https://api.example.com", "https://api.example.com/chat/completions"],
    ["https://API.example.com:443//", "https://api.example.com/chat/completions"],
    ["http://[::1]:8080/openai/v1", "http://[::1]:8080/openai/v1/chat/completions"],
  ])("base URL %s sends to %s", async (given, url) => {
    expect((await sent({ baseUrl: given })).url).toBe(url);
  });

  test.each([
    "ftp://example.com",
    "example.com/v1",
    "http://",
    "https://user:secret-0123@example.com/v1",
    "https://example.com/v1?key=secret-0123",
    "https://example.com/v1#secret-0123",
    "",
  ])("base URL %j is refused, and not repeated", async (given) => {
    const error = await create({ baseUrl: given }).catch((thrown: unknown) => thrown);
    expect(String(error)).toContain("baseUrl");
    expect(String(error)).not.toContain("secret-0123");
  });

  test("no key, no authorization", async () => {
    for (const options of [{}, { apiKey: "" }])
      expect((await sent(options)).headers).not.toHaveProperty("authorization");
  });

  test("a stream asks for events, anything else for JSON", async () => {
    expect((await sent({})).headers["accept"]).toBe("application/json");
  });

  test.each([
    [{ apiKey: "secret\r\nx-evil: 1" }, "apiKey"],
    [{ apiKey: "secret\u{1F511}" }, "apiKey"],
    [{ headers: { "x-team": "secret\nx" } }, "x-team"],
    [{ headers: { "x-team": "secret\u4e16" } }, "x-team"],
    [{ headers: { "x team": "secret" } }, "headers"],
    [{ headers: { "": "secret" } }, "headers"],
    [{ headers: { Host: "secret" } }, "host"],
    [{ headers: { "Content-Length": "secret" } }, "content-length"],
    [{ headers: { "X-Team": "secret", "x-team": "secret" } }, "x-team"],
    [{ apiKey: "secret", headers: { Authorization: "secret" } }, "authorization"],
    [{ apiKey: "secret", dialects: ["gemini"], headers: { "X-Goog-Api-Key": "secret" } }, "x-goog-api-key"],
    [{ unknown: "secret" }, "/unknown"],
    [{ dialects: [] }, "/dialects"],
    [{ dialects: ["gemini", "gemini"] }, "/dialects"],
    [{ dialects: ["secret"] }, "/dialects"],
    [{ maxOutputTokensField: "secret" }, "/maxOutputTokensField"],
    [{ refuses: ["secret"] }, "/refuses"],
    [{ reasoningField: "secret" }, "/reasoningField"],
  ])("%j is refused by name, without its value", async (options, named) => {
    const error = await create(options).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(Error);
    expect(String(error)).toContain(named);
    expect(String(error)).not.toContain("secret");
  });

  test("another way to authenticate goes by header", async () => {
    expect((await sent({ headers: { Authorization: "Token abc" } })).headers).toMatchObject({
      authorization: "Token abc",
    });
  });

  test("tells core what the upstream can do", async () => {
    const { request: _request, ...plain } = await create({});
    expect(plain).toEqual({
      dialects: ["openai-chat"],
      refusesStreamOptions: false,
      maxOutputTokensField: "max_tokens",
      refuses: [],
      developerRole: false,
      reasoningField: "reasoning_content",
    });
    const options = {
      models: ["qwen3"],
      vendor: "acme",
      streamOptions: false,
      maxOutputTokensField: "max_completion_tokens",
      refuses: ["topK"],
      developerRole: true,
      reasoningField: "none",
    };
    expect(await create(options)).toMatchObject({
      models: ["qwen3"],
      vendor: "acme",
      refusesStreamOptions: true,
      maxOutputTokensField: "max_completion_tokens",
      refuses: ["topK"],
      developerRole: true,
      reasoningField: "none",
    });
  });

  test("offers what its protocol has", async () => {
    const provider = await create({});
    expect((await provider.request(anAttempt({ operation: "embeddings" }))).url).toBe(`${baseUrl}/embeddings`);
    expect(() => provider.request(anAttempt({ operation: "rerank" }))).toThrow("does not offer rerank");
  });
});
