import { expect, test } from "bun:test";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { Collector } from "../../../core/chat/collect.ts";
import { GatewayError } from "../../../core/chat/error.ts";
import type { ChatEvent } from "../../../core/chat/event.ts";
import { isJsonArray, isJsonObject, type Json, type JsonObject } from "../../../core/chat/json.ts";
import { openaiResponses } from "../../../core/dialects/openai-responses/index.ts";
import { SseSplitter } from "../../../core/dialects/sse.ts";
import { bytesOf, meterSse } from "../../contract/dialect.ts";

/** Every field in turn holds what it must not: the fault is named, and nothing else breaks. */

const folder = join(import.meta.dirname, "../../fixtures/openai-responses");
const fixtures = (ending: string) =>
  readdirSync(folder)
    .filter((file) => file.endsWith(ending))
    .map((file) => readFileSync(join(folder, file), "utf8"));

const odd: readonly Json[] = [
  null,
  "",
  "x",
  -1,
  0,
  1.5,
  2 ** 53,
  true,
  [],
  {},
  [null],
  [[]],
  ["x"],
  { type: "x" },
  "call:9:s",
];

/** The value with each of its members replaced by each odd value, and without it. */
function* mutants(value: Json, values: readonly Json[] = odd): Generator<Json> {
  if (isJsonArray(value)) {
    for (const [i, item] of value.entries()) {
      for (const other of values) yield value.with(i, other);
      for (const mutant of mutants(item, values)) yield value.with(i, mutant);
    }
  } else if (isJsonObject(value)) {
    for (const [key, member] of Object.entries(value)) {
      for (const other of values) yield { ...value, [key]: other };
      for (const mutant of mutants(member ?? null, values)) yield { ...value, [key]: mutant };
    }
  }
}

const refusals = (kind: string, run: () => void): void => {
  try {
    run();
  } catch (error) {
    if (!(error instanceof GatewayError) || error.kind !== kind) throw error;
  }
};

test("requests", () => {
  let count = 0;
  for (const text of fixtures(".request.json")) {
    for (const body of mutants(JSON.parse(text))) {
      if (!isJsonObject(body)) continue;
      refusals("invalid-request", () => {
        openaiResponses.readEnvelope(body, 1_000);
        const request = openaiResponses.decodeRequest(body);
        openaiResponses.encodeRequest(request, "t");
        openaiResponses.encodeResponse(
          { id: "", model: "", createdMs: 0, candidates: [], usage: null, extensions: {} },
          request,
        );
      });
      count++;
    }
  }
  expect(count).toBeGreaterThan(1_000);
});

test("answers", () => {
  for (const text of fixtures(".response.json")) {
    for (const body of mutants(JSON.parse(text))) {
      if (!isJsonObject(body)) continue;
      openaiResponses.relay.meterResponse(body);
      refusals("upstream-invalid", () => openaiResponses.encodeResponse(openaiResponses.decodeResponse(body)));
    }
  }
});

test("streams", () => {
  for (const sse of fixtures(".sse")) {
    const frames = new SseSplitter().push(bytesOf(sse)).flatMap(({ data }): readonly JsonObject[] => {
      const frame: unknown = data === null || data === "[DONE]" ? null : JSON.parse(data);
      return isJsonObject(frame) ? [frame] : [];
    });
    for (const [at, frame] of frames.entries()) {
      for (const mutant of mutants(frame, [null, "x", -1, {}, [null]])) {
        const mutated: readonly Json[] = frames.with(at, mutant as JsonObject);
        const text = mutated.map((each) => `data: ${JSON.stringify(each)}\n\n`).join("");
        meterSse(openaiResponses, [bytesOf(text)]);
        told(mutated);
      }
    }
  }
}, 30_000);

/** Decodes, checks the grammar of what comes of it, and encodes it again. */
function told(frames: readonly Json[]): void {
  const decoder = openaiResponses.decodeStream();
  const events: ChatEvent[] = [];
  refusals("upstream-invalid", () => {
    for (const frame of frames) events.push(...decoder.step(JSON.stringify(frame), null));
  });
  events.push(...decoder.end().events);
  const encoder = openaiResponses.encodeStream({ includeUsage: true });
  const collector = new Collector();
  for (const event of events) {
    collector.add(event);
    encoder.step(event);
  }
  if (events.length > 0) collector.response();
}
