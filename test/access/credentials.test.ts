import { afterAll, afterEach, beforeAll, describe, expect, test } from "bun:test";
import { call, chat } from "../support/clients.ts";
import { invariants } from "../support/invariants.ts";
import { answers } from "../support/openai-answers.ts";
import { sendBytes, sendRaw } from "../support/raw.ts";
import { allUsage, usageOf } from "../support/rows.ts";
import { type Setup, setUp } from "../support/setup.ts";
import { api, send } from "../support/visits.ts";

/** Every place and form a credential may come in, and what else a request says about who sent it (B1). */
let setup: Setup;
beforeAll(async () => {
  // How often a stranger may try is a matter of its own.
  setup = await setUp({ config: "limits: [{ scope: { kind: ip }, requestsPerMinute: 1000000 }]" });
  setup.upstream.on("ok", answers());
  setup.upstream.on("other", answers());
});
afterEach(() => invariants(setup));
afterAll(() => setup.stop());

describe("a key", () => {
  const forms: readonly (readonly [what: string, status: number, of: (key: string) => string])[] = [
    ["bearer", 200, (key) => `bearer ${key}`],
    ["BEARER", 200, (key) => `BEARER ${key}`],
    ["two spaces", 200, (key) => `Bearer  ${key}`],
    ["a space behind it, which is none of the value", 200, (key) => `Bearer ${key} `],
    ["a tab between", 401, (key) => `Bearer\t${key}`],
    ["no space", 401, (key) => `Bearer${key}`],
    ["a no-break space behind it", 401, (key) => `Bearer ${key}\u00a0`],
    ["a word behind it", 401, (key) => `Bearer ${key} x`],
    ["another scheme", 401, (key) => `Token ${key}`],
    ["no scheme", 401, (key) => key],
    ["twice in one line", 401, (key) => `Bearer ${key}, Bearer ${key}`],
    ["percent-encoded", 401, (key) => `Bearer ${key.replaceAll("-", "%2D")}`],
    ["in quotes", 401, (key) => `Bearer "${key}"`],
    ["in base64", 401, (key) => `Basic ${btoa(`x:${key}`)}`],
    ["in small letters", 401, (key) => `Bearer ${key.toLowerCase()}`],
  ];
  test.each(forms)("in the form: %s: %p (004)", async (_, status, of) => {
    const answer = await sendRaw(setup.gateway.url, {
      path: "/v1/chat/completions",
      headers: { "content-type": "application/json", authorization: of(setup.key.key) },
      body: JSON.stringify(chat("mock/ok")),
    });
    expect(answer?.status).toBe(status);
  });

  test("beside another one is none, in two lines or two headers, and nobody pays (005)", async () => {
    const other = await setup.gateway.createKey();
    const before = allUsage(setup.gateway).length;
    const body = JSON.stringify(chat("mock/ok"));
    for (const [first, second] of [
      [setup.key.key, other.key],
      [setup.key.key, "sk-nobody"],
      ["sk-nobody", setup.key.key],
    ])
      for (const lines of [
        [`authorization: Bearer ${first}`, `authorization: Bearer ${second}`],
        [`x-api-key: ${first}`, `x-api-key: ${second}`],
        [`authorization: Bearer ${first}`, `x-api-key: ${second}`],
        [`x-goog-api-key: ${first}`, `api-key: ${second}`],
      ]) {
        const head = ["POST /v1/chat/completions HTTP/1.1", "host: localhost", "content-type: application/json"];
        const length = [`content-length: ${body.length}`, "connection: close"];
        const bytes = `${[...head, ...length, ...lines].join("\r\n")}\r\n\r\n${body}`;
        expect([400, 401]).toContain((await sendBytes(setup.gateway.url, Buffer.from(bytes)))?.status ?? 0);
      }
    const both = `/v1beta/models/echo:generateContent?key=${other.key}`;
    const json = { "content-type": "application/json", "x-goog-api-key": setup.key.key };
    expect((await send(setup.gateway, "POST", both, { headers: json, body: "{}" })).status).toBe(401);
    expect(allUsage(setup.gateway).length).toBe(before);
  });

  test("is bound alike in each header and, for Gemini, in the address (006)", async () => {
    const { gateway } = setup;
    const narrow = { models: ["mock/ok", "echo"], routes: ["/v1/chat/completions", "/v1beta/*"] };
    const made = async (more: object) => {
      const { body } = await api(gateway, "POST", "/api/keys", { name: "narrow", ...narrow, ...more });
      gateway.secrets.add(body.key);
      return String(body.key);
    };
    const keys = {
      narrow: await made({}),
      spent: await made({ budget: { usd: "0.000000001", window: "day" } }),
      fast: await made({ limits: { requestsPerDay: 1 } }),
    };
    // The one call of the day.
    expect((await call(gateway, keys.fast, chat("mock/ok"))).status).toBe(200);
    const chatBody = (model: string) => ["/v1/chat/completions", chat(model, { max_completion_tokens: 5 })] as const;
    const geminiBody = { contents: [{ role: "user", parts: [{ text: "x" }] }] };
    const asked = [
      ["a model it may", keys.narrow, ...chatBody("mock/ok"), 200],
      ["a model it may not", keys.narrow, ...chatBody("mock/other"), 403],
      ["a route it may not", keys.narrow, "/v1/messages", { ...chat("echo"), max_tokens: 5 }, 403],
      ["a spent budget", keys.spent, ...chatBody("mock/ok"), 402],
      ["a limit that is used up", keys.fast, ...chatBody("mock/ok"), 429],
      ["Gemini's path", keys.narrow, "/v1beta/models/echo:generateContent", geminiBody, 200],
      [
        "Gemini's path to a model it may not",
        keys.narrow,
        "/v1beta/models/mock%2Fother:generateContent",
        geminiBody,
        403,
      ],
    ] as const;
    for (const [what, key, path, body, status] of asked) {
      const ways: readonly (readonly [string, Readonly<Record<string, string>>])[] = [
        [path, { authorization: `Bearer ${key}` }],
        [path, { "x-api-key": key }],
        [path, { "api-key": key }],
        [path, { "x-goog-api-key": key }],
        ...(path.startsWith("/v1beta") ? [[`${path}?key=${key}`, {}] as const] : []),
      ];
      const bodies = new Set<string>();
      for (const [to, headers] of ways) {
        const json = { "content-type": "application/json", ...headers };
        const answer = await send(gateway, "POST", to, { headers: json, body: JSON.stringify(body) });
        expect([what, Object.keys(headers), answer.status]).toEqual([what, Object.keys(headers), status]);
        if (status !== 200) bodies.add(alike(answer.text));
      }
      expect([what, bodies.size]).toEqual([what, status === 200 ? 0 : 1]);
    }
  });

  test("that is SQL is refused like one that nobody has, in each header (008)", async () => {
    const { gateway } = setup;
    const before = counts();
    const slow: string[] = [];
    for (const payload of statements)
      for (const name of ["authorization", "x-api-key", "api-key", "x-goog-api-key", "?key"]) {
        const inHeader = name === "authorization" ? `Bearer ${payload}` : payload;
        const inQuery = name === "?key";
        const startMs = performance.now();
        const answer = await sendRaw(gateway.url, {
          path: inQuery
            ? `/v1beta/models/echo:generateContent?key=${encodeURIComponent(payload)}`
            : "/v1/chat/completions",
          headers: { "content-type": "application/json", ...(inQuery ? {} : { [name]: inHeader }) },
          body: inQuery ? "{}" : JSON.stringify(chat("mock/ok")),
        });
        const tookMs = performance.now() - startMs;
        // A NUL is no header at all.
        expect([name, payload, payload.includes("\0") ? 401 : (answer?.status ?? 0)]).toEqual([name, payload, 401]);
        expect(answer?.text ?? "").not.toMatch(/sql|syntax|near|table|column/i);
        // What the heavy ones would take is seconds.
        if (tookMs > 1_000) slow.push(`${name} ${payload}: ${tookMs} ms`);
      }
    expect(slow).toEqual([]);
    expect(counts()).toEqual(before);
    for (const payload of statements.filter((each) => !each.includes("\0")))
      expect((await send(gateway, "GET", "/api/keys", { headers: { "x-api-key": payload } })).status).toBe(401);
  });
});

describe("headers that mean something to others (012, 026)", () => {
  const strange: readonly Readonly<Record<string, string>>[] = [
    { "x-middleware-subrequest": "middleware:middleware:middleware" },
    { "x-original-url": "/healthz" },
    { "x-rewrite-url": "/healthz" },
    { "x-forwarded-uri": "/healthz" },
    { "x-http-method-override": "DELETE" },
    { "x-method-override": "DELETE" },
    { "x-forwarded-user": "admin" },
    { "x-remote-user": "admin" },
    { "x-forwarded-for": "127.0.0.1" },
    { "x-real-ip": "127.0.0.1" },
    { "x-tenant-id": "b" },
    { "x-user-id": "b" },
    { "x-account-id": "b" },
    { "x-llm-proxy-account": "b" },
    { forwarded: "for=127.0.0.1;proto=https" },
  ];
  test("open nothing and change nothing", async () => {
    const { gateway } = setup;
    const { id } = await gateway.createKey({ name: "stays" });
    const shown = await api(gateway, "GET", `/api/keys/${id}`);
    for (const headers of strange) {
      for (const path of ["/api/keys", "/v1/models", "/metrics", "/dashboard/keys"])
        expect([headers, (await send(gateway, "GET", path, { headers })).status]).toEqual([
          headers,
          path.startsWith("/dashboard") ? 303 : 401,
        ]);
      const override = await send(gateway, "GET", `/api/keys/${id}?_method=DELETE`, {
        headers: { ...headers, authorization: `Bearer ${gateway.adminToken}` },
      });
      // An unknown parameter is a mistake; what it must not be is a removal.
      expect([200, 400]).toContain(override.status);
      expect((await api(gateway, "GET", `/api/keys/${id}`)).text).toBe(shown.text);
    }
  });

  test("and fields of a body move no call to another account", async () => {
    const { gateway, key } = setup;
    const other = (await api(gateway, "POST", "/api/accounts", { name: "other" })).body.id;
    for (const headers of strange.slice(6)) {
      const sent = Object.fromEntries(Object.keys(headers).map((name) => [name, other]));
      const body = chat("mock/ok", { user: other, metadata: { tenant_id: other, account: other, key_id: other } });
      const reply = await call(gateway, key.key, body, { headers: sent });
      expect(reply.status).toBe(200);
      expect(usageOf(gateway, reply.callId)).toMatchObject({ account_id: "default", key_id: key.id });
    }
  });
});

describe("a Host that is none (011)", () => {
  const hosts = [
    "host: a/health?x=",
    "host: a@b",
    "host: a#",
    "host: a\r\nhost: b",
    "host: ",
    "host: a:99999",
    `host: ${"a".repeat(10_000)}`,
    "host: a b",
    "host: [::1",
    "host: a:b",
    "x: no host at all",
  ];
  test.each(hosts.map((host) => [host.slice(0, 20), host]))(
    "%j is refused, the connection closed, and nothing said of it",
    async (_, host) => {
      for (const path of ["/api/keys", "/v1/models", "/healthz"]) {
        const bytes = `GET ${path} HTTP/1.1\r\n${host}\r\nauthorization: Bearer ${setup.gateway.adminToken}\r\n\r\n`;
        const answer = await sendBytes(setup.gateway.url, Buffer.from(bytes));
        expect([path, answer?.status ?? 400]).toEqual([path, 400]);
        expect(answer?.text ?? "").not.toMatch(/\n\s+at |\.ts/);
      }
      expect(setup.gateway.log()).not.toMatch(/Invalid URL|\n\s+at .*server\.ts/);
    },
  );
});

/** Without what is each request's own. */
const alike = (text: string): string =>
  text
    .replace(/"request_id":"[^"]*"/, "")
    .replace(/\d+ (?:seconds|s)\b/g, "")
    .replace(/"(?:resetsAt|retryAfter\w*)":[^,}]*/g, "");

const statements = [
  "' OR '1'='1",
  "' OR 1=1--",
  '" OR ""="',
  "'||(select secret from keys)||'",
  "'; drop table keys; --",
  "sk-llmp-' OR '1'='1",
  "sk-llmp-aaaaaaaaaaaa-' UNION SELECT * FROM keys--",
  "1; attach database 'x' as y",
  "') OR ('a'='a",
  "%27%20OR%201=1",
  "\0",
  "sk-\0-x",
  "' OR randomblob(400000000) OR '",
  "';select+randomblob(400000000)--",
  "x' AND (WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n) SELECT count(*) FROM n)>0--",
  "llmp_pat_' OR 1=1--",
  "eyJ' OR '1.'='1",
  "*",
  "%",
  "_".repeat(4_000),
];

const counts = () =>
  setup.gateway.sql<{ n: number }>(
    "select (select count(*) from keys) + (select count(*) from v_usage) + (select count(*) from sqlite_master) as n",
  );
