import { afterAll, afterEach, describe, expect, test } from "bun:test";
import Anthropic from "@anthropic-ai/sdk";
import { ApiError, GoogleGenAI } from "@google/genai";
import { dialects } from "../../core/dialects/index.ts";
import { call, type CallOptions, errorOf } from "../support/clients.ts";
import { invariants } from "../support/invariants.ts";
import { sendRaw } from "../support/raw.ts";
import { allUsage } from "../support/rows.ts";
import { json, sse } from "../support/scripts.ts";
import { setUp } from "../support/setup.ts";
import { spokenStream, spokenWhole, type Turn } from "../support/spoken.ts";
import type { Script } from "../support/upstream.ts";

const setup = await setUp({
  dialects: dialects.keys(),
  config: "models:\n  fast: [mock-anthropic-messages/m]\n",
});
afterEach(() => invariants(setup));
afterAll(() => setup.stop());

const { key } = setup.key;
const turn: Turn = { text: "It is sunny.", usage: { input: 21, output: 5 } };
const anthropic = new Anthropic({ baseURL: setup.gateway.url, apiKey: key, maxRetries: 0 });
const google = new GoogleGenAI({ apiKey: key, httpOptions: { baseUrl: setup.gateway.url } });
const messages = [{ role: "user" as const, content: "weather?" }];
const ask = { max_tokens: 100, messages };
const contents = { contents: [{ role: "user", parts: [{ text: "weather?" }] }] };

const speaksGemini: Script = (exchange) => {
  const { start } = exchange.request;
  if (start.includes(":streamGenerateContent?alt=sse")) return sse(spokenStream("gemini", turn))(exchange);
  if (start.includes(":streamGenerateContent")) return json(200, `[${spokenWhole("gemini", turn)}\n]`)(exchange);
  if (start.includes(":countTokens")) return json(200, { totalTokens: 21 })(exchange);
  if (start.includes(":batchEmbedContents"))
    return json(200, { embeddings: [{ values: [1] }, { values: [2] }] })(exchange);
  if (start.includes(":embedContent")) return json(200, { embedding: { values: [1, 2] } })(exchange);
  return json(200, spokenWhole("gemini", turn))(exchange);
};
const gemini = (path: string, body: unknown = contents, options: CallOptions = {}) =>
  call(setup.gateway, null, body, { path, headers: { "x-goog-api-key": key }, ...options });

describe("Anthropic's paths", () => {
  setup.upstream.on("m", (exchange) => {
    if (exchange.request.start.includes("/count_tokens")) return json(200, { input_tokens: 21 })(exchange);
    return exchange.json["stream"] === true
      ? sse(spokenStream("anthropic-messages", turn))(exchange)
      : json(200, spokenWhole("anthropic-messages", turn))(exchange);
  });

  test("the SDK finds the id of the call where it looks for it", async () => {
    const { data, request_id: id } = await anthropic.messages.create({ model: "fast", ...ask }).withResponse();
    expect(data.content).toEqual([expect.objectContaining({ type: "text", text: "It is sunny." })]);
    expect(allUsage(setup.gateway).at(-1)).toMatchObject({ call_id: id, dialect: "anthropic-messages" });
    const failed: unknown = await anthropic.messages
      .create({ model: "nobody/x", ...ask })
      .catch((error: unknown) => error);
    expect(failed).toBeInstanceOf(Anthropic.NotFoundError);
    expect(failed).toMatchObject({ requestID: expect.stringMatching(/^[0-9a-f-]{36}$/) });
  });

  test("a stream, and a count of tokens", async () => {
    expect(await anthropic.messages.stream({ model: "fast", ...ask }).finalText()).toBe("It is sunny.");
    expect(await anthropic.messages.countTokens({ model: "fast", messages })).toEqual({ input_tokens: 21 });
    expect(setup.upstream.log.at(-1)?.request.start).toStartWith("POST /v1/messages/count_tokens ");
  });

  test("any query, any number of beta features, and what the protocol says of itself go on", async () => {
    const betas = Array.from({ length: 60 }, (_, n) => `feature-${n}-2026-01-01`);
    await anthropic.beta.messages.create({ model: "fast", ...ask, betas });
    const { start, headers } = setup.upstream.log.at(-1)?.request ?? {};
    expect(start).toStartWith("POST /v1/messages HTTP");
    expect(headers).toMatchObject({
      "anthropic-beta": betas.join(","),
      // The SDK's own, which is newer than what the provider says without a client's word.
      "anthropic-version": expect.not.stringContaining("2023-06-01"),
      "x-api-key": setup.upstreamKey,
    });
    expect(Object.keys(headers ?? {}).filter((name) => name.startsWith("x-stainless"))).toEqual([]);
  });

  test("a hundred kilobytes of tools", async () => {
    const tools = Array.from({ length: 50 }, (_, n) => ({
      name: `tool_${n}`,
      description: "x".repeat(2_000),
      input_schema: { type: "object" as const, properties: {} },
    }));
    await anthropic.messages.create({ model: "fast", ...ask, tools });
    expect(setup.upstream.log.at(-1)?.json["tools"]).toEqual(tools);
  });

  test.each([
    ["both headers with one key", { authorization: `Bearer ${key}`, "x-api-key": key }, 200],
    ["two different keys", { authorization: `Bearer ${key}`, "x-api-key": "sk-other" }, 401],
    ["a bearer alone", { authorization: `Bearer ${key}` }, 200],
  ])("%s: %p is %d", async (_, headers, status) => {
    const reply = await call(
      setup.gateway,
      null,
      { model: "fast", ...ask },
      { path: "/v1/messages?beta=true", headers },
    );
    expect(reply.status).toBe(status);
    if (status === 401) expect(messagesError(reply.text)).toBe("authentication_error");
  });
});

describe("Gemini's paths", () => {
  for (const model of ["m", "a/b:c", "models/m"]) setup.upstream.on(model === "m" ? "g" : model, speaksGemini);

  test("the SDK calls, streams, counts and embeds", async () => {
    const model = "mock-gemini/g";
    expect((await google.models.generateContent({ model, contents: "weather?" })).text).toBe("It is sunny.");
    const parts = await Array.fromAsync(await google.models.generateContentStream({ model, contents: "weather?" }));
    expect(parts.map((part) => part.text ?? "").join("")).toBe("It is sunny.");
    expect((await google.models.countTokens({ model, contents: "weather?" })).totalTokens).toBe(21);
    const { embeddings } = await google.models.embedContent({ model, contents: ["a", "b"] });
    expect(embeddings?.map(({ values }) => values)).toEqual([[1], [2]]);
    expect(
      allUsage(setup.gateway)
        .slice(-4)
        .map((row) => row.operation),
    ).toEqual(["chat", "chat", "count-tokens", "embeddings"]);
  });

  test.each([
    ["/v1beta/models/mock-gemini/a/b:c:generateContent", "/v1beta/models/a/b%3Ac:generateContent"],
    ["/v1beta/models/mock-gemini%2Fa%2Fb%3Ac:generateContent", "/v1beta/models/a/b%3Ac:generateContent"],
    ["/v1/models/mock-gemini/a/b:c:generateContent", "/v1beta/models/a/b%3Ac:generateContent"],
    ["/v1beta/models/mock-gemini/g:embedContent", "/v1beta/models/g:embedContent"],
    ["/v1beta/models/mock-gemini/g:streamGenerateContent?alt=sse", "/v1beta/models/g:streamGenerateContent?alt=sse"],
    ["/v1beta/models/mock-gemini/g:streamGenerateContent?alt=json", "/v1beta/models/g:streamGenerateContent"],
    ["/v1beta/models/mock-gemini/g:streamGenerateContent", "/v1beta/models/g:streamGenerateContent"],
  ])("%s is asked upstream at %s", async (path, upstream) => {
    const body = path.includes("embed") ? { content: { parts: [{ text: "a" }] } } : contents;
    const reply = await gemini(path, body);
    expect({ status: reply.status, error: reply.status === 200 ? "" : reply.text }).toEqual({ status: 200, error: "" });
    // The scripted upstream's base URL has a version already.
    expect(setup.upstream.log.at(-1)?.request.start).toBe(`POST ${upstream.replace("v1beta", "v1")} HTTP/1.1`);
  });

  test("a stream without alt=sse is one JSON array", async () => {
    const reply = await gemini("/v1beta/models/mock-gemini/g:streamGenerateContent");
    expect(reply.headers.get("content-type")).toStartWith("application/json");
    expect(JSON.parse(reply.text)).toEqual([JSON.parse(spokenWhole("gemini", turn))]);
  });

  test("the key may stand in the address, goes no further, and shows up nowhere", async () => {
    const path = `/v1beta/models/mock-gemini/g:generateContent?key=${key}`;
    expect((await gemini(path, contents, { headers: {} })).status).toBe(200);
    expect(setup.upstream.log.at(-1)?.request.head).not.toContain(key);
    const bad = await gemini("/v1beta/models/mock-gemini/g:generateContent?key=sk-made-up-key", contents, {
      headers: {},
    });
    expect([bad.status, contentsError(bad.text)]).toEqual([401, "UNAUTHENTICATED"]);
    expect(bad.text).not.toContain("sk-made-up-key");
    expect((await gemini(`${path}&key=sk-other`, contents, { headers: {} })).status).toBe(401);
    expect((await gemini(path, contents, { headers: { "x-goog-api-key": "sk-other" } })).status).toBe(401);
    for (const secret of [key, "sk-made-up-key"]) expect(setup.gateway.log()).not.toContain(secret);
  });

  test.each([
    "mock-gemini/g:predict",
    "mock-gemini/g",
    "mock-gemini/g:",
    ":generateContent",
    "mock-gemini/g:constructor",
  ])("no such method: %s", async (path) => {
    const reply = await gemini(`/v1beta/models/${path}`);
    expect([reply.status, contentsError(reply.text)]).toEqual([404, "NOT_FOUND"]);
  });
});

describe("models", () => {
  const all = async () => {
    const listed = await call(setup.gateway, key, null, { method: "GET", path: "/v1/models" });
    const { data } = JSON.parse(listed.text) as { data: { id: string }[] };
    return data.map(({ id }) => id);
  };

  test("Anthropic's SDK pages through the same names", async () => {
    const ids = (await Array.fromAsync(anthropic.models.list({ limit: 1 }))).map(({ id }) => id);
    expect(ids).toEqual(await all());
    expect(ids).toContain("fast");
    expect(await anthropic.models.retrieve("echo/slow")).toMatchObject({ type: "model", id: "echo/slow" });
    const missing: unknown = await anthropic.models.retrieve("nobody/x").catch((error: unknown) => error);
    expect(missing).toBeInstanceOf(Anthropic.NotFoundError);
    const wrong: unknown = await anthropic.models.list({ limit: 0 }).catch((error: unknown) => error);
    expect(wrong).toBeInstanceOf(Anthropic.BadRequestError);
  });

  test("so does Google's", async () => {
    const names = (await Array.fromAsync(await google.models.list({ config: { pageSize: 1 } }))).map(
      ({ name }) => name,
    );
    expect(names).toEqual((await all()).map((id) => `models/${id}`));
    expect(await google.models.get({ model: "echo/slow" })).toMatchObject({ name: "models/echo/slow" });
    const missing: unknown = await google.models.get({ model: "nobody/x" }).catch((error: unknown) => error);
    expect(missing).toBeInstanceOf(ApiError);
    expect(missing).toMatchObject({ status: 404 });
  });
});

describe("errors before a route knows come in the caller's shape", () => {
  const anthropicHeader = { "anthropic-version": "2023-06-01" };
  const send = async (method: string, path: string, headers: Readonly<Record<string, string>> = {}, body = "{}") =>
    sendRaw(setup.gateway.url, {
      method,
      path,
      headers: { "x-api-key": key, ...headers },
      body: method === "POST" ? body : "",
    });

  test.each([
    ["GET", "/v1/messages", {}, 405, "invalid_request_error"],
    ["POST", "/v1/messages/batches", {}, 404, "not_found_error"],
    ["POST", "/v1/messages/nothing", {}, 404, "not_found_error"],
    ["POST", "/v1/files", anthropicHeader, 404, "not_found_error"],
    ["DELETE", "/v1/models", anthropicHeader, 405, "invalid_request_error"],
    ["GET", "/v1/models", { ...anthropicHeader, "x-api-key": "sk-bad" }, 401, "authentication_error"],
    ["POST", "/v1/messages", { "content-type": "text/plain" }, 415, "invalid_request_error"],
    [
      "POST",
      "/v1/messages",
      { "content-type": "application/json", "x-api-key": "sk-bad" },
      401,
      "authentication_error",
    ],
  ])("Anthropic's: %s %s %j is %d %s", async (method, path, headers, status, type) => {
    const answer = await send(method, path, headers);
    expect([answer?.status, messagesError(answer?.text ?? "")]).toEqual([status, type]);
    expect(answer?.headers["request-id"]).toBe(answer?.headers["x-request-id"] ?? "");
    if (status === 405) expect(answer?.headers.allow).toContain(path === "/v1/models" ? "GET" : "POST");
  });

  test.each([
    ["POST", "/v1beta/cachedContents", {}, 404, "NOT_FOUND"],
    ["GET", "/v1beta/nothing", {}, 404, "NOT_FOUND"],
    ["DELETE", "/v1beta/models", {}, 405, null],
    ["GET", "/v1beta/models/echo:generateContent", {}, 405, null],
    ["GET", "/v1beta/models", { "x-api-key": "sk-bad" }, 401, "UNAUTHENTICATED"],
    ["POST", "/v1beta/models/mock-gemini/g:generateContent", { "content-type": "text/plain" }, 415, null],
  ])("Gemini's: %s %s %j is %d %p", async (method, path, headers, status, word) => {
    const answer = await send(method, path, headers);
    expect(answer?.status).toBe(status);
    const said = contentsError(answer?.text ?? "");
    if (word !== null) expect(said).toBe(word);
  });

  test("a body that is too large", async () => {
    const small = await setUp({ dialects: dialects.keys(), config: "server: { maxBodyBytes: 1000 }\n" });
    try {
      const body = { model: "mock-anthropic-messages/m", ...ask, system: "x".repeat(2_000) };
      const headers = { "x-api-key": small.key.key };
      const tooLarge = await call(small.gateway, null, body, { path: "/v1/messages", headers });
      expect([tooLarge.status, messagesError(tooLarge.text)]).toEqual([413, "request_too_large"]);
      const path = "/v1beta/models/mock-gemini/m:generateContent";
      const alike = await call(small.gateway, null, body, { path, headers });
      expect([alike.status, typeof contentsError(alike.text)]).toEqual([413, "string"]);
      errorOf((await call(small.gateway, small.key.key, body)).text);
    } finally {
      await small.stop();
    }
  });
});

/** The type of an error in Anthropic's shape; fails for any other. */
function messagesError(text: string): string {
  const { type, error } = JSON.parse(text) as { type: unknown; error: { type: unknown; message: unknown } };
  if (type !== "error" || typeof error.type !== "string" || typeof error.message !== "string")
    throw new Error(`not an error of this protocol: ${text}`);
  return error.type;
}

/** The status of an error in Gemini's shape; fails for any other. */
function contentsError(text: string): string {
  const { error } = JSON.parse(text) as { error: { code: unknown; status: unknown; message: unknown } };
  if (typeof error.code !== "number" || typeof error.status !== "string" || typeof error.message !== "string")
    throw new Error(`not an error of this protocol: ${text}`);
  return error.status;
}
