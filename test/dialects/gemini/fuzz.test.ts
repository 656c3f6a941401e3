import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "bun:test";
import fc from "fast-check";
import { GatewayError } from "../../../core/chat/error.ts";
import type { Json, JsonObject } from "../../../core/chat/json.ts";
import { gemini } from "../../../core/dialects/gemini/index.ts";
import { dialects } from "../../../core/dialects/index.ts";
import { bytesOf, decodeSse, meterSse } from "../../contract/dialect.ts";

/* Whatever stands at any place of a body, it is refused by its rules or taken; nothing else is thrown. */

const folder = join(import.meta.dirname, "../../fixtures/gemini");
const bodies = (ending: string): readonly JsonObject[] =>
  readdirSync(folder)
    .toSorted()
    .filter((file) => file.endsWith(ending))
    .map((file) => JSON.parse(readFileSync(join(folder, file), "utf8")));
const streams = readdirSync(folder)
  .filter((file) => file.endsWith(".sse"))
  .map((file) => readFileSync(join(folder, file), "utf8"));

const path = { model: "gemini-3-pro", stream: true };
const odd = fc.oneof(
  fc.constantFrom<Json[]>(null, "", -1, 0, 1.5, true, [], {}, "9".repeat(300), 2 ** 53, [[]], [null], { text: 1 }),
  fc.jsonValue({ maxDepth: 2 }).map((value): Json => JSON.parse(JSON.stringify(value))),
);

/** Every place of a value, as the keys that lead there. */
function placesOf(value: Json | undefined, at: readonly string[] = []): readonly (readonly string[])[] {
  if (typeof value !== "object" || value === null) return [at];
  return [at, ...Object.entries(value).flatMap(([key, member]) => placesOf(member, [...at, key]))];
}

function withOdd(value: Json | undefined, [key, ...rest]: readonly string[], replacement: Json): Json {
  if (key === undefined) return replacement;
  if (Array.isArray(value))
    return value.map((item, i) => (String(i) === key ? withOdd(item, rest, replacement) : item));
  return Object.fromEntries(
    Object.entries(value ?? {}).map(([name, member]) => [
      name,
      name === key ? withOdd(member, rest, replacement) : member,
    ]),
  );
}

const changed = (bodiesToChange: readonly JsonObject[]) =>
  fc.constantFrom(...bodiesToChange).chain((body) =>
    fc.tuple(fc.constantFrom(...placesOf(body).filter(({ length }) => length > 0)), odd).map(
      ([at, replacement]) =>
        // An object with a member replaced is one.
        withOdd(body, at, replacement) as JsonObject,
    ),
  );

/** What `run` threw, which must be of that kind; `null`: nothing. */
function refusal(kind: string, run: () => void): GatewayError | null {
  try {
    run();
    return null;
  } catch (error) {
    expect(error).toBeInstanceOf(GatewayError);
    expect(error).toMatchObject({ kind });
    return error instanceof GatewayError ? error : null;
  }
}

test("requests", () => {
  fc.assert(
    fc.property(changed(bodies(".request.json")), (body) => {
      refusal("invalid-request", () => {
        gemini.readEnvelope(body, 10_000, path);
        const request = gemini.decodeRequest(body, path);
        for (const dialect of dialects.values()) dialect.encodeRequest(request, "gemini-3-pro");
        const again = gemini.encodeRequest({ ...request, extensions: {} }, "gemini-2.5-flash").body;
        if (request.messages.length > 0) gemini.readEnvelope(again, 10_000, path);
      });
      const source = JSON.stringify(body);
      const edit = { model: "m", includeUsage: true, maxOutputTokens: 5, maxOutputTokensField: "x" };
      JSON.parse(gemini.relay.editRequest(source, edit));
      for (const codec of [gemini.operations["count-tokens"], gemini.operations.embeddings]) {
        JSON.parse(codec?.editRequest(source, edit) ?? "");
        refusal("invalid-request", () => void codec?.decodeRequest(body, path));
      }
    }),
    { numRuns: 400 },
  );
});

test("answers", () => {
  fc.assert(
    fc.property(changed(bodies(".response.json")), (body) => {
      gemini.relay.meterResponse(body);
      refusal("upstream-invalid", () => {
        const answer = gemini.decodeResponse(body);
        for (const dialect of dialects.values()) dialect.encodeResponse(answer);
      });
    }),
    { numRuns: 400 },
  );
});

test("streams", () => {
  const chunks = streams.flatMap((sse) =>
    sse.split("\r\n\r\n").flatMap((frame): readonly JsonObject[] => (frame === "" ? [] : [JSON.parse(frame.slice(6))])),
  );
  fc.assert(
    fc.property(
      fc.array(fc.oneof(fc.constantFrom(...chunks), changed(chunks)), { minLength: 1, maxLength: 6 }),
      (said) => {
        const bytes = [bytesOf(said.map((chunk) => `data: ${JSON.stringify(chunk)}\r\n\r\n`).join(""))];
        const { metered } = meterSse(gemini, bytes);
        const refused = refusal("upstream-invalid", () => {
          const { events, response } = decodeSse(gemini, bytes);
          if (events.length > 0) expect(response.usage).toEqual(metered.usage);
          const encoders = [...dialects.values()].map((dialect) => dialect.encodeStream({ includeUsage: true }));
          for (const event of events) for (const encoder of encoders) encoder.step(event);
        });
        // The collector of the tests would say so: the decoder's own events are never out of order.
        expect(refused?.message ?? "").not.toContain("out of order");
      },
    ),
    { numRuns: 400 },
  );
});
