import { describe, expect, test } from "bun:test";
import { GatewayError } from "../../core/chat/error.ts";
import { isJsonArray, isJsonObject, type Json, type JsonObject } from "../../core/chat/json.ts";
import type { Dialect } from "../../core/dialects/dialect.ts";
import { dialects } from "../../core/dialects/index.ts";
import { translation } from "../support/translated.ts";
import { type Place, places, requests, sdkFields } from "./sdk-fields.ts";

/** Whatever the vendors' SDKs can ask for reaches a target of another protocol, or is named in the warnings. */

const models = {
  "openai-chat": "gpt-5",
  "openai-responses": "gpt-5",
  "anthropic-messages": "claude-sonnet-4-5",
  gemini: "gemini-2.5-flash",
};

for (const client of dialects.values()) {
  describe(`a client of ${client.name}`, () => {
    for (const place of places[client.name]) {
      test(`knows all fields of ${place.type[1]}`, () => {
        const told = [...Object.keys(place.fields), ...place.known];
        expect(sdkFields(place.type).filter((field) => !told.includes(field))).toEqual([]);
        expect(told.filter((field) => !sdkFields(place.type).includes(field))).toEqual([]);
      });
    }

    for (const target of [...dialects.values()].filter(({ name }) => name !== client.name)) {
      test(`asks ${target.name} for none of them in vain and without a word`, async () => {
        const plain = await asked(client, target, requests[client.name]);
        const silent: string[] = [];
        for (const { place, field, value } of places[client.name].flatMap(each)) {
          const sent = await asked(client, target, withAt(requests[client.name], [...place.at, field], value));
          if (sent === "refused" || plain === "refused") continue;
          const isCarried = JSON.stringify(sent.body) !== JSON.stringify(plain.body);
          const isNamed = sent.warnings.some((warning) => !plain.warnings.includes(warning));
          if (!isCarried && !isNamed) silent.push(`${place.type[1]}.${field}`);
        }
        expect(silent).toEqual([]);
        expect(plain).not.toBe("refused");
      });
    }
  });
}

const each = (place: Place) => Object.entries(place.fields).map(([field, value]) => ({ place, field, value }));

async function asked(client: Dialect, target: Dialect, body: JsonObject) {
  try {
    const { request, warnings } = await translation(
      client.decodeRequest(body, { model: "m", stream: false }),
      client,
      target,
    );
    const encoded = target.encodeRequest(request, models[target.name]);
    return { body: encoded.body, warnings: [...warnings, ...encoded.warnings] };
  } catch (error) {
    if (error instanceof GatewayError && error.kind === "invalid-request") return "refused";
    throw error;
  }
}

function withAt(within: JsonObject, path: Place["at"], value: Json): JsonObject {
  const [key = "", ...rest] = path;
  return { ...within, [key]: inside(within[key], rest, value) };
}

function inside(within: Json | undefined, path: Place["at"], value: Json): Json {
  const [key, ...rest] = path;
  if (key === undefined) return value;
  if (!isJsonArray(within)) return withAt(isJsonObject(within) ? within : {}, path, value);
  return within.map((item, i) => (i === key ? inside(item, rest, value) : item));
}
