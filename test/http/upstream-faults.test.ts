import { afterAll, afterEach, describe, expect, test } from "bun:test";
import { once } from "node:events";
import { createServer } from "node:net";
import { call, chat, errorOf, type Reply } from "../support/clients.ts";
import { invariants } from "../support/invariants.ts";
import { completion, frames, newUpstreamId } from "../support/openai-answers.ts";
import { freePort } from "../support/process.ts";
import { usageOf } from "../support/rows.ts";
import { hang, head, json, reset, whole } from "../support/scripts.ts";
import { setUp } from "../support/setup.ts";
import type { Exchange, Script } from "../support/upstream.ts";

const firstByteMs = 600;
const idleMs = 500;
const dead = await freePort();
const setup = await setUp({
  providers: `  dead: { use: openai-compatible, baseUrl: "http://127.0.0.1:${dead}/v1" }`,
  config: `  - { target: dead/*, input: 1, output: 2 }\nserver: { attempts: { backoffMs: 5 }, timeouts: { firstByteMs: ${firstByteMs}, idleMs: ${idleMs} } }`,
});
afterEach(() => invariants(setup));
afterAll(() => setup.stop());

let models = 0;
async function ask(
  script: Script,
  more: Readonly<Record<string, unknown>> = {},
): Promise<Reply & { exchange: Exchange | undefined; tookMs: number }> {
  const model = `fault-${++models}`;
  setup.upstream.on(model, script);
  const started = performance.now();
  const reply = await call(setup.gateway, setup.key.key, chat(`mock/${model}`, more));
  return { ...reply, exchange: setup.upstream.requestsFor(model)[0], tookMs: performance.now() - started };
}

const failedFree = { status: "upstream_error", source: "none", cost_nano: 0, charge_nano: 0 };
const stream = { stream: true };

describe("before the first byte", () => {
  for (const more of [{}, stream]) {
    const form = "stream" in more ? "stream" : "unary";

    test(`${form}: nobody listens: 502`, async () => {
      const reply = await call(setup.gateway, setup.key.key, chat("dead/x", more));
      expect(reply.status).toBe(502);
      expect(errorOf(reply.text).message).not.toMatch(/127\.0\.0\.1|http|ECONN/);
      expect(usageOf(setup.gateway, reply.callId)).toMatchObject({ ...failedFree, provider: "dead" });
    });

    test(`${form}: reset: 502, and no second try of a request that was sent`, async () => {
      const reply = await ask(reset, more);
      expect(reply.status).toBe(502);
      errorOf(reply.text);
      expect(usageOf(setup.gateway, reply.callId)).toMatchObject(failedFree);
    });

    test(`${form}: silence: 504 at the configured time, and the upstream is let go`, async () => {
      const reply = await ask(hang, more);
      expect(reply.status).toBe(504);
      errorOf(reply.text);
      expect(reply.tookMs).toBeGreaterThan(firstByteMs * 0.9);
      expect(reply.tookMs).toBeLessThan(firstByteMs * 2 + 500);
      await reply.exchange?.over;
      expect(reply.exchange?.abandoned).toBe(true);
      expect(usageOf(setup.gateway, reply.callId)).toMatchObject(failedFree);
    });
  }

  const odd: Record<string, Script> = {
    "HTML with 200": (exchange) => whole(exchange, 200, "<html>busy</html>", { "content-type": "text/html" }),
    "an empty 200": (exchange) => whole(exchange, 200, "", { "content-type": "application/json" }),
    "half a JSON": (exchange) => whole(exchange, 200, '{"id":"x","choices":[', { "content-type": "application/json" }),
    "JSON that is no object": json(200, "[]"),
    "202 with what may be an answer": json(202, completion("x")),
    "206 with what may be an answer": json(206, completion("x")),
    "204": (exchange) => write(exchange, head(204, {})),
    "304": (exchange) => write(exchange, head(304, {})),
    "status 999": json(999, { error: { message: "x" } }),
    "a short body": async (exchange) => {
      await exchange.write(`${head(200, { "content-type": "application/json", "content-length": "500" })}{"id":`);
      exchange.close();
    },
    "a reset inside the body": async (exchange) => {
      await exchange.write(`${head(200, { "content-type": "application/json", "content-length": "500" })}{"id":`);
      exchange.reset();
    },
    "no HTTP at all": async (exchange) => {
      await exchange.write("SSH-2.0-OpenSSH_9.2\r\n\r\n");
      exchange.close();
    },
    "a head and then nothing": async (exchange) => {
      await exchange.write(head(200, { "content-type": "application/json", "content-length": "500" }));
      await exchange.over;
    },
    "an error whose body never comes": async (exchange) => {
      await exchange.write(head(501, { "content-type": "application/json", "content-length": "500" }));
      await exchange.over;
    },
    "an error whose body never ends": async (exchange) => {
      await exchange.write(head(501, { "content-type": "application/json", "transfer-encoding": "chunked" }));
      for (let at = 0; at < 1_000 && !exchange.abandoned; at++)
        await exchange.write(`10000\r\n${"x".repeat(65_536)}\r\n`);
    },
    "500": json(500, { error: { message: "boom at /srv/app.py", type: "server_error" } }),
    "503 in HTML": (exchange) => whole(exchange, 503, "<html>nginx</html>", { "content-type": "text/html" }),
    "529": json(529, { error: { message: "overloaded" } }),
  };
  for (const [what, script] of Object.entries(odd))
    // What is asked again takes its time, and is the same to both.
    for (const more of what.startsWith("5") ? [{}] : [{}, stream])
      test(`${what}${"stream" in more ? ", to a stream," : ""} is 502, 503 or 504 in the protocol's shape`, async () => {
        const reply = await ask(script, more);
        expect([502, 503, 504]).toContain(reply.status);
        if (what === "a head and then nothing") {
          expect(reply.status).toBe(504);
          expect(reply.tookMs).toBeWithin(firstByteMs * 0.9, firstByteMs * 2 + 500);
        }
        if (what === "an error whose body never ends") {
          await reply.exchange?.over;
          expect(reply.exchange?.abandoned).toBe(true);
        }
        expect(reply.text).not.toMatch(/html|nginx|app\.py/);
        errorOf(reply.text);
        expect(usageOf(setup.gateway, reply.callId)).toMatchObject(failedFree);
      });

  test("a redirect is not followed, and its target sees nothing", async () => {
    let connections = 0;
    const canary = createServer((socket) => {
      connections++;
      socket.destroy();
    });
    const port = await freePort();
    canary.listen(port, "127.0.0.1");
    await once(canary, "listening");
    for (const status of [301, 302, 303, 307, 308]) {
      const reply = await ask((exchange) =>
        whole(exchange, status, "", { location: `http://127.0.0.1:${port}/steal` }),
      );
      expect(reply.status).toBe(502);
      expect(reply.text).not.toContain("steal");
    }
    canary.close();
    await once(canary, "close");
    expect(connections).toBe(0);
  });
});

const write = async (exchange: Exchange, bytes: string): Promise<void> => {
  await exchange.write(bytes);
  exchange.finish();
};

describe("what the provider refuses", () => {
  for (const status of [400, 404, 409, 413, 422, 429]) {
    test(`${status} keeps status, type, code, message and param`, async () => {
      const vendor = { message: `Vendor says ${status}.`, type: "vendor_type", code: "vendor_code", param: "messages" };
      const reply = await ask(json(status, { error: vendor }, status === 429 ? { "retry-after": "7" } : {}));
      expect(reply.status).toBe(status);
      expect(errorOf(reply.text)).toMatchObject(vendor);
      if (status === 429) expect(reply.headers.get("retry-after")).toMatch(/^[1-9]\d{0,4}$/);
      expect(usageOf(setup.gateway, reply.callId)).toMatchObject(failedFree);
    });
  }
  for (const status of [401, 403]) {
    test(`${status} is 502: our key is bad, not the client's`, async () => {
      const reply = await ask(
        json(status, {
          error: {
            message: "Incorrect API key provided: sk-abc",
            type: "invalid_request_error",
            code: "invalid_api_key",
          },
        }),
      );
      expect(reply.status).toBe(502);
      expect(errorOf(reply.text).message).not.toContain("sk-abc");
    });
  }
  for (const value of ["1e9", "-1", "x", "99999999999", "Wed, 21 Oct 2099 07:28:00 GMT", "0"]) {
    test(`a Retry-After of ${value} is passed on as a sane integer or not at all`, async () => {
      const reply = await ask(json(429, { error: { message: "slow down" } }, { "retry-after": value }));
      expect(reply.headers.get("retry-after") ?? "1").toMatch(/^[1-9]\d{0,5}$/);
    });
  }
});

describe("what comes with an answer", () => {
  test.each([201, 203])(
    "status %d, which says no more than 200: the client gets 200, and nobody else is asked",
    async (status) => {
      const usage = { promptTokens: 9, completionTokens: 4 };
      const used = { status: "ok", source: "provider", input_tokens: 9, output_tokens: 4 };
      const told = { text: "one two", ...usage };
      for (const more of [{}, stream]) {
        const reply = await ask((exchange) => {
          const id = (exchange.upstreamId = newUpstreamId());
          return "stream" in more
            ? whole(exchange, status, frames(id, told, true).join(""), { "content-type": "text/event-stream" })
            : json(status, completion(id, told))(exchange);
        }, more);
        expect([reply.status, reply.headers.get("x-llm-proxy-attempts")]).toEqual([200, "1"]);
        expect(reply.text).toContain("one");
        expect(usageOf(setup.gateway, reply.callId)).toMatchObject(used);
      }
    },
  );

  test("headers of the upstream's own hops and cookies stay there", async () => {
    const own = {
      "set-cookie": "a=b",
      server: "nginx",
      "alt-svc": "h3",
      "strict-transport-security": "max-age=1",
      "access-control-allow-origin": "*",
      "clear-site-data": '"*"',
    };
    const reply = await ask(json(200, completion(newUpstreamId()), own));
    expect(reply.status).toBe(200);
    for (const name of Object.keys(own)) expect(reply.headers.get(name)).not.toBe(own[name as keyof typeof own]);
  });

  test("a compressed answer comes through readable and is metered", async () => {
    const body = Buffer.from(
      Bun.gzipSync(Buffer.from(JSON.stringify(completion("gz", { promptTokens: 9, completionTokens: 4 })))),
    );
    const reply = await ask((exchange) =>
      whole(exchange, 200, body, { "content-type": "application/json", "content-encoding": "gzip" }),
    );
    expect(JSON.parse(reply.text)).toMatchObject({ id: "gz" });
    expect(usageOf(setup.gateway, reply.callId)).toMatchObject({ status: "ok", input_tokens: 9, output_tokens: 4 });
  });
});
