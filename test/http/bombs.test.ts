import { afterAll, afterEach, describe, expect, test } from "bun:test";
import { brotliCompressSync, constants, gzipSync, zstdCompressSync } from "node:zlib";
import { call, chat, errorOf, type Reply } from "../support/clients.ts";
import { invariants } from "../support/invariants.ts";
import { answers, frames, newUpstreamId } from "../support/openai-answers.ts";
import { cpuUs } from "../bench/process-stat.ts";
import { usageOf } from "../support/rows.ts";
import { head, openStream, whole } from "../support/scripts.ts";
import { setUp } from "../support/setup.ts";
import { residentBytes } from "../support/stalls.ts";
import type { Script } from "../support/upstream.ts";

/** Answers that are small on the wire and large in memory, or large everywhere. */
const setup = await setUp();
const { gateway, upstream, key } = setup;
const { pid } = gateway;
afterEach(async () => {
  expect(gateway.pid).toBe(pid);
  await invariants(setup);
});
afterAll(setup.stop);

let models = 0;
interface Asked extends Reply {
  /** Resident memory at its highest, beyond what it was before, in MB. */
  readonly moreMb: number;
  readonly cpuSeconds: number;
}

async function ask(script: Script, stream: boolean): Promise<Asked> {
  const model = `bomb-${++models}`;
  upstream.on(model, script);
  const before = { bytes: residentBytes(pid), cpu: cpuUs(pid) };
  let highest = 0;
  const look = () => (highest = Math.max(highest, residentBytes(pid)));
  const timer = setInterval(look, 5);
  const reply = await call(gateway, key.key, chat(`mock/${model}`, { stream }));
  clearInterval(timer);
  look();
  return { ...reply, moreMb: (highest - before.bytes) / 1e6, cpuSeconds: (cpuUs(pid) - before.cpu) / 1e6 };
}

const size = 512 * 1024 * 1024;
const codings: Record<string, (bytes: Buffer) => Buffer> = {
  gzip: (bytes) => gzipSync(bytes, { level: 9 }),
  br: (bytes) => brotliCompressSync(bytes, { params: { [constants.BROTLI_PARAM_QUALITY]: 1 } }),
  zstd: (bytes) => zstdCompressSync(bytes),
};
const report = (what: string, { moreMb, cpuSeconds }: Asked) =>
  console.log(`${what}: ${moreMb.toFixed(0)} MB more, ${cpuSeconds.toFixed(2)} s of CPU`);

describe("half a gigabyte in half a megabyte", () => {
  const spaces = Buffer.alloc(size, " ");
  for (const [coding, compress] of Object.entries(codings)) {
    const bomb = compress(spaces);
    const forms: Record<string, { status: number; type: string; stream: boolean }> = {
      "as JSON": { status: 200, type: "application/json", stream: false },
      "as the body of an error": { status: 500, type: "application/json", stream: false },
      "as one endless line of a stream": { status: 200, type: "text/event-stream", stream: true },
    };
    for (const [form, { status, type, stream }] of Object.entries(forms))
      test(`${coding}, ${form}: refused, in bounded memory`, async () => {
        const reply = await ask(
          (exchange) => whole(exchange, status, bomb, { "content-type": type, "content-encoding": coding }),
          stream,
        );
        report(`${coding}, ${form}`, reply);
        expect([502, 503]).toContain(reply.status);
        errorOf(reply.text);
        expect(usageOf(gateway, reply.callId)).toMatchObject({ status: "upstream_error", cost_nano: 0 });
        expect(reply.moreMb).toBeLessThan(128);
      });
  }
});

describe("a stream of odd pieces", () => {
  test("a line of 100 MB ends it with an error event, after what came before", async () => {
    const reply = await ask(async (exchange) => {
      exchange.upstreamId = newUpstreamId();
      const stream = await openStream(exchange);
      await stream.send(frames(exchange.upstreamId, { text: "one two" }).slice(0, 2).join(""));
      await stream.send("data: ");
      const piece = Buffer.alloc(1024 * 1024, "x");
      for (let sent = 0; sent < 100 && !exchange.abandoned; sent++) await stream.send(piece);
      await exchange.over;
    }, true);
    report("a line of 100 MB", reply);
    expect(reply.text).toContain("one");
    expect(reply.text).not.toContain("[DONE]");
    expect(reply.text).not.toContain("xxxx");
    expect(reply.text).toContain('"error"');
    expect(usageOf(gateway, reply.callId)).toMatchObject({ status: "upstream_error" });
    expect(reply.moreMb).toBeLessThan(100);
    expect(reply.cpuSeconds).toBeLessThan(2);
  });

  test("a megabyte in chunks of one byte comes whole", async () => {
    const text = "word ".repeat(7_000);
    let sent = "";
    const reply = await ask(async (exchange) => {
      exchange.upstreamId = newUpstreamId();
      sent = frames(exchange.upstreamId, { text, promptTokens: 3, completionTokens: 5 }, true).join("");
      const stream = await openStream(exchange);
      for (let at = 0; at < sent.length; at += 4_096) {
        const bytes = sent.slice(at, at + 4_096).replace(/[^]/g, "1\r\n$&\r\n");
        await exchange.write(bytes);
      }
      await stream.end();
    }, true);
    report(`${(sent.length / 1e6).toFixed(1)} MB in chunks of one byte`, reply);
    expect(reply.cpuSeconds).toBeLessThan(2);
    expect(reply.text).toEndWith("data: [DONE]\n\n");
    expect(reply.text.match(/"content":"word "/g)).toHaveLength(7_000);
    expect(usageOf(gateway, reply.callId)).toMatchObject({ status: "ok", input_tokens: 3, output_tokens: 5 });
  });
});

describe("heads that no provider sends", () => {
  const body = '{"id":"x"}';
  const heads: Record<string, string> = {
    "a header of 1 MB": head(200, { "content-type": "application/json", "x-a": "a".repeat(1_000_000) }),
    "10,000 headers": head(200, Object.fromEntries(Array.from({ length: 10_000 }, (_, at) => [`x-${at}`, "a"]))),
    "204 with a body": `HTTP/1.1 204 No Content\r\ncontent-length: ${body.length}\r\n\r\n`,
    "two lengths": `HTTP/1.1 200 OK\r\ncontent-length: ${body.length}\r\ncontent-length: 3\r\n\r\n`,
    "a folded header": `HTTP/1.1 200 OK\r\nx-a: b\r\n c: d\r\ncontent-length: ${body.length}\r\n\r\n`,
    "a NUL in a header": `HTTP/1.1 200 OK\r\nx-a: b\0c\r\ncontent-length: ${body.length}\r\n\r\n`,
    "a bare CR in a header": `HTTP/1.1 200 OK\r\nx-a: b\rset-cookie: evil=1\r\ncontent-length: ${body.length}\r\n\r\n`,
    "HTTP/0.9": "",
    "a status of four digits": `HTTP/1.1 2000 OK\r\ncontent-length: ${body.length}\r\n\r\n`,
    "a status of no digits": `HTTP/1.1 two OK\r\ncontent-length: ${body.length}\r\n\r\n`,
    "100 and never more": "HTTP/1.1 100 Continue\r\n\r\n",
  };
  for (const [what, text] of Object.entries(heads))
    test(`${what}: 502, or nothing of it reaches the client`, async () => {
      const reply = await ask(async (exchange) => {
        await exchange.write(text + body);
        exchange.close();
      }, false);
      expect([200, 502]).toContain(reply.status);
      expect([...reply.headers.keys()].filter((name) => /^x-(?:a|\d+)$|set-cookie/.test(name))).toEqual([]);
      const row = usageOf(gateway, reply.callId);
      if (reply.status === 200) expect(row.status).toBe("ok");
      else {
        errorOf(reply.text);
        expect(row).toMatchObject({ status: "upstream_error", source: "none", cost_nano: 0 });
      }
    });

  test("afterwards a good answer is served", async () => {
    expect((await ask(answers(), false)).status).toBe(200);
  });
});
