import { describe, expect, test } from "bun:test";
import { GatewayError } from "llm-proxy/plugin";
import apiKey from "../../../plugins/auth/api-key.ts";
import { testAuth } from "../../contract/auth.ts";
import { fakeContext, setUp } from "../../contract/context.ts";
import { aPrincipal } from "../../contract/samples.ts";

const valid = "sk-llmp-0123456789ab-valid";
const keys = {
  find(credential: string) {
    if (!credential.startsWith("sk-llmp-")) return null;
    if (credential === valid) return aPrincipal();
    throw new GatewayError("unauthenticated", "The API key is not valid.");
  },
};

testAuth(() => setUp(apiKey, {}, { ...fakeContext(), keys }), {
  valid,
  invalid: ["sk-llmp-0123456789ab-unknown", "sk-llmp-0123456789ab-revoked"],
  foreign: ["eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiIxIn0.c2ln", "sk-proj-of-someone-else"],
});

describe("api-key", () => {
  test("asks the keys that core keeps, with the request, which may limit a key to some addresses", async () => {
    const asked: unknown[] = [];
    const find = (...query: readonly unknown[]) => {
      asked.push(query);
      return null;
    };
    const context = { ...fakeContext(), keys: { find } };
    const request = new Request("http://localhost/v1/models");
    await (await setUp(apiKey, {}, context)).authenticate(valid, request);
    expect(asked).toEqual([[valid, request]]);
  });

  test("has no options", async () => {
    const error = await setUp(apiKey, { anything: true }, fakeContext()).catch((thrown: unknown) => thrown);
    expect(String(error)).toContain("/anything");
  });
});
