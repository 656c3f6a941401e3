import { afterAll, afterEach, describe, expect, test } from "bun:test";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { dialects } from "../../core/dialects/index.ts";
import { call, chat } from "../support/clients.ts";
import { ask } from "../support/dialect-calls.ts";
import { invariants } from "../support/invariants.ts";
import { answers, chunk, frame, newUpstreamId } from "../support/openai-answers.ts";
import { gate, until } from "../support/poll.ts";
import { sendRaw } from "../support/raw.ts";
import { hang, json, sse, stalled } from "../support/scripts.ts";
import { setUp } from "../support/setup.ts";
import { spokenStream, spokenWhole } from "../support/spoken.ts";

/** Prompts and answers: kept of whom it is said, never of others, and never with what is a secret in them. */
const setup = await setUp({
  dialects: dialects.keys(),
  config: `server:
  disconnect: { drainMs: 500 }
  content:
    maxBytes: 4096
    redact: [{ name: employee, pattern: "EMP-[0-9]{6}" }]`,
});
const { gateway, upstream } = setup;
const kept = await gateway.createKey({ name: "kept", content: "on" });
afterEach(() => invariants(setup));
afterAll(() => setup.stop());

interface Side {
  readonly text: string;
  readonly bytes: number;
  readonly truncated: boolean;
  readonly redacted: Readonly<Record<string, number>>;
  readonly media: number;
}
interface Content {
  readonly callId: string;
  readonly createdAt: number;
  readonly expiresAt: number;
  readonly request: Side;
  readonly answer: Side | null;
}

/** `null`: nothing is kept of the call. */
async function contentOf(callId: string): Promise<Content | null> {
  const response = await fetch(`${gateway.url}/api/calls/${callId}/content`, {
    headers: { authorization: `Bearer ${gateway.adminToken}` },
  });
  // The shape that this API promises; a wrong one fails where it is read.
  return response.status === 404 ? null : ((await response.json()) as Content);
}
const written = (callId: string): Promise<Content> => until("the content is written", () => contentOf(callId));
const keptCalls = (): number => gateway.sql<{ n: number }>("select count(*) n from call_contents")[0]?.n ?? 0;

/** Some call that is kept has been written: what came before it, and is not there, will not come. */
async function settled(): Promise<void> {
  upstream.on("settled", answers());
  await written((await call(gateway, kept.key, chat("mock/settled"))).callId);
}

/** Looked for in every file of the process, the log included. */
function isAnywhere(text: string): boolean {
  const files = [gateway.logPath, ...readdirSync(gateway.dataDir).map((name) => join(gateway.dataDir, name))];
  return files.some((file) => readFileSync(file).includes(text));
}

describe("whose", () => {
  test("nobody's without a word", async () => {
    upstream.on("plain", answers({ text: "unkept-answer-canary" }));
    const reply = await call(gateway, setup.key.key, chat("mock/plain", { user: "unkept-prompt-canary" }));
    expect(reply.status).toBe(200);
    await settled();
    expect(await contentOf(reply.callId)).toBeNull();
    for (const canary of ["unkept-prompt-canary", "unkept-answer-canary"]) expect(isAnywhere(canary)).toBe(false);
  });

  test("of a key that says so, from its next call on, until it says otherwise", async () => {
    upstream.on("plain", answers({ text: "Fine." }));
    const key = await gateway.createKey({ name: "changing" });
    const asks = async () => (await call(gateway, key.key, chat("mock/plain"))).callId;
    const before = await asks();
    expect(await gateway.admin("PATCH", `/api/keys/${key.id}`, { content: "on" })).toMatchObject({ content: "on" });
    const during = await asks();
    expect((await written(during)).answer?.text).toContain("Fine.");
    expect(await gateway.admin("PATCH", `/api/keys/${key.id}`, { content: null })).toMatchObject({ content: null });
    const after = await asks();
    await settled();
    expect([await contentOf(before), await contentOf(after)]).toEqual([null, null]);
  });

  test("what an account says holds for all below it, the key has the last word, and forbid binds", async () => {
    upstream.on("plain", answers());
    const account = async (body: object) =>
      (await gateway.admin<{ id: string }>("POST", "/api/accounts", { name: "node", ...body })).id;
    const top = await account({ content: "on" });
    const middle = await account({ parentId: top });
    const quiet = await account({ parentId: middle, content: "off" });
    const isKept = async (accountId: string, content: "on" | "off" | null) => {
      const key = await gateway.createKey({ accountId, content });
      const { callId } = await call(gateway, key.key, chat("mock/plain"));
      await settled();
      return (await contentOf(callId)) !== null;
    };
    expect(await isKept(middle, null)).toBe(true);
    expect(await isKept(middle, "off")).toBe(false);
    expect(await isKept(quiet, null)).toBe(false);
    expect(await isKept(quiet, "on")).toBe(true);
    await gateway.admin("PATCH", `/api/accounts/${top}`, { content: "forbid" });
    for (const content of ["on", null] as const) expect(await isKept(quiet, content)).toBe(false);
  });

  test("a setting survives a restart", async () => {
    await gateway.restart();
    await settled();
  });
});

describe("what", () => {
  const secrets = {
    key: "sk-llmp-AbCdEfGh1234-AAAAbbbbCCCCddddEEEEffffGGGGhhhhIIIIjjjj",
    provider: "sk-ant-api03-canary00canary11canary22canary33",
    bearer: "bearercanary0123456789abcdef",
    jwt: "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJjYW5hcnkifQ.c2lnbmF0dXJlY2FuYXJ5",
    email: "canary.person@mail.example.com",
    card: "4111 1111 1111 1111",
    iban: "DE89 3704 0044 0532 0130 00",
    employee: "EMP-424242",
  };
  const told = `Key ${secrets.key}\n${secrets.provider}\tAuthorization: Bearer ${secrets.bearer}; ${secrets.jwt} from ${secrets.email}, card ${secrets.card}, ${secrets.iban}, ${secrets.employee}.`;
  /** A part of each that no other text has. */
  const canaries = [
    "ddddEEEE",
    "canary22",
    "bearercanary",
    "eyJzdWIiOiJjYW5hcnkifQ",
    "canary.person",
    "4111 1111",
    "0532 0130",
    "424242",
  ];
  const rules = ["bearer", "card", "email", "employee", "iban", "jwt", "key", "secret"];

  function expectRedacted(side: Side | null | undefined): void {
    expect(Object.keys(side?.redacted ?? {}).toSorted()).toEqual(rules);
    for (const canary of canaries) expect(side?.text).not.toContain(canary);
  }

  test.each([...dialects.keys()].flatMap((dialect) => [[dialect, true] as const, [dialect, false] as const]))(
    "%s, stream %p: both sides, with no secret in them, also one that is spread over many events",
    async (dialect, stream) => {
      const turn = {
        thinking: { text: `Thinking of ${secrets.email}`, signature: "c2ln" },
        text: told,
        calls: [{ id: "call_1", name: "look", args: { note: `x\n${secrets.provider}` } }],
        usage: { input: 10, output: 10 },
      };
      upstream.on("told", stream ? sse(spokenStream(dialect, turn)) : json(200, spokenWhole(dialect, turn)));
      const model = `mock-${dialect}/told`;
      const reply = await ask(gateway, kept.key, dialect, { model, stream, more: { metadata: { note: told } } });
      expect(reply.status).toBe(200);
      const { request, answer } = await written(reply.callId);
      expectRedacted(request);
      expectRedacted(answer);
      expect(request.text).toContain("Say hello.");
      expect(answer?.text).toContain("look");
      for (const canary of canaries) expect(isAnywhere(canary)).toBe(false);
    },
  );

  test("Gemini's stream as one JSON array", async () => {
    upstream.on(
      "array",
      sse(spokenStream("gemini", { text: "An answer in an array.", usage: { input: 1, output: 1 } })),
    );
    const reply = await call(
      gateway,
      kept.key,
      { contents: [{ role: "user", parts: [{ text: "Hi" }] }] },
      { path: "/v1beta/models/mock-gemini/array:streamGenerateContent" },
    );
    expect(JSON.parse(reply.text)).toBeArray();
    expect((await written(reply.callId)).answer?.text).toBe("An answer in an array.");
  });

  test("the text of the client, but for what is redacted", async () => {
    upstream.on("plain", answers({ text: "Fine." }));
    const body =
      '{ "model":"mock/plain", "messages":[{"role":"user","content":"caf\\u00e9 12345678901234567890 \\ud83d\\ude00"}],\n "seed": 12345678901234567890 }';
    const reply = await call(gateway, kept.key, body);
    expect((await written(reply.callId)).request).toEqual({
      text: body,
      bytes: body.length,
      truncated: false,
      redacted: {},
      media: 0,
    });
  });

  test("a long text is cut between two characters, media is named", async () => {
    upstream.on("plain", answers({ text: "ü".repeat(9_000) }));
    const png = Buffer.concat([
      Buffer.from("iVBORw0KGgoAAAANSUhEUg", "base64"),
      crypto.getRandomValues(Buffer.alloc(30_000)),
    ]);
    const content = [
      { type: "image_url", image_url: { url: `data:image/png;base64,${png.toString("base64")}` } },
      { type: "text", text: "😀".repeat(5_000) },
    ];
    const reply = await call(gateway, kept.key, chat("mock/plain", { messages: [{ role: "user", content }] }));
    const { request, answer } = await written(reply.callId);
    expect(request).toMatchObject({ truncated: true, media: 1 });
    expect(request.text).toContain(`[image/png, ${png.length.toLocaleString("en-US")} bytes, not kept]`);
    for (const side of [request, answer]) {
      expect(Buffer.byteLength(side?.text ?? "")).toBeLessThanOrEqual(4_096 + 100);
      expect(side?.text).toMatch(/[😀ü]… \[cut here, [0-9,]+ bytes in all\]$/u);
      expect(side?.text).not.toContain("\ufffd");
    }
    expect(answer?.bytes).toBe(Buffer.byteLength(reply.text));
  });

  test("an error of the provider's, as the client got it", async () => {
    upstream.on(
      "bad",
      json(
        400,
        JSON.stringify({ error: { message: `no such field, ${secrets.email}`, type: "invalid_request_error" } }),
      ),
    );
    const reply = await call(gateway, kept.key, chat("mock/bad"));
    expect(reply.status).toBe(400);
    const { answer } = await written(reply.callId);
    expect(answer?.text).toContain("no such field, [redacted: email]");
  });

  test("a stream that breaks: what came, and the error that ended it", async () => {
    upstream.on(
      "cut",
      sse(frame(chunk(newUpstreamId(), [{ index: 0, delta: { content: "Half of" }, finish_reason: null }]))),
    );
    const reply = await call(gateway, kept.key, chat("mock/cut", { stream: true }));
    const { answer } = await written(reply.callId);
    expect(answer?.text).toStartWith("[text]\nHalf of\n\n[error]\n");
    expect(answer?.text).toContain("broke off");
  });

  test("a client that leaves: only what was handed to it", async () => {
    const released = gate();
    const piece = (content: string) =>
      frame(chunk(newUpstreamId(), [{ index: 0, delta: { content }, finish_reason: null }]));
    upstream.on("left", stalled(piece("seen"), released.opened, `${piece("unseen")}data: [DONE]\n\n`));
    let callId = "";
    await sendRaw(gateway.url, {
      path: "/v1/chat/completions",
      headers: { authorization: `Bearer ${kept.key}`, "content-type": "application/json" },
      body: JSON.stringify(chat("mock/left", { stream: true })),
      leaveWhen(received) {
        callId = /x-request-id: (\S+)/i.exec(received)?.[1] ?? "";
        return received.includes("seen");
      },
    });
    released.open();
    expect((await written(callId)).answer?.text).toBe("seen");
  });

  test("a client that leaves before there is an answer", async () => {
    upstream.on("never", hang);
    const before = keptCalls();
    const controller = new AbortController();
    const asked = call(gateway, kept.key, chat("mock/never"), { signal: controller.signal }).catch(() => null);
    await until("the provider is asked", () => upstream.open > 0);
    controller.abort();
    await asked;
    await until("the content is written", () => keptCalls() > before);
    const [{ call_id: callId } = { call_id: "" }] = gateway.sql<{ call_id: string }>(
      "select call_id from call_contents order by ref desc limit 1",
    );
    expect(await contentOf(callId)).toMatchObject({ answer: null });
  });
});

describe("removal", () => {
  const asks = async (key: string): Promise<string> => {
    upstream.on("plain", answers());
    const { callId } = await call(gateway, key, chat("mock/plain"));
    await written(callId);
    return callId;
  };

  test("of one call", async () => {
    const [gone, stays] = [await asks(kept.key), await asks(kept.key)];
    expect(await gateway.admin("DELETE", `/api/calls/${gone}/content`)).toEqual({ removed: 1 });
    expect(await contentOf(gone)).toBeNull();
    expect(await contentOf(stays)).not.toBeNull();
    expect(gateway.admin("DELETE", `/api/calls/${gone}/content`)).rejects.toThrow("404");
  });

  test("is told of in the audit log when it is read, by the API and on the page, and only then", async () => {
    const callId = await asks(kept.key);
    const readings = async (id = callId) =>
      (
        await gateway.admin<{ data: { route: string; accountId: string }[] }>(
          "GET",
          `/api/audit?action=content.read&objectId=${id}`,
        )
      ).data.map(({ route, accountId }) => `${route} ${accountId}`);
    const before = (await readings()).length;
    expect(before).toBeGreaterThan(0);
    await contentOf(callId);
    const login = await fetch(`${gateway.url}/dashboard/login`, {
      method: "POST",
      redirect: "manual",
      headers: { origin: gateway.url },
      body: new URLSearchParams({ token: gateway.adminToken }),
    });
    const cookie = /^[^;]+/.exec(login.headers.get("set-cookie") ?? "")?.[0] ?? "";
    // Closed on the page of the call, they are not read.
    expect((await gateway.get(`/dashboard/calls/${callId}`, { cookie }))?.status).toBe(200);
    expect(await readings()).toHaveLength(before + 1);
    expect((await gateway.get(`/dashboard/calls/${callId}/content`, { cookie }))?.status).toBe(200);
    expect((await readings()).slice(0, -before)).toEqual([
      "GET /dashboard/calls/:id/content default",
      "GET /api/calls/:id/content default",
    ]);
    await gateway.admin("DELETE", `/api/calls/${callId}/content`);
    expect(await contentOf(callId)).toBeNull();
    expect((await gateway.get(`/dashboard/calls/${callId}/content`, { cookie }))?.status).toBe(404);
    expect(await readings()).toHaveLength(before + 2);
  });

  test("of a key, and of an account with all below it", async () => {
    const { id: above } = await gateway.admin<{ id: string }>("POST", "/api/accounts", {
      name: "above",
      content: "on",
    });
    const { id: below } = await gateway.admin<{ id: string }>("POST", "/api/accounts", {
      name: "below",
      parentId: above,
    });
    const key = await gateway.createKey({ accountId: above });
    const other = await gateway.createKey({ accountId: below });
    const [first, second] = [await asks(key.key), await asks(other.key)];
    expect(await gateway.admin("DELETE", `/api/keys/${key.id}/content`)).toEqual({ removed: 1 });
    expect([await contentOf(first), (await contentOf(second))?.callId]).toEqual([null, second]);
    await asks(key.key);
    expect(await gateway.admin("DELETE", `/api/accounts/${above}/content`)).toEqual({ removed: 2 });
    expect(await contentOf(second)).toBeNull();
    for (const path of ["/api/keys/none/content", "/api/accounts/none/content"])
      expect(gateway.admin("DELETE", path)).rejects.toThrow("404");
  });
});

test("what has ended is written when the process stops", async () => {
  upstream.on("plain", answers());
  const { callId } = await call(gateway, kept.key, chat("mock/plain"));
  await gateway.restart();
  expect(await contentOf(callId)).toMatchObject({ callId });
});

test("a key of a client reads no content, not even its own", async () => {
  upstream.on("plain", answers());
  const { callId } = await call(gateway, kept.key, chat("mock/plain"));
  await written(callId);
  const response = await fetch(`${gateway.url}/api/calls/${callId}/content`, {
    headers: { authorization: `Bearer ${kept.key}` },
  });
  expect(response.status).toBe(401);
});

test("exports hold none of it", async () => {
  upstream.on("plain", answers({ text: "exported-answer-canary" }));
  const { callId } = await call(gateway, kept.key, chat("mock/plain", { user: "exported-prompt-canary" }));
  await written(callId);
  for (const format of ["csv", "jsonl"]) {
    const response = await fetch(`${gateway.url}/api/calls/export?format=${format}`, {
      headers: { authorization: `Bearer ${gateway.adminToken}` },
    });
    expect(response.status).toBe(200);
    expect(await response.text()).not.toContain("canary");
  }
});
