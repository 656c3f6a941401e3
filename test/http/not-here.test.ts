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
