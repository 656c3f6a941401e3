import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import OpenAI from "openai";
import type { EmbeddingsResponse } from "../../../core/chat/embeddings.ts";
import type { JsonObject } from "../../../core/chat/json.ts";
import { noUsage } from "../../../core/chat/usage.ts";
import { openaiChat } from "../../../core/dialects/openai-chat/index.ts";
import { inputBound } from "../../../core/pipeline/estimate.ts";
import { wireFaults } from "../../support/wirecheck.ts";
import { recordingsOf } from "../recordings.ts";

const codec = openaiChat.operations.embeddings;
if (codec === undefined) throw new Error("It has no embeddings.");

const usage = { usage: { ...noUsage, inputTokens: 3 }, anomalous: false };
const answer = (vectors: readonly (readonly number[])[]): EmbeddingsResponse => ({
  model: "m",
  vectors,
  usage,
  extensions: {},
});

describe("requests", () => {
  test("one text, several, token ids and lists of them are inputs", () => {
    const inputsOf = (input: JsonObject[string]) => codec.decodeRequest({ model: "m", input }).inputs;
    expect(inputsOf("a")).toEqual(["a"]);
    expect(inputsOf(["a", "b"])).toEqual(["a", "b"]);
    expect(inputsOf([1, 2])).toEqual([[1, 2]]);
    expect(inputsOf([[1, 2], [3]])).toEqual([[1, 2], [3]]);
  });

  test("decoded and encoded again means the same", () => {
    const body = { model: "m", input: ["a"], dimensions: 3, user: "u", encoding_format: "base64", x_vendor: { a: 1 } };
    expect(codec.encodeRequest(codec.decodeRequest(body), "t")).toEqual({
      body: { ...body, model: "t" },
      warnings: [],
    });
  });

  test("what another protocol asked and this one cannot say is told", () => {
    const asked = { model: "m", inputs: ["a"], dimensions: null, task: "RETRIEVAL_QUERY", user: null };
    const { body, warnings } = codec.encodeRequest({ ...asked, extensions: { gemini: { title: "T" } } }, "t");
    expect(body).toEqual({ model: "t", input: ["a"] });
    expect(warnings).toEqual([
      "openai-chat cannot say 'title'; left out",
      "openai-chat cannot say what the vectors are for; left out",
    ]);
  });

  test("the envelope bounds the output by nothing, and refuses by name", () => {
    const envelope = codec.readEnvelope({ model: "m", input: [[1, 2]] }, 100);
    expect(envelope).toMatchObject({ model: "m", stream: false, maxOutputTokens: 0, candidates: 1 });
    expect(envelope.input).toMatchObject({ textBytes: 100, unbounded: false });
    const refused: readonly [JsonObject, string][] = [
      [{ input: "a" }, "model"],
      [{ model: "m" }, "input"],
      [{ model: "m", input: [] }, "input"],
      [{ model: "m", input: {} }, "input"],
      [{ model: "m", input: ["a", 1] }, "input[1]"],
      [{ model: "m", input: [[]] }, "input[0]"],
      [{ model: "m", input: [[1.5]] }, "input[0]"],
      [{ model: "m", input: "a", dimensions: 0 }, "dimensions"],
    ];
    for (const [body, param] of refused) expect(() => codec.readEnvelope(body, 1)).toThrow(`'${param}'`);
  });

  test("the relay changes the model, and sets no cap", () => {
    const edit = { model: "t", includeUsage: true, maxOutputTokens: 5, maxOutputTokensField: "max_tokens" };
    expect(codec.editRequest('{"input":[1,2], "model":"m"}', edit)).toBe('{"input":[1,2], "model":"t"}');
  });
});

describe("answers", () => {
  const asked = (format: string) => codec.decodeRequest({ model: "m", input: "a", encoding_format: format });

  test("vectors of 32-bit floats survive both encodings exactly", () => {
    const float = fc.float({ noNaN: true, noDefaultInfinity: true });
    fc.assert(
      fc.property(fc.array(fc.array(float, { minLength: 1 }), { minLength: 1 }), (vectors) => {
        for (const format of ["float", "base64"]) {
          const body = codec.encodeResponse(answer(vectors), asked(format));
          // Through JSON, where -0 is 0.
          const again = codec.decodeResponse(JSON.parse(JSON.stringify(body)));
          expect(again.vectors.map((vector) => vector.map((value) => value + 0))).toEqual(
            vectors.map((vector) => vector.map((value) => value + 0)),
          );
        }
      }),
    );
  });

  test("the official SDK reads what it asked for, in either format", async () => {
    for (const format of ["float", "base64", undefined] as const) {
      const client = new OpenAI({
        apiKey: "key",
        maxRetries: 0,
        fetch: (_url, init) => {
          const body = codec.decodeRequest(JSON.parse(String(init?.body)));
          return Promise.resolve(
            Response.json(
              codec.encodeResponse(
                answer([
                  [0.5, -2],
                  [1, 0],
                ]),
                body,
              ),
            ),
          );
        },
      });
      const { data, usage: told } = await client.embeddings.create({
        model: "m",
        input: ["a", "b"],
        ...(format === undefined ? {} : { encoding_format: format }),
      });
      const vectors = data.map(({ embedding }) => embedding);
      // The SDK decodes base64 only where the caller did not ask for it itself.
      if (format === "base64") expect(vectors).toEqual(["AAAAPwAAAMA=", "AACAPwAAAAA="] as never);
      else
        expect(vectors).toEqual([
          [0.5, -2],
          [1, 0],
        ]);
      expect(told).toEqual({ prompt_tokens: 3, total_tokens: 3 });
    }
  });

  test("vectors come in the order of their inputs", () => {
    const data = [
      { index: 1, embedding: [2] },
      { index: 0, embedding: [1] },
    ];
    expect(codec.decodeResponse({ data }).vectors).toEqual([[1], [2]]);
  });

  test("what is no list of vectors is the provider's fault", () => {
    for (const data of [
      undefined,
      {},
      [1],
      [{}],
      [{ embedding: ["x"] }],
      [{ embedding: "AAA=" }],
      [{ embedding: "" }],
    ]) {
      expect(() => codec.decodeResponse({ data })).toThrow("not a list of vectors");
    }
  });

  test("an error inside is a fault, and no usage is none", () => {
    expect(codec.meterResponse({ error: { message: "no" } })).toMatchObject({
      complete: false,
      fault: { message: "no" },
    });
    expect(codec.meterResponse({ data: [] })).toMatchObject({ complete: true, usage: null, fault: null });
  });
});

describe("recordings", () => {
  const recordings = recordingsOf("openai-embeddings");
  /** Perplexity's base64 is of whole bytes, not of floats: relayed as it is, it cannot be told to another protocol. */
  const isInt8 = (id: string) => id.includes("pplx");

  test("every request and answer, decoded and encoded again, means the same and is metered exactly", async () => {
    for (const { id, status, request, body } of recordings) {
      if (status !== 200 || request === null || body === null) continue;
      const asked = codec.decodeRequest(request);
      const again = codec.encodeRequest(asked, asked.model);
      const input = typeof request["input"] === "string" ? [request["input"]] : request["input"];
      expect({ id, ...again }).toEqual({ id, body: { ...request, input }, warnings: [] });

      const told = Object(body["usage"]);
      const inputTokens = told.prompt_tokens ?? told.total_tokens;
      expect(codec.meterResponse(body).usage?.usage).toMatchObject({ inputTokens, outputTokens: 0 });
      const bound = inputBound(codec.readEnvelope(request, JSON.stringify(request).length).input, null);
      expect({ id, bounded: inputTokens <= bound }).toEqual({ id, bounded: true });
      if (isInt8(id)) continue;

      const written = codec.encodeResponse(codec.decodeResponse(body), asked);
      expect({ id, data: written["data"] }).toEqual({ id, data: body["data"] });
      if (request["encoding_format"] === "base64") continue; // The schema knows numbers only.
      expect({ id, faults: await wireFaults("openai-embeddings/response", written) }).toEqual({ id, faults: [] });
    }
  });
});
