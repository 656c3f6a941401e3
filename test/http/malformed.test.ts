import { afterAll, afterEach, describe, expect, test } from "bun:test";
import { gzipSync } from "node:zlib";
import { call, chat, errorOf } from "../support/clients.ts";
import { invariants } from "../support/invariants.ts";
import { answers } from "../support/openai-answers.ts";
import { setUp } from "../support/setup.ts";

/** Requests that are no requests: each gets its status in the protocol's shape, and none reaches the upstream. */
const setup = await setUp({ config: "server: { maxBodyBytes: 4000000 }" });
setup.upstream.on("ok", answers());
afterEach(() => invariants(setup));
afterAll(() => setup.stop());

const valid = JSON.stringify(chat("mock/ok"));

interface Malformed {
  readonly what: string;
  readonly body: string | Uint8Array;
  readonly headers?: Readonly<Record<string, string>>;
  readonly status: readonly number[];
}

async function expectRefused({ body, headers = {}, status }: Malformed): Promise<ReturnType<typeof errorOf>> {
  const before = setup.upstream.log.length;
  const reply = await call(setup.gateway, setup.key.key, body, { headers });
  expect(status).toContain(reply.status);
  expect(reply.headers.get("content-type")).toContain("application/json");
  const error = errorOf(reply.text);
  expect(error.message.length).toBeGreaterThan(0);
  expect(error.request_id).toBe(reply.callId);
  expect(reply.callId).not.toBe("");
  expect(setup.upstream.log.length).toBe(before);
  return error;
}

describe("a body that is not JSON", () => {
  const bodies: Malformed[] = [
    { what: "empty", body: "", status: [400] },
    { what: "an open brace", body: "{", status: [400] },
    { what: "a trailing comma", body: valid.replace(/}$/, ",}"), status: [400] },
    { what: "a byte order mark first", body: `\uFEFF${valid}`, status: [400] },
    { what: "a NUL first", body: `\0${valid}`, status: [400] },
    { what: "a NUL after it", body: `${valid}\0`, status: [400] },
    { what: "two values", body: `${valid}${valid}`, status: [400] },
    { what: "UTF-16", body: Buffer.from(valid, "utf16le"), status: [400] },
    {
      what: "bytes that are no UTF-8",
      body: Buffer.concat([Buffer.from(valid.slice(0, -3)), Buffer.from([0xff, 0xfe]), Buffer.from(valid.slice(-3))]),
      status: [400],
    },
    { what: "a raw line break in a string", body: valid.replace("Say hello.", "Say\nhello."), status: [400] },
    { what: "NaN", body: valid.replace(/}$/, ',"temperature":NaN}'), status: [400] },
    { what: "single quotes", body: valid.replaceAll('"', "'"), status: [400] },
    { what: "gzip", body: gzipSync(valid), headers: { "content-encoding": "gzip" }, status: [400, 415] },
    { what: "gzip without saying so", body: gzipSync(valid), status: [400] },
    ...["null", "true", "1", '"text"', "[]", `[${valid}]`].map((body) => ({
      what: `not an object: ${body.slice(0, 8)}`,
      body,
      status: [400],
    })),
    { what: "an empty object", body: "{}", status: [400] },
  ];
  for (const each of bodies) test(each.what, () => expectRefused(each));
});

describe("a content type that is not JSON", () => {
  const types = [
    "text/plain",
    "application/x-www-form-urlencoded",
    "multipart/form-data; boundary=x",
    "application/json; charset=utf-16",
    "application/jsonp",
    "*/*",
    "",
  ];
  for (const type of types) {
    test(type || "an empty one", () =>
      expectRefused({ what: type, body: valid, headers: { "content-type": type }, status: [400, 415] }),
    );
  }
  for (const type of [
    "application/json",
    "application/json; charset=utf-8",
    "application/json;charset=UTF-8",
    "APPLICATION/JSON",
  ]) {
    test(`${type} is taken`, async () => {
      expect((await call(setup.gateway, setup.key.key, valid, { headers: { "content-type": type } })).status).toBe(200);
    });
  }
});

describe("a field of a wrong type names the field and repeats nothing of the prompt", () => {
  const canary = `prompt-canary-${crypto.randomUUID()}`;
  const cases: readonly (readonly [field: string, change: Record<string, unknown>])[] = [
    ["model", { model: undefined }],
    ["model", { model: null }],
    ["model", { model: { text: canary } }],
    ["model", { model: "" }],
    ["messages", { messages: undefined }],
    ["messages", { messages: canary }],
    ["messages", { messages: [] }],
    ["messages", { messages: [canary] }],
    ["stream", { stream: canary }],
    ["stream", { stream: 1 }],
    ["n", { n: 0 }],
    ["n", { n: -1 }],
    ["n", { n: 1.5 }],
    ["n", { n: canary }],
    ...["max_tokens", "max_completion_tokens"].flatMap((field) =>
      [-1, 0, 1.5, "100", canary, [], {}, true].map((value) => [field, { [field]: value }] as const),
    ),
  ];
  for (const [field, change] of cases) {
    test(`${field}: ${JSON.stringify(change[field])?.replace(canary, "…")}`, async () => {
      setup.gateway.secrets.add(canary);
      const error = await expectRefused({
        what: field,
        body: JSON.stringify({ ...chat("mock/ok"), messages: [{ role: "user", content: canary }], ...change }),
        status: [400],
      });
      expect(JSON.stringify(error)).not.toContain(canary);
      expect(error.param ?? "").toStartWith(field);
    });
  }
});

describe("too deep", () => {
  for (const depth of [1_000, 10_000, 100_000, 1_000_000]) {
    for (const field of ["messages", "metadata", "tools", "x_vendor"]) {
      test(`${depth} levels in ${field}`, async () => {
        const body = valid.replace(/}$/, `,${JSON.stringify(field)}:${"[".repeat(depth)}${"]".repeat(depth)}}`);
        const started = performance.now();
        const error = await expectRefused({ what: field, body, status: [400] });
        // Generous for a busy machine; without a check before the parse, a million levels cost many seconds.
        expect(performance.now() - started).toBeLessThan(1_000);
        expect(error.message).toMatch(/deep|nest|level/i);
      });
    }
  }
  test("100 levels are fine", async () => {
    const body = valid.replace(/}$/, `,"x_vendor":${"[".repeat(100)}${"]".repeat(100)}}`);
    expect((await call(setup.gateway, setup.key.key, body)).status).toBe(200);
  });
});

describe("too large", () => {
  test("a body above the limit is 413 in the protocol's shape", () =>
    expectRefused({ what: "large", body: valid.replace("Say hello.", "x".repeat(4_000_001)), status: [413] }).then(
      () => {},
    ));
  test("a body just below it passes", async () => {
    const body = valid.replace("Say hello.", "x".repeat(3_999_000));
    expect((await call(setup.gateway, setup.key.key, body)).status).toBe(200);
  });
});

describe("very many", () => {
  const many = <T>(count: number, make: (index: number) => T): T[] =>
    Array.from({ length: count }, (_, index) => make(index));
  const bodies: readonly (readonly [string, Record<string, unknown>])[] = [
    ["50,000 messages", { messages: many(50_000, () => ({ role: "user", content: "x" })) }],
    [
      "10,000 tools",
      { tools: many(10_000, (index) => ({ type: "function", function: { name: `f${index}`, parameters: {} } })) },
    ],
    [
      "a tool name of 1 MB",
      { tools: [{ type: "function", function: { name: "x".repeat(1_000_000), parameters: {} } }] },
    ],
    ["100,000 metadata keys", { metadata: Object.fromEntries(many(100_000, (index) => [`k${index}`, "v"])) }],
    ["100,000 stops", { stop: many(100_000, (index) => `s${index}`) }],
    ["100,000 biases", { logit_bias: Object.fromEntries(many(100_000, (index) => [String(index), 1])) }],
  ];
  for (const [what, change] of bodies) {
    test(`${what}: passed on whole or refused, quickly`, async () => {
      const sent = JSON.stringify(chat("mock/ok", change));
      const started = performance.now();
      const reply = await call(setup.gateway, setup.key.key, sent);
      expect(performance.now() - started).toBeLessThan(2_000);
      if (reply.status === 200)
        expect(setup.upstream.log.at(-1)?.request.body.toString()).toBe(sent.replace("mock/ok", "ok"));
      else {
        expect([400, 413]).toContain(reply.status);
        errorOf(reply.text);
      }
    });
  }
});
