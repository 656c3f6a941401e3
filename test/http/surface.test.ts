import { afterAll, afterEach, describe, expect, test } from "bun:test";
import { call, chat, errorOf } from "../support/clients.ts";
import { invariants } from "../support/invariants.ts";
import { answers } from "../support/openai-answers.ts";
import { sendBytes, sendRaw } from "../support/raw.ts";
import { allUsage } from "../support/rows.ts";
import { setUp } from "../support/setup.ts";

const setup = await setUp();
setup.upstream.on("ok", answers());
afterEach(() => invariants(setup));
afterAll(() => setup.stop());

describe("a method a path does not have is 405 and says which it has", () => {
  const paths: readonly (readonly [path: string, allowed: string])[] = [
    ["/v1/chat/completions", "POST"],
    ["/v1/models", "GET"],
    ["/healthz", "GET"],
    ["/readyz", "GET"],
  ];
  for (const [path, allowed] of paths) {
    for (const method of ["GET", "POST", "PUT", "PATCH", "DELETE", "TRACE", "PURGE"].filter(
      (name) => name !== allowed,
    )) {
      test(`${method} ${path}`, async () => {
        const canary = `header-canary-${crypto.randomUUID()}`;
        const answer = await sendRaw(setup.gateway.url, {
          method,
          path,
          headers: { authorization: `Bearer ${setup.key.key}`, "x-canary": canary },
        });
        if (method === "PURGE") expect([400, 405, 501]).toContain(answer?.status ?? 400);
        else {
          expect(answer?.status).toBe(405);
          expect(answer?.headers.allow).toContain(allowed);
          if (path.startsWith("/v1")) errorOf(answer?.text ?? "");
        }
        expect(answer?.text ?? "").not.toContain(canary);
      });
    }
  }
  test("CONNECT and an unknown token are refused", async () => {
    for (const start of ["CONNECT 127.0.0.1:80 HTTP/1.1", "FOO /v1/chat/completions HTTP/1.1"]) {
      const answer = await sendBytes(
        setup.gateway.url,
        Buffer.from(`${start}\r\nhost: localhost\r\nconnection: close\r\n\r\n`),
      );
      expect([400, 401, 404, 405, 501]).toContain(answer?.status ?? 400);
    }
  });
});

describe("credentials", () => {
  const bad: Record<string, Record<string, string>> = {
    none: {},
    "an empty bearer": { authorization: "Bearer " },
    "the word null": { authorization: "Bearer null" },
    "the word undefined": { authorization: "Bearer undefined" },
    basic: { authorization: "Basic YWRtaW46YWRtaW4=" },
    "an unknown key of our form": { authorization: `Bearer sk-llmp-${"a".repeat(12)}-${"b".repeat(49)}` },
    SQL: { authorization: "Bearer ' OR '1'='1" },
    "another scheme": { authorization: "Token x" },
  };
  for (const [what, headers] of Object.entries(bad)) {
    test(`${what} is 401 and makes no record`, async () => {
      const before = allUsage(setup.gateway).length;
      for (const [method, path] of [
        ["POST", "/v1/chat/completions"],
        ["GET", "/v1/models"],
        ["GET", "/api/keys"],
        ["POST", "/api/keys"],
      ] as const) {
        const answer = await sendRaw(setup.gateway.url, {
          method,
          path,
          headers: { "content-type": "application/json", ...headers },
          body: method === "POST" ? JSON.stringify(chat("mock/ok")) : "",
        });
        expect({ path, status: answer?.status }).toEqual({ path, status: 401 });
        if (path.startsWith("/v1")) errorOf(answer?.text ?? "");
      }
      expect(allUsage(setup.gateway).length).toBe(before);
    });
  }

  for (const header of ["authorization", "x-api-key", "api-key", "x-goog-api-key"]) {
    test(`a good key in ${header} is taken`, async () => {
      const value = header === "authorization" ? `bearer ${setup.key.key}` : setup.key.key;
      expect((await call(setup.gateway, null, chat("mock/ok"), { headers: { [header]: value } })).status).toBe(200);
    });
    test(`a changed key in ${header} is not`, async () => {
      const last = setup.key.key.at(-1) === "0" ? "1" : "0";
      for (const key of [
        `${setup.key.key.slice(0, -1)}${last}`,
        setup.key.key.slice(0, -1),
        `${setup.key.key}0`,
        setup.key.key.toUpperCase(),
      ]) {
        const reply = await call(setup.gateway, null, chat("mock/ok"), {
          headers: { [header]: header === "authorization" ? `Bearer ${key}` : key },
        });
        expect(reply.status).toBe(401);
        expect(reply.text).not.toContain(key);
      }
    });
  }

  test("a key in the query is not taken here", async () => {
    for (const name of ["key", "api_key", "access_token"]) {
      expect(
        (await call(setup.gateway, null, chat("mock/ok"), { path: `/v1/chat/completions?${name}=${setup.key.key}` }))
          .status,
      ).toBe(401);
    }
  });

  test("two Authorization headers never mean the first", async () => {
    const body = JSON.stringify(chat("mock/ok"));
    for (const [first, second] of [
      [setup.key.key, "sk-nobody"],
      ["sk-nobody", setup.key.key],
    ]) {
      const head = [
        "POST /v1/chat/completions HTTP/1.1",
        "host: localhost",
        "content-type: application/json",
        `content-length: ${body.length}`,
        `authorization: Bearer ${first}`,
        `authorization: Bearer ${second}`,
        "connection: close",
      ];
      const answer = await sendBytes(setup.gateway.url, Buffer.from(`${head.join("\r\n")}\r\n\r\n${body}`));
      expect([400, 401]).toContain(answer?.status ?? 0);
    }
  });

  test("a key opens no admin path, and the admin token calls no model", async () => {
    for (const path of ["/api/keys", "/api/calls", "/api/usage", "/api/budgets", "/openapi.json"]) {
      expect((await setup.gateway.get(path, { authorization: `Bearer ${setup.key.key}` }))?.status).toBeOneOf([
        401, 403,
      ]);
    }
    expect((await call(setup.gateway, setup.gateway.adminToken, chat("mock/ok"))).status).toBeOneOf([401, 403]);
  });

  test("a revoked key is refused within a second", async () => {
    const { id, key } = await setup.gateway.createKey();
    expect((await call(setup.gateway, key, chat("mock/ok"))).status).toBe(200);
    await setup.gateway.admin("DELETE", `/api/keys/${id}`);
    expect((await call(setup.gateway, key, chat("mock/ok"))).status).toBe(401);
  });
});

describe("request ids", () => {
  for (const [what, id] of [
    ["plain", "req-1"],
    ["long", "x".repeat(8_000)],
    ["odd", "é\t<script>"],
    ["like a path", "../../etc"],
  ] as const) {
    test(`a client's ${what} id never becomes ours, and twice the same makes two records`, async () => {
      const replies = await Promise.all(
        [1, 2].map(() => call(setup.gateway, setup.key.key, chat("mock/ok"), { headers: { "x-request-id": id } })),
      );
      for (const reply of replies)
        expect(reply.callId).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
      expect(new Set(replies.map((reply) => reply.callId)).size).toBe(2);
    });
  }
});

describe("other origins", () => {
  for (const origin of ["https://evil.example", "null"]) {
    for (const [method, path] of [
      ["OPTIONS", "/v1/chat/completions"],
      ["POST", "/v1/chat/completions"],
      ["OPTIONS", "/api/keys"],
      ["GET", "/api/keys"],
      ["GET", "/healthz"],
    ] as const) {
      test(`${method} ${path} from ${origin} gets no leave`, async () => {
        const answer = await sendRaw(setup.gateway.url, {
          method,
          path,
          headers: {
            origin,
            "access-control-request-method": "POST",
            "access-control-request-headers": "authorization",
            authorization: `Bearer ${setup.key.key}`,
            "content-type": "application/json",
          },
          body: method === "POST" ? JSON.stringify(chat("mock/ok")) : "",
        });
        expect(answer?.headers["access-control-allow-origin"]).toBeUndefined();
        expect(answer?.headers["access-control-allow-credentials"]).toBeUndefined();
      });
    }
  }
});

test("an unknown path is 404 in the protocol's shape", async () => {
  for (const path of ["/v1/nothing", "/v1/chat/completions/x", "/v1/v1/chat/completions"]) {
    const reply = await call(setup.gateway, setup.key.key, chat("mock/ok"), { path });
    expect(reply.status).toBe(404);
    errorOf(reply.text);
  }
});

test("what goes upstream has our credential and nothing of the client's", async () => {
  await call(setup.gateway, setup.key.key, chat("mock/ok"), {
    headers: {
      cookie: "a=b",
      referer: "http://secret.example/",
      "x-forwarded-for": "10.0.0.1",
      "x-forwarded-host": "evil",
      "x-secret": "1",
      "x-api-key": "sk-other",
      te: "trailers",
    },
  });
  const head = setup.upstream.log.at(-1)?.request;
  expect(head?.start).toBe("POST /v1/chat/completions HTTP/1.1");
  expect(head?.headers.authorization).toBe(`Bearer ${setup.upstreamKey}`);
  expect(head?.head).not.toContain(setup.key.key);
  for (const name of [
    "cookie",
    "referer",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-secret",
    "x-api-key",
    "te",
    "x-request-id",
    "origin",
  ])
    expect(head?.headers[name]).toBeUndefined();
});
