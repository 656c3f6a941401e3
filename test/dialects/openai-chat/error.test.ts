import { describe, expect, test } from "bun:test";
import type { Json } from "../../../core/chat/json.ts";
import { encodeError } from "../../../core/dialects/openai-chat/error.ts";
import { decodeError } from "../../../core/dialects/vendor-error.ts";

describe("decodeError reads what vendors send", () => {
  const none = { type: null, code: null, param: null };
  const cases: [vendor: string, body: Json, expected: object][] = [
    [
      "OpenAI",
      { error: { message: "m", type: "invalid_request_error", code: "model_not_found", param: "model" } },
      { message: "m", type: "invalid_request_error", code: "model_not_found", param: "model" },
    ],
    ["OpenRouter", { error: { message: "m", code: 401 }, user_id: "u" }, { ...none, message: "m", code: "401" }],
    [
      "Groq",
      { error: { message: "m", type: "t", code: "tool_use_failed", failed_generation: "x" } },
      { ...none, message: "m", type: "t", code: "tool_use_failed" },
    ],
    ["Ollama", { error: "m" }, { ...none, message: "m" }],
    [
      "xAI",
      { code: "The caller does not have permission", error: "m" },
      { ...none, message: "m", code: "The caller does not have permission" },
    ],
    ["Cohere", { id: "i", message: "m" }, { ...none, message: "m" }],
    [
      "Mistral",
      { object: "error", message: "m", type: "invalid_model", param: null, code: "1500" },
      { ...none, message: "m", type: "invalid_model", code: "1500" },
    ],
    ["FastAPI", { detail: "m" }, { ...none, message: "m" }],
    [
      "FastAPI's checks",
      JSON.parse('{"detail": [{"loc": ["body"], "msg": "m", "type": "missing"}]}'),
      { ...none, message: "m", type: "missing" },
    ],
    [
      "Google",
      [{ error: { code: 400, message: "m", status: "INVALID_ARGUMENT" } }],
      { ...none, message: "m", code: "400", type: "INVALID_ARGUMENT" },
    ],
    ["a page of text", "m", { ...none, message: "m" }],
  ];
  for (const [vendor, body, expected] of cases)
    test(vendor, () => expect(decodeError(body)).toEqual(expected as never));
});

describe("encodeError speaks as OpenAI does", () => {
  const body = { status: 400, message: "m", requestId: "r" };
  test("type and code follow from the kind", () => {
    const cases = [
      ["invalid-request", "invalid_request_error", null],
      ["unauthenticated", "invalid_request_error", "invalid_api_key"],
      ["insufficient-quota", "insufficient_quota", "insufficient_quota"],
      ["rate-limited", "rate_limit_error", "rate_limit_exceeded"],
      ["model-not-found", "invalid_request_error", "model_not_found"],
      ["unavailable", "server_error", "service_unavailable"],
    ] as const;
    for (const [kind, type, code] of cases) {
      expect(encodeError({ ...body, kind, details: {} })).toEqual({
        error: { message: "m", type, code, param: null, request_id: "r", details: null },
      });
    }
  });
  test("details go before, and a limit is told", () => {
    const limit = { scope: { kind: "key", id: "k" }, limit: 5, used: 4, held: 1, needed: 2, resetsAt: null } as const;
    expect(
      encodeError({ ...body, kind: "insufficient-quota", details: { code: "c", type: "t", param: "p", limit } }),
    ).toEqual({
      error: { message: "m", type: "t", code: "c", param: "p", request_id: "r", details: limit },
    });
  });
});
