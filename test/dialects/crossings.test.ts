import { afterAll, describe, expect, test } from "bun:test";
import { isDeepStrictEqual } from "node:util";
import type { JsonObject } from "../../core/chat/json.ts";
import type { ChatRequest, ToolCallPart } from "../../core/chat/request.ts";
import type { ChatResponse } from "../../core/chat/response.ts";
import type { Dialect } from "../../core/dialects/dialect.ts";
import { dialects } from "../../core/dialects/index.ts";
import { bytesOf, decodeSse } from "../contract/dialect.ts";
import { SdkReader, type Summary } from "../support/sdk-summaries.ts";
import { answerExceptions } from "./crossing-exceptions.ts";
import { type Recording, recordingsOf } from "./recordings.ts";

/**
 * Every recorded answer of every dialect, told in each dialect: the official SDK of the client's dialect reads it without
 * an error, and sees the text, reasoning, calls, end and usage that the provider's answer had.
 */
const reader = await SdkReader.start();
afterAll(() => reader.stop());

for (const source of dialects.values()) {
  const answered = recordingsOf(source.name).filter(
    ({ status, body, sse }) => status === 200 && (body ?? sse) !== null,
  );
  describe.if(answered.length > 0)(`answers of ${source.name}`, () => {
    // To a client of the same dialect the bytes are relayed.
    for (const client of [...dialects.values()].filter(({ name }) => name !== source.name)) {
      for (const isStream of [false, true]) {
        const some = answered.filter(({ stream, sse }) => stream === isStream && (sse !== null) === isStream);
        test.if(some.length > 0)(
          `${isStream ? "streams" : "whole"}, to clients of ${client.name}: ${some.length}`,
          async () => {
            const wrong: string[] = [];
            const excused = answerExceptions.filter(
              ({ source: from, clients = [client.name] }) => from === source.name && clients.includes(client.name),
            );
            const needed = new Set<string>();
            for (const recording of some) {
              const fault = await faultOf(recording, source, client);
              if (fault === null) continue;
              if (excused.some(({ id }) => id === recording.id)) needed.add(recording.id);
              else wrong.push(`${recording.id}: ${fault}`);
            }
            expect(wrong).toEqual([]);
            // An exception that nothing needs any more must go.
            const known = excused.filter(({ id }) => some.some((recording) => recording.id === id));
            expect(known.map(({ id }) => id).filter((id) => !needed.has(id))).toEqual([]);
          },
          60_000,
        );
      }
    }
  });
}

async function faultOf(recording: Recording, source: Dialect, client: Dialect): Promise<string | null> {
  try {
    const asked = askedOf(recording, source);
    const { told, response } = tell(recording, source, client, asked);
    const seen = await reader.read(client.name, told, recording.sse !== null);
    return difference(summaryOf(response, client), seen);
  } catch (error) {
    return String(error).slice(0, 300);
  }
}

/** The answer in the client's dialect, and what it should say. */
function tell(recording: Recording, source: Dialect, client: Dialect, asked: ChatRequest | null) {
  const options = asked === null ? {} : { asked };
  if (recording.sse === null) {
    const response = source.decodeResponse(recording.body ?? {});
    return { told: JSON.stringify(client.encodeResponse(response, asked ?? undefined)), response };
  }
  const { events, response } = decodeSse(source, [bytesOf(`${recording.sse}\n\n`)]);
  const encoder = client.encodeStream({ includeUsage: true, ...options });
  return { told: events.map((event) => encoder.step(event)).join(""), response };
}

function askedOf({ request, stream }: Recording, source: Dialect): ChatRequest | null {
  if (request === null) return null;
  // Azure names the model in the path.
  const body: JsonObject = typeof request["model"] === "string" ? request : { ...request, model: "m" };
  return source.decodeRequest(body, { model: "m", stream });
}

function summaryOf({ candidates, usage }: ChatResponse, client: Dialect): Summary {
  const { parts, finish } = candidates[0] ?? { parts: [], finish: { reason: "other" as const } };
  const joined = (types: readonly string[]) =>
    parts.flatMap((part) => (types.includes(part.type) && "text" in part ? [part.text] : [])).join("");
  return {
    text: joined(["text", "refusal"]),
    reasoning: joined(["reasoning"]),
    calls: parts.flatMap((part) =>
      part.type !== "tool-call" ? [] : [{ name: part.name, input: inputOf(part, client) }],
    ),
    finish: finish.reason === "other" || finish.reason === "error" ? null : finish.reason,
    usage: usage === null ? null : { input: usage.usage.inputTokens, output: usage.usage.outputTokens },
  };
}

/** A custom tool is a function of one text where the client's dialect has none. */
const inputOf = ({ input, custom }: ToolCallPart, { traits }: Dialect): unknown => {
  if (custom) return traits.customTools ? input : { input };
  return JSON.parse(input || "{}");
};

function difference(should: Summary, seen: Summary): string | null {
  const fields = ["text", "reasoning", "calls", "finish", "usage"] as const;
  const wrong = fields.filter((field) => {
    // A reason that only its vendor has a word for may become any word, and no usage may be told as zero.
    if ((field === "finish" || field === "usage") && should[field] === null) return false;
    return !isDeepStrictEqual(should[field], seen[field]);
  });
  if (wrong.length === 0) return null;
  const shown = (summary: Summary) => JSON.stringify(wrong.map((field) => summary[field])).slice(0, 200);
  return `${wrong.join(", ")}: should be ${shown(should)}, is ${shown(seen)}`;
}
