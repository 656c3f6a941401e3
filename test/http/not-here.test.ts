import { afterAll, afterEach, describe, expect, test } from "bun:test";
import { invariants } from "../support/invariants.ts";
import { errorOf } from "../support/clients.ts";
import { sendRaw } from "../support/raw.ts";
import { setUp } from "../support/setup.ts";

/** What agents and SDKs ask for that this version has not, and how it says so. */

const setup = await setUp();
afterEach(() => invariants(setup));
afterAll(() => setup.stop());
const authorization = `Bearer ${setup.key.key}`;
const send = (method: string, path: string, headers: Readonly<Record<string, string>> = {}) =>
  sendRaw(setup.gateway.url, { method, path, headers, body: method === "POST" ? "{}" : "" });

describe("a WebSocket", () => {
  const upgrade = {
    connection: "Upgrade",
    upgrade: "websocket",
    "sec-websocket-version": "13",
    "sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ==",
  };

  test.each([
    ["with a credential", { authorization }],
    ["without", {}],
    ["as Codex asks", { authorization, "openai-beta": "responses_websockets=2026-02-06" }],
  ])("is refused at once with 426: %s", async (_, headers) => {
    const answer = await send("GET", "/v1/responses", { ...upgrade, ...headers });
    expect(answer?.status).toBe(426);
    expect(answer?.headers).toMatchObject({ upgrade: "HTTP/1.1", connection: expect.stringMatching(/upgrade/i) });
    expect(errorOf(answer?.text ?? "").message).toContain("WebSocket");
  });

  test("is refused to a real client, which learns the status", async () => {
    const socket = new WebSocket(`${setup.gateway.url.replace("http", "ws")}/v1/responses`);
    const { promise, resolve } = Promise.withResolvers<string>();
    socket.addEventListener("error", (event) => resolve("message" in event ? String(event.message) : ""));
    socket.addEventListener("open", () => resolve("open"));
    expect(await promise).toContain("426");
  });

  test("elsewhere is what the path is: no route, or no such method", async () => {
    expect((await send("GET", "/v1/nothing", upgrade))?.status).toBe(404);
    expect((await send("GET", "/healthz", upgrade))?.status).toBe(200);
  });

  test("a GET that asks for no upgrade is 405", async () => {
    const answer = await send("GET", "/v1/responses", { authorization });
    expect([answer?.status, answer?.headers.allow]).toEqual([405, "POST"]);
  });
});

describe("what comes later is a 404 that says so", () => {
  test.each([
    ["POST", "/v1/images/generations", "images"],
    ["POST", "/v1/audio/transcriptions", "audio"],
    ["POST", "/v1/moderations", "moderation"],
    ["POST", "/v1/rerank", "rerank"],
    ["POST", "/v1/completions", "legacy completions"],
    ["GET", "/v1/responses/resp_1", "stored responses"],
    ["POST", "/v1/responses/input_tokens", "stored responses"],
    ["POST", "/v1/batches", "batches"],
    ["POST", "/v1/files", "files"],
  ])("%s %s", async (method, path, what) => {
    const answer = await send(method, path, { authorization });
    expect(answer?.status).toBe(404);
    expect(errorOf(answer?.text ?? "")).toMatchObject({ message: `this version does not offer ${what}` });
  });
});

test("agents that only look whether somebody is there find somebody", async () => {
  const answer = await send("HEAD", "/");
  expect([answer?.status, answer?.text]).toEqual([200, ""]);
});
