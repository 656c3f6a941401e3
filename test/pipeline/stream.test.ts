import { describe, expect, test } from "bun:test";
import { GatewayError } from "llm-proxy/plugin";
import { stopCall } from "../../core/pipeline/call.ts";
import { type Bench, type BenchOptions, benches } from "./bench.ts";
import { startStream, turns } from "./stream-bench.ts";

const newBench = benches();
const mock = {
  mock: { dialects: ["openai-chat"], request: () => ({ url: "https://example.com/", headers: {}, body: "" }) },
} as const;
const bench = (options: BenchOptions = {}): Promise<Bench> => newBench({ providers: mock, ...options });

const hello = { inputTokens: 10, outputTokens: 20, costNano: 50, chargeNano: 50 };

describe("a stream to its end", () => {
  test("the client gets every byte, and who has seen the end finds the row", async () => {
    const { database, finishes, ...world } = await bench();
    const stream = await startStream({ database, finishes, ...world });
    stream.source.say("two");
    stream.source.report();
    stream.source.complete();
    stream.source.end();
    expect(await stream.rest()).toBe("data: one\n\ndata: two\n\n");
    expect(await stream.row()).toMatchObject({
      ...hello,
      status: "ok",
      source: "provider",
      httpStatus: 200,
      finishReason: "stop",
    });
    expect(finishes).toHaveLength(1);
    expect(world.watched.size).toBe(0);
    expect(world.services.open.size).toBe(0);
  });

  test("a client that reads slowly slows the provider: nothing is asked for in advance", async () => {
    const world = await bench();
    const stream = await startStream(world);
    for (let piece = 0; piece < 100; piece++) stream.source.say(`piece ${piece}`);
    await turns();
    const before = stream.source.asked.count;
    expect(before).toBeLessThanOrEqual(2);
    for (let read = 1; read <= 10; read++) {
      await stream.read();
      await turns();
      expect(stream.source.asked.count).toBeLessThanOrEqual(before + read);
    }
    await stream.stop();
  });

  test("hidden frames are passed over without an empty piece", async () => {
    const world = await bench();
    const stream = await startStream(world);
    expect(await stream.read()).toBe("data: one\n\n");
    const next = stream.read();
    stream.source.hide();
    stream.source.hide();
    stream.source.say("two");
    expect(await next).toBe("data: two\n\n");
    await stream.stop();
  });
});

describe("silence", () => {
  test("a waiting client gets a comment, as often as there is silence, and the stream goes on", async () => {
    const world = await bench();
    const stream = await startStream(world);
    expect(await stream.read()).toBe("data: one\n\n");
    const [watched] = world.watched;
    for (let silence = 0; silence < 2; silence++) {
      const next = stream.read();
      await turns();
      watched?.onSilence();
      expect(await next).toBe(": ping\n\n");
    }
    const next = stream.read();
    stream.source.say("two");
    expect(await next).toBe("data: two\n\n");
    await stream.stop();
  });

  test("of one that is whole, and whose connection was only left open, is its end", async () => {
    const world = await bench();
    const stream = await startStream(world);
    await stream.read();
    stream.source.report();
    stream.source.complete();
    const rest = stream.rest();
    await turns();
    const [watched] = world.watched;
    watched?.onSilence();
    expect(await rest).toBe("");
    expect(await stream.row()).toMatchObject({ ...hello, status: "ok", source: "provider" });
    expect(world.watched.size).toBe(0);
  });

  test("of one that came to its last event without a report of usage is its end too, and it is estimated", async () => {
    const world = await bench();
    const stream = await startStream(world, "x".repeat(400));
    await stream.read();
    stream.source.terminate();
    const rest = stream.rest();
    await turns();
    const [watched] = world.watched;
    watched?.onSilence();
    expect(await rest).toBe("");
    expect(await stream.row()).toMatchObject({ status: "ok", source: "estimated", outputTokens: 100 });
  });

  test("in an array there is no place for one", async () => {
    const world = await bench();
    const stream = await startStream(world, "one", "json-array");
    await stream.read();
    const [watched] = world.watched;
    const next = stream.read();
    await turns();
    watched?.onSilence();
    stream.source.say("two");
    expect(await next).toBe("data: two\n\n");
    await stream.stop();
  });

  test("one that is not waiting gets none: its own silence says nothing of the provider's", async () => {
    const world = await bench();
    const stream = await startStream(world);
    stream.source.say("two");
    await turns();
    const [watched] = world.watched;
    watched?.onSilence();
    expect(await stream.read()).toBe("data: one\n\n");
    expect(await stream.read()).toBe("data: two\n\n");
    await stream.stop();
  });

  test("each byte of the provider puts its silence back, but the client's only one that it gets", async () => {
    const world = await bench();
    const stream = await startStream(world);
    const [watched] = world.watched;
    const startedMs = watched?.lastMs ?? 0;
    await stream.read();
    const next = stream.read();
    world.clock.advance(10_000);
    stream.source.hide();
    await turns();
    expect(watched).toMatchObject({ lastMs: startedMs + 10_000, saidMs: startedMs });
    world.clock.advance(4_000);
    stream.source.say("two");
    await next;
    expect(watched).toMatchObject({ lastMs: startedMs + 14_000, saidMs: startedMs + 14_000 });
    await stream.stop();
  });

  test("too long a silence ends it with an error event and without [DONE], at no cost", async () => {
    const world = await bench();
    const stream = await startStream(world);
    await stream.read();
    const rest = stream.rest();
    await turns();
    const [watched] = world.watched;
    watched?.onIdle();
    expect(errorOf(await rest)).toMatchObject({ message: expect.stringContaining("sent nothing for 60000 ms") });
    expect(await stream.row()).toMatchObject({
      status: "upstream_error",
      errorKind: "upstream-timeout",
      source: "none",
      costNano: 0,
    });
    expect(world.finishes).toHaveLength(1);
  });
});

describe("an answer that breaks off", () => {
  test.each([
    ["an error", (error: Error) => ({ error })],
    ["its end, without the terminal event", () => null],
  ] as const)("by %s: an error event, no [DONE], no cost without usage", async (_, breaks) => {
    const world = await bench();
    const stream = await startStream(world);
    stream.source.say("two");
    const broken = breaks(new Error("ECONNRESET at https://user:secret@upstream"));
    if (broken) stream.source.break(broken.error);
    else stream.source.end();
    const text = await stream.rest();
    expect(text).toStartWith("data: one\n\ndata: two\n\n");
    expect(text).not.toContain("[DONE]");
    expect(text).not.toContain("secret");
    expect(errorOf(text)).toMatchObject({ code: "provider_broke_off" });
    expect(await stream.row()).toMatchObject({
      status: "upstream_error",
      errorKind: "upstream-invalid",
      source: "none",
      costNano: 0,
      httpStatus: 200,
    });
    expect(stream.call.abort.signal.aborted).toBe(true);
    expect(world.finishes).toHaveLength(1);
  });

  test("usage that came before is charged", async () => {
    const world = await bench();
    const stream = await startStream(world);
    stream.source.report();
    stream.source.break(new Error("reset"));
    await stream.rest();
    expect(await stream.row()).toMatchObject({ ...hello, status: "upstream_error", source: "provider" });
  });

  test("after usage and the terminal event only the connection is broken, not the answer", async () => {
    const world = await bench();
    const stream = await startStream(world);
    stream.source.report();
    stream.source.complete();
    stream.source.break(new Error("reset"));
    expect(await stream.rest()).toBe("data: one\n\n");
    expect(await stream.row()).toMatchObject({ ...hello, status: "ok" });
  });

  test("after the terminal event, though no usage was reported, so is only the connection", async () => {
    const world = await bench();
    const stream = await startStream(world);
    stream.source.terminate();
    stream.source.break(new Error("reset"));
    expect(await stream.rest()).toBe("data: one\n\n");
    expect(await stream.row()).toMatchObject({ status: "ok", source: "estimated" });
  });

  test("the provider's own error event is not doubled by one of ours", async () => {
    const world = await bench();
    const stream = await startStream(world);
    stream.source.say('{"error":{"message":"overloaded"}}');
    stream.source.fault("overloaded");
    stream.source.end();
    expect(await stream.rest()).toBe('data: one\n\ndata: {"error":{"message":"overloaded"}}\n\n');
    expect(await stream.row()).toMatchObject({ status: "upstream_error", costNano: 0, notes: { error: "overloaded" } });
  });

  test("a shutdown cuts it with an error event; what was delivered is charged", async () => {
    const world = await bench();
    const stream = await startStream(world, "x".repeat(400));
    await stream.read();
    const rest = stream.rest();
    await turns();
    stopCall(stream.call, new GatewayError("unavailable", "the proxy is shutting down", { retryAfterSeconds: 1 }));
    expect(errorOf(await rest)).toMatchObject({ message: "the proxy is shutting down" });
    expect(await stream.row()).toMatchObject({ status: "shutdown", source: "estimated", outputTokens: 100 });
  });
});

/** The error of the last event. */
function errorOf(text: string): unknown {
  expect(text).not.toContain("[DONE]");
  const last = text.trimEnd().split("\n\n").at(-1) ?? "";
  return JSON.parse(last.replace(/^data: /, "")).error;
}
