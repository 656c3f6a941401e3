import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "bun:test";
import fc from "fast-check";
import { Collector } from "../../../core/chat/collect.ts";
import { GatewayError } from "../../../core/chat/error.ts";
import type { Json, JsonObject } from "../../../core/chat/json.ts";
import { anthropicMessages } from "../../../core/dialects/anthropic-messages/index.ts";
import { dialects } from "../../../core/dialects/index.ts";
import { eventsIn } from "./wire-events.ts";

/*
 * Bodies and streams of which one value, anywhere, is of another type: they are refused with the one error that may be
 * thrown, or understood; nothing else is ever thrown.
 */

const folder = join(import.meta.dirname, "../../fixtures/anthropic-messages");
const fixtures = (ending: string) =>
  readdirSync(folder)
    .filter((file) => file.endsWith(ending))
    .map((file) => readFileSync(join(folder, file), "utf8"));
const parsed = (text: string): JsonObject => JSON.parse(text);

const odd: fc.Arbitrary<Json> = fc.oneof(
  fc.constantFrom<Json>(null, "", -1, 0, 1.5, 1e308, true, [], {}, "9".repeat(100), 2 ** 53 + 1, [null], [[]], {
    type: 1,
  }),
  // JSON only, so that the values are what a parse returns.
  fc.jsonValue({ maxDepth: 2 }) as fc.Arbitrary<Json>,
);
const choice = fc.nat();

test("requests", () => {
  const bodies = fixtures(".request.json").map(parsed);
  fc.assert(
    fc.property(fc.constantFrom(...bodies), choice, odd, (body, at, value) => {
      const changed = object(replaced(body, at, value));
      const request = onlyKind("invalid-request", () => {
        anthropicMessages.readEnvelope(changed, 1_000);
        return anthropicMessages.decodeRequest(changed);
      });
      if (request === null) return;
      for (const dialect of dialects.values()) dialect.encodeRequest(request, "claude-opus-4-8");
    }),
    { numRuns: 1_000 },
  );
});

test("answers", () => {
  const bodies = fixtures(".response.json").map(parsed);
  fc.assert(
    fc.property(fc.constantFrom(...bodies), choice, odd, (body, at, value) => {
      const changed = object(replaced(body, at, value));
      anthropicMessages.relay.meterResponse(changed);
      const response = onlyKind("upstream-invalid", () => anthropicMessages.decodeResponse(changed));
      if (response !== null) for (const dialect of dialects.values()) dialect.encodeResponse(response);
    }),
    { numRuns: 1_000 },
  );
});

test("streams", () => {
  const streams = fixtures(".sse").map(eventsIn);
  fc.assert(
    fc.property(fc.constantFrom(...streams), choice, choice, odd, (events, which, at, value) => {
      const position = which % events.length;
      const changed = events.with(position, object(replaced(events[position] ?? {}, at, value)));
      onlyKind("upstream-invalid", () => {
        const decoder = anthropicMessages.decodeStream();
        const collector = new Collector();
        for (const event of changed) for (const said of decoder.step(JSON.stringify(event), null)) collector.add(said);
        const { events: last } = decoder.end();
        for (const said of last) collector.add(said);
        // A message that never began has no answer.
        if (last.length > 0) anthropicMessages.encodeResponse(collector.response());
      });
    }),
    { numRuns: 1_000 },
  );
});

test("names that mean something to JavaScript stay names", () => {
  const body = parsed(
    '{"model":"m","max_tokens":1,"messages":[{"role":"user","content":"a"}],"__proto__":{"x":1},"constructor":2}',
  );
  const { body: again } = anthropicMessages.encodeRequest(anthropicMessages.decodeRequest(body), "m");
  expect(JSON.parse(JSON.stringify(again))).toEqual(body);
  expect(Object.getPrototypeOf({})).not.toHaveProperty("x");
});

/** `value` in the place of the `at`-th value within `json`, counted over and over. */
function replaced(json: Json, at: number, value: Json): Json {
  let left = at % sizeOf(json);
  const visit = (here: Json): Json => {
    if (left-- === 0) return value;
    if (Array.isArray(here)) return here.map(visit);
    if (typeof here !== "object" || here === null) return here;
    return Object.fromEntries(Object.entries(here).map(([key, member]) => [key, visit(member ?? null)]));
  };
  return visit(json);
}

function sizeOf(json: Json): number {
  if (typeof json !== "object" || json === null) return 1;
  return Object.values(json).reduce<number>((sum, member) => sum + sizeOf(member ?? null), 1);
}

/** `null`: refused, in the one way that is allowed. */
function onlyKind<Result>(kind: string, run: () => Result): Result | null {
  try {
    return run();
  } catch (error) {
    if (error instanceof GatewayError && error.kind === kind) return null;
    throw error;
  }
}

const object = (value: Json): JsonObject =>
  typeof value === "object" && value !== null && !Array.isArray(value) ? (value as JsonObject) : {};
