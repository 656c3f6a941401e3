import { describe, expect, test } from "bun:test";
import { leaveUnsent } from "../../core/pipeline/disconnect.ts";
import { until } from "../support/poll.ts";
import { type Bench, type BenchOptions, benches } from "./bench.ts";
import { startStream, turns } from "./stream-bench.ts";

const newBench = benches();
const mock = {
  mock: { dialects: ["openai-chat"], request: () => ({ url: "https://example.com/", headers: {}, body: "" }) },
} as const;
const bench = (options: BenchOptions = {}): Promise<Bench> => newBench({ providers: mock, ...options });

describe("a client that leaves", () => {
  test("the answer is read on for its usage, and settled once", async () => {
    const world = await bench();
    const stream = await startStream(world);
    await stream.read();
    const cancelled = stream.reader.cancel();
    await turns();
    expect(world.services.drains.size).toBe(1);
    expect(world.finishes).toHaveLength(0);
    stream.source.say("nobody hears this");
    stream.source.report();
    stream.source.complete();
    stream.source.end();
    await cancelled;
    expect(await stream.row()).toMatchObject({
      inputTokens: 10,
      outputTokens: 20,
      chargeNano: 50,
      status: "client_aborted",
      source: "drained",
    });
    expect(world.finishes).toHaveLength(1);
    expect(world.services.drains.size).toBe(0);
    expect(world.watched.size).toBe(0);
  });

  test("after the last event has had all of the answer: agents hang up before the stream closes", async () => {
    const world = await bench();
    const stream = await startStream(world);
    await stream.read();
    stream.source.report();
    stream.source.complete();
    stream.source.say("the end");
    await stream.read();
    const cancelled = stream.reader.cancel();
    stream.source.end();
    await cancelled;
    expect(await stream.row()).toMatchObject({ status: "ok", source: "provider", inputTokens: 10, outputTokens: 20 });
    expect(world.finishes).toHaveLength(1);
  });

  test("after a last event that no report of usage came before, too", async () => {
    const world = await bench({ settings: { disconnectDrainMs: 0 } });
    const stream = await startStream(world, "y".repeat(36));
    await stream.read();
    stream.source.terminate();
    stream.source.say("end.");
    await stream.read();
    await stream.reader.cancel();
    expect(await stream.row()).toMatchObject({ status: "ok", source: "estimated", outputTokens: 10 });
  });

  test("with the last event still unread has not", async () => {
    const world = await bench();
    const stream = await startStream(world);
    stream.source.report();
    stream.source.complete();
    const cancelled = stream.reader.cancel();
    stream.source.end();
    await cancelled;
    expect(await stream.row()).toMatchObject({ status: "client_aborted", outputTokens: 20 });
  });

  test("without a drain the provider is cut at once, and what was delivered is charged", async () => {
    const world = await bench({ settings: { disconnectDrainMs: 0 } });
    const stream = await startStream(world, "y".repeat(40));
    await stream.read();
    await stream.reader.cancel();
    expect(stream.call.abort.signal.aborted).toBe(true);
    expect(await stream.row()).toMatchObject({ status: "client_aborted", source: "estimated", outputTokens: 10 });
  });

  test("a drain that takes too long is cut; what came meanwhile without usage is not charged", async () => {
    const world = await bench({ settings: { disconnectDrainMs: 20 } });
    const stream = await startStream(world, "z".repeat(40));
    await stream.read();
    const cancelled = stream.reader.cancel();
    stream.source.say("w".repeat(4_000));
    await until("the drain is cut", () => world.finishes.length > 0);
    await cancelled;
    expect(await stream.row()).toMatchObject({ status: "client_aborted", source: "estimated", outputTokens: 10 });
  });

  test("has left although its provider was cut before the answer that came all the same was read", async () => {
    const world = await bench();
    const stream = await startStream(world);
    leaveUnsent(stream.call);
    await stream.reader.cancel();
    expect(await stream.row()).toMatchObject({ status: "client_aborted" });
  });

  test("beyond the number of drains that may run at once the provider is cut at once", async () => {
    const world = await bench({ settings: { maxDrains: 1 } });
    const first = await startStream(world);
    const second = await startStream(world);
    const waiting = first.reader.cancel();
    await second.reader.cancel();
    expect(second.call.abort.signal.aborted).toBe(true);
    expect(first.call.abort.signal.aborted).toBe(false);
    first.source.end();
    await waiting;
    expect(world.services.drains.size).toBe(0);
  });
});

describe("a client that reads nothing", () => {
  test("counts, after as long, as one that has left: what it was given is charged, and its hold ends", async () => {
    const world = await bench({ settings: { disconnectDrainMs: 0 } });
    const stream = await startStream(world, "x".repeat(400));
    await stream.read();
    for (let piece = 0; piece < 5; piece++) stream.source.say("y".repeat(400));
    await turns();
    const [watched] = world.watched;
    expect(watched?.isHeld).toBe(true);
    watched?.onStalled();
    await until("the record", () => world.finishes.length > 0 && world.services.open.size === 0);
    const row = await stream.row();
    expect(row).toMatchObject({ status: "client_aborted", source: "estimated" });
    expect(row?.outputTokens).toBeGreaterThanOrEqual(100);
    expect(await stream.reader.read().catch(String)).toBe("Error: the client reads nothing");
    expect(world.finishes).toHaveLength(1);
  });
});
