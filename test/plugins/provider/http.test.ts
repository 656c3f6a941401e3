import { describe, expect, test } from "bun:test";
import type { Attempt, DialectName, UpstreamProvider } from "llm-proxy/plugin";
import openaiCompatible from "../../../plugins/provider/openai-compatible.ts";
import presets from "../../../plugins/provider/presets.ts";
import { fakeContext, setUp } from "../../contract/context.ts";
import { testProvider } from "../../contract/provider.ts";
import { anAttempt } from "../../contract/samples.ts";

const apiKey = "upstream-secret-0123456789";
const all = ["openai-chat", "openai-responses", "anthropic-messages", "gemini"] as const;

async function provider(use: string, options: object = {}): Promise<UpstreamProvider> {
  const preset = presets.find(({ name }) => name === use);
  const given = { apiKey, ...options };
  const made = await (preset ? setUp(preset, given, fakeContext()) : setUp(openaiCompatible, given, fakeContext()));
  if ("request" in made) return made;
  throw new Error("expected the upstream form");
}
const sent = async (use: string, options: object, attempt: Partial<Attempt>) =>
  (await provider(use, options)).request(anAttempt(attempt));

testProvider(() => provider("openai-compatible", { baseUrl: "https://api.example.com/v1", dialects: all }), {
  form: "upstream",
  secrets: [apiKey],
});

const openai = "https://api.openai.com/v1";
const claude = "https://api.anthropic.com/v1";
const gemini = "https://generativelanguage.googleapis.com/v1beta/models";

describe("paths", () => {
  test.each<readonly [string, Partial<Attempt>, string]>([
    ["openai", {}, `${openai}/chat/completions`],
    ["openai", { dialect: "openai-responses", stream: true }, `${openai}/responses`],
    ["openai", { operation: "embeddings" }, `${openai}/embeddings`],
    ["anthropic", { dialect: "anthropic-messages" }, `${claude}/messages`],
    ["anthropic", { dialect: "anthropic-messages", operation: "count-tokens" }, `${claude}/messages/count_tokens`],
    ["google", { dialect: "gemini", model: "m" }, `${gemini}/m:generateContent`],
    ["google", { dialect: "gemini", model: "m", stream: true }, `${gemini}/m:streamGenerateContent?alt=sse`],
    [
      "google",
      { dialect: "gemini", model: "m", stream: true, framing: "json-array" },
      `${gemini}/m:streamGenerateContent`,
    ],
    ["google", { dialect: "gemini", model: "m", operation: "count-tokens" }, `${gemini}/m:countTokens`],
    ["google", { dialect: "gemini", model: "m", operation: "embeddings" }, `${gemini}/m:embedContent`],
    [
      "google",
      { dialect: "gemini", model: "m", operation: "embeddings", body: '{"requests":[]}' },
      `${gemini}/m:batchEmbedContents`,
    ],
    ["google", { dialect: "gemini", model: "models/m" }, `${gemini}/m:generateContent`],
    ["google", { dialect: "gemini", model: "a b/ü:c" }, `${gemini}/a%20b/%C3%BC%3Ac:generateContent`],
    [
      "google",
      { dialect: "gemini", model: "tunedModels/m" },
      "https://generativelanguage.googleapis.com/v1beta/tunedModels/m:generateContent",
    ],
  ])("%s: %j goes to %s", async (use, attempt, url) => {
    expect((await sent(use, {}, attempt)).url).toBe(url);
  });

  const root = "https://h.example";
  test.each<readonly [string, DialectName, string, string]>([
    ["openai-compatible", "anthropic-messages", root, `${root}/v1/messages`],
    ["openai-compatible", "anthropic-messages", `${root}/v1/`, `${root}/v1/messages`],
    ["openai-compatible", "anthropic-messages", `${root}/anthropic`, `${root}/anthropic/v1/messages`],
    ["openai-compatible", "gemini", root, `${root}/v1beta/models/m:generateContent`],
    ["openai-compatible", "gemini", `${root}/v1beta`, `${root}/v1beta/models/m:generateContent`],
    ["openai-compatible", "gemini", `${root}/v1`, `${root}/v1/models/m:generateContent`],
    ["openai-compatible", "gemini", `${root}/v1alpha`, `${root}/v1alpha/models/m:generateContent`],
    ["openai-compatible", "openai-responses", `${root}/v1`, `${root}/v1/responses`],
    ["openai", "anthropic-messages", `${root}/v1`, `${root}/v1/messages`],
    ["anthropic", "openai-chat", root, `${root}/v1/chat/completions`],
    ["google", "openai-chat", root, `${root}/v1beta/openai/chat/completions`],
    ["google", "openai-chat", `${root}/v1beta`, `${root}/v1beta/openai/chat/completions`],
    ["google", "openai-chat", `${root}/v1beta/openai/`, `${root}/v1beta/openai/chat/completions`],
  ])("%s told to speak %s at %s sends to %s", async (use, dialect, baseUrl, url) => {
    expect((await sent(use, { baseUrl, dialects: [dialect] }, { dialect, model: "m" })).url).toBe(url);
  });

  test("a dialect that the instance does not speak has none", async () => {
    const anthropic = await provider("anthropic");
    expect(() => anthropic.request(anAttempt({ dialect: "gemini" }))).toThrow("does not offer chat");
  });
});

describe("headers", () => {
  test.each<readonly [DialectName, Readonly<Record<string, string>>]>([
    ["openai-chat", { authorization: `Bearer ${apiKey}` }],
    ["openai-responses", { authorization: `Bearer ${apiKey}` }],
    ["anthropic-messages", { "x-api-key": apiKey, "anthropic-version": "2023-06-01" }],
    ["gemini", { "x-goog-api-key": apiKey }],
  ])("%s has its credential, and no other", async (dialect, headers) => {
    expect(
      (await sent("openai-compatible", { baseUrl: "https://h.example", dialects: all }, { dialect })).headers,
    ).toEqual({
      "user-agent": "llm-proxy",
      "content-type": "application/json",
      accept: "application/json",
      ...headers,
    });
  });

  test("what the client says to the protocol goes on, and joins the features that the instance asks for", async () => {
    const clientHeaders = { "anthropic-version": "2024-01-01", "anthropic-beta": "b-1,c-2" };
    const options = { headers: { "anthropic-beta": "a-0" } };
    const dialect = "anthropic-messages";
    expect((await sent("anthropic", options, { dialect, clientHeaders })).headers).toMatchObject({
      "x-api-key": apiKey,
      "anthropic-version": "2024-01-01",
      "anthropic-beta": "a-0,b-1,c-2",
    });
    // Nothing of it stays behind for the next call.
    expect((await sent("anthropic", options, { dialect })).headers).toMatchObject({
      "anthropic-version": "2023-06-01",
      "anthropic-beta": "a-0",
    });
  });

  test("a connection is shared with other calls unless the instance says that it is not", async () => {
    const connection = async (options: object) => (await sent("groq", options, { stream: true })).headers["connection"];
    expect(await connection({})).toBeUndefined();
    expect(await connection({ reuseConnections: false })).toBe("close");
  });

  test("a stream asks for events, but for one that comes as a JSON array", async () => {
    const accept = async (attempt: Partial<Attempt>) =>
      (await sent("google", {}, { dialect: "gemini", ...attempt })).headers["accept"];
    expect(await accept({ stream: true })).toBe("text/event-stream");
    expect(await accept({ stream: true, framing: "json-array" })).toBe("application/json");
    expect(await accept({})).toBe("application/json");
  });
});

test("each says which dialects it speaks, preferred first", async () => {
  expect((await provider("openai")).dialects).toEqual(["openai-chat", "openai-responses"]);
  expect((await provider("anthropic")).dialects).toEqual(["anthropic-messages"]);
  expect((await provider("google")).dialects).toEqual(["gemini"]);
  expect((await provider("groq")).dialects).toEqual(["openai-chat"]);
  expect((await provider("groq", { dialects: ["openai-responses", "openai-chat"] })).dialects).toEqual([
    "openai-responses",
    "openai-chat",
  ]);
});
