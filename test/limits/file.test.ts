import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { call, chat } from "../support/clients.ts";
import { invariants } from "../support/invariants.ts";
import { answers } from "../support/openai-answers.ts";
import { type Setup, setUp } from "../support/setup.ts";

let setup: Setup;
beforeAll(async () => {
  setup = await setUp({
    providers: "  second: { use: echo }",
    config: `
models: { alias: [mock/limited] }
limits:
  - { scope: { kind: model, id: mock/limited }, requestsPerDay: 3 }
  - { scope: { kind: model, id: asked }, requestsPerDay: 1 }
  - { scope: { kind: provider, id: second }, requestsPerDay: 2 }
  - { scope: { kind: account }, requestsPerDay: 50 }
  - { scope: { kind: global }, requestsPerDay: 60 }
  - { scope: { kind: model, id: mock/tried }, requestsPerDay: 2, enforce: false }
rate-limit:
  token-bucket: {}
  tried: { use: token-bucket, scope: key, requestsPerDay: 40, enforce: false }`,
  });
  for (const model of ["limited", "tried", "ok"])
    setup.upstream.on(model, answers({ promptTokens: 20, completionTokens: 30 }));
});
afterAll(async () => {
  await invariants(setup);
  await setup.stop();
});

const newKey = async (accountId?: string) =>
  (await setup.gateway.createKey({ ...(accountId !== undefined && { accountId }) })).key;
const times = async (count: number, key: string, model: string) => {
  const replies = [];
  for (let at = 0; at < count; at++) replies.push(await call(setup.gateway, key, chat(model)));
  return replies;
};
const statusesOf = async (count: number, key: string, model: string) =>
  (await times(count, key, model)).map(({ status }) => status);

describe("limits of the file", () => {
  test("a model's counts all keys, and its alias is no way around", async () => {
    expect(await statusesOf(2, await newKey(), "mock/limited")).toEqual([200, 200]);
    const [passed, refused] = await times(2, await newKey(), "alias");
    expect([passed?.status, refused?.status]).toEqual([200, 429]);
    expect(JSON.parse(refused?.text ?? "").error.details).toMatchObject({
      scope: { kind: "model" },
      above: true,
      measure: "requests",
    });
    expect(passed?.headers.get("x-ratelimit-limit-requests")).toBe("3");
    expect(passed?.headers.get("x-ratelimit-remaining-requests")).toBe("0");
  });

  test("a provider's counts each of its models", async () => {
    const key = await newKey();
    expect(await statusesOf(3, key, "second/echo")).toEqual([200, 200, 429]);
  });

  test("each account has one of its own, and what is for all comes last", async () => {
    const a = await setup.gateway.admin<{ id: string }>("POST", "/api/accounts", { name: "a" });
    const keys = [await newKey(a.id), await newKey(a.id)];
    let passed = 0;
    for (let at = 0; at < 60; at++) {
      const reply = await call(setup.gateway, keys[at % 2] ?? "", chat("mock/ok"));
      if (reply.status === 200) {
        passed += 1;
        continue;
      }
      expect(JSON.parse(reply.text).error.details).toMatchObject({ scope: { kind: "account", id: a.id }, limit: 50 });
      break;
    }
    expect(passed).toBe(50);
    // 3 and 2 before, and 50 now, on other accounts as well: 5 are left of 60.
    const others = await times(6, await newKey(), "mock/ok");
    expect(others.map(({ status }) => status)).toEqual([200, 200, 200, 200, 200, 429]);
    expect(JSON.parse(others[5]?.text ?? "").error.details).toMatchObject({ scope: { kind: "global" }, above: true });
  });
});

test("a limit that is only tried refuses nothing: the call's record, its header and the metrics tell of it", async () => {
  await setup.gateway.restart();
  const key = await newKey();
  const replies = await times(4, key, "mock/tried");
  expect(replies.map(({ status }) => status)).toEqual([200, 200, 200, 200]);
  const told = "a limit that is not enforced would refuse: 2 requests a day for this model";
  expect(replies.map(({ headers }) => headers.get("x-llm-proxy-warnings"))).toEqual([null, null, told, told]);
  const record = await setup.gateway.admin<object>("GET", `/api/calls/${replies[3]?.callId}`);
  expect(JSON.stringify(record)).toContain(told);
  const metrics = await (
    await setup.gateway.get("/metrics", { authorization: `Bearer ${setup.gateway.adminToken}` })
  )?.text();
  expect(metrics).toContain('llm_proxy_limit_refusals_total{scope="model",measure="requests",enforced="false"} 2');
});
