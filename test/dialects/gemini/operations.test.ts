import { afterAll, describe, expect, test } from "bun:test";
import type { EmbeddingsRequest } from "../../../core/chat/embeddings.ts";
import type { JsonObject } from "../../../core/chat/json.ts";
import { gemini } from "../../../core/dialects/gemini/index.ts";
import { bytesOf } from "../../contract/dialect.ts";
import { wireFaults } from "../../support/wirecheck.ts";
import { recordingsOf } from "../recordings.ts";
import { normalRequest } from "./normal-form.ts";
import { object } from "./oracle.ts";

const { embeddings, "count-tokens": counting } = gemini.operations;
if (embeddings === undefined || counting === undefined) throw new Error("Gemini has both operations.");

const path = { model: "gemini-3-pro", stream: false };
const edit = { model: "x/y", includeUsage: true, maxOutputTokens: 9, maxOutputTokensField: "max_tokens" };

describe("countTokens", () => {
  const contents = [{ role: "user", parts: [{ text: "hi" }] }];
  const whole = {
    model: "models/a",
    contents,
    systemInstruction: { parts: [{ text: "s" }] },
    tools: [{ googleSearch: {} }],
  };

  test("a request within and one as it is come back as they were", () => {
    for (const body of [{ contents }, { ...whole, model: undefined }, { generateContentRequest: whole }]) {
      const decoded = counting.decodeRequest(body, path);
      expect(decoded.model).toBe("gemini-3-pro");
      const { body: again, warnings } = counting.encodeRequest(decoded, "a");
      expect(warnings).toEqual([]);
      expect(normalForm(again)).toEqual(normalForm(body));
    }
    const snake = counting.decodeRequest({ generate_content_request: whole }, path);
    expect(snake.tools).toHaveLength(1);
  });

  test("a request of another dialect is counted whole", () => {
    const foreign = { ...counting.decodeRequest({ contents }, path), extensions: {} };
    expect(counting.encodeRequest(foreign, "gemini-3-pro").body).toEqual({
      generateContentRequest: { model: "models/gemini-3-pro", contents },
    });
  });

  test("the envelope reads the inner request, and expects no output", () => {
    expect(counting.readEnvelope({ generateContentRequest: whole }, 500, path)).toMatchObject({
      model: "gemini-3-pro",
      maxOutputTokens: 0,
      input: { textBytes: 500, unbounded: true },
    });
    expect(() => counting.readEnvelope({}, 500, path)).toThrow("'contents'");
  });

  test("the relay makes every model agree, and changes nothing else", () => {
    const source = JSON.stringify({ generateContentRequest: whole, other: { model: "models/a" } }, null, 1);
    expect(counting.editRequest(source, edit)).toBe(source.replace('"models/a"', '"models/x/y"'));
    expect(counting.editRequest('{"contents":"hi"}', edit)).toBe('{"contents":"hi"}');
  });

  test("the count is read and told, and costs nothing", () => {
    const body = { totalTokens: 12, promptTokensDetails: [{ modality: "TEXT", tokenCount: 12 }] };
    const count = counting.decodeResponse(body);
    expect(count.inputTokens).toBe(12);
    expect(counting.encodeResponse(count, counting.decodeRequest({ contents }, path))).toEqual(body);
    expect(counting.meterResponse(body)).toMatchObject({ complete: true, usage: null });
    for (const bad of [{}, { totalTokens: -1 }, { totalTokens: "12" }])
      expect(() => counting.decodeResponse(bad)).toThrow("not a count");
    expect(counting.meterResponse({ error: { message: "no" } })).toMatchObject({
      complete: false,
      fault: { message: "no" },
    });
  });
});

describe("embedContent and batchEmbedContents", () => {
  const content = (text: string) => ({ parts: [{ text }] });
  const request = (changed: Partial<EmbeddingsRequest> = {}): EmbeddingsRequest => ({
    model: "m",
    inputs: ["a", "b"],
    dimensions: null,
    task: null,
    user: null,
    extensions: {},
    ...changed,
  });

  test("settings that all inputs share are canonical, and each body comes back as it was", () => {
    const single = { content: content("a"), taskType: "RETRIEVAL_QUERY", outputDimensionality: 8 };
    const decoded = embeddings.decodeRequest(single, path);
    expect(decoded).toMatchObject({ inputs: ["a"], task: "RETRIEVAL_QUERY", dimensions: 8 });
    expect(embeddings.encodeRequest(decoded, "m")).toEqual({ body: single, warnings: [] });

    const model = "models/m";
    const batch = {
      requests: [
        { model, content: content("a"), taskType: "CLUSTERING", title: "A" },
        {
          model,
          content: { parts: [{ text: "b" }, { text: "c" }], role: "user" },
          embedContentConfig: { taskType: "CLUSTERING" },
        },
      ],
    };
    const several = embeddings.decodeRequest(batch, path);
    expect(several).toMatchObject({ inputs: ["a", "bc"], task: "CLUSTERING", dimensions: null });
    expect(embeddings.encodeRequest(several, "m")).toEqual({ body: batch, warnings: [] });
  });

  test("settings that differ are said again, and are no one's setting", () => {
    const model = "models/m";
    const batch = {
      requests: [
        { model, content: content("a"), taskType: "CLUSTERING" },
        { model, content: content("b") },
      ],
    };
    const decoded = embeddings.decodeRequest(batch, path);
    expect(decoded.task).toBeNull();
    expect(embeddings.encodeRequest(decoded, "m").body).toEqual(batch);
    expect(Object.keys(object(decoded.extensions["gemini"] as JsonObject))).toEqual(["settings that differ"]);
  });

  test("a request of another dialect is a batch", () => {
    const { body, warnings } = embeddings.encodeRequest(
      request({
        task: "CLUSTERING",
        dimensions: 4,
        user: "u",
        extensions: { "openai-chat": { encoding_format: "ubinary" } },
      }),
      "models/m",
    );
    const settings = { taskType: "CLUSTERING", outputDimensionality: 4 };
    expect(body).toEqual({
      requests: ["a", "b"].map((text) => ({ model: "models/m", content: content(text), ...settings })),
    });
    expect(warnings.map((warning) => warning.replace("gemini cannot say ", ""))).toEqual([
      "'encoding_format'; left out",
      "'user'; left out",
    ]);
    expect(() => embeddings.encodeRequest(request({ inputs: [[1, 2]] }), "m")).toThrow("token ids");
  });

  test("vectors come in the form that was asked for", () => {
    const single = embeddings.decodeRequest({ content: content("a") }, path);
    const answer = { embedding: { values: [0.25, -1e-7] }, usageMetadata: { promptTokenCount: 4 } };
    const decoded = embeddings.decodeResponse(answer);
    expect(decoded).toMatchObject({ vectors: [[0.25, -1e-7]], usage: { usage: { inputTokens: 4, outputTokens: 0 } } });
    expect(embeddings.encodeResponse(decoded, single)).toEqual(answer);
    expect(embeddings.encodeResponse({ ...decoded, extensions: {} }, request())).toEqual({
      embeddings: [{ values: [0.25, -1e-7] }],
      usageMetadata: { promptTokenCount: 4 },
    });
    expect(embeddings.meterResponse(answer)).toMatchObject({ complete: true, usage: { usage: { inputTokens: 4 } } });
    expect(embeddings.meterResponse({ embeddings: [] })).toMatchObject({ complete: true, usage: null });
    for (const bad of [{}, { embeddings: [{}] }, { embedding: { values: ["1"] } }])
      expect(() => embeddings.decodeResponse(bad)).toThrow("not a list of vectors");
  });

  test("the envelope bounds the texts, and refuses what is no request", () => {
    const read = (body: JsonObject) => embeddings.readEnvelope(body, 300, path);
    expect(read({ content: content("a") })).toMatchObject({ model: "gemini-3-pro", maxOutputTokens: 0, candidates: 1 });
    expect(read({ content: { parts: [{ inlineData: { mimeType: "image/png", data: "aGk=" } }] } }).input).toMatchObject(
      {
        images: 1,
        textBytes: 296,
      },
    );
    expect(read({ content: { parts: [{ fileData: { fileUri: "gs://b/a" } }] } }).input.unbounded).toBe(true);
    for (const [body, param] of [
      [{}, "content"],
      [{ requests: [] }, "requests"],
      [{ requests: [{}] }, "requests[0].content"],
      [{ requests: ["a"] }, "requests[0]"],
    ] as const)
      expect(() => read(body)).toThrow(`'${param}'`);
    const image = { content: { parts: [{ inlineData: { mimeType: "image/png", data: "aGk=" } }] } };
    expect(() => embeddings.decodeRequest(image, path)).toThrow("'content.parts[0]' must be text");
  });

  test("the relay makes every model agree, and changes nothing else", () => {
    const source = '{ "requests" : [ {"content":"[,{","model" :"models/a"}, {"model":"a" } ,3], "model": "b"}';
    expect(embeddings.editRequest(source, edit)).toBe(
      '{ "requests" : [ {"content":"[,{","model" :"models/x/y"}, {"model":"x/y" } ,3], "model": "x/y"}',
    );
  });
});

describe("recordings", () => {
  const counts = recordingsOf("gemini-count-tokens");
  const vectors = recordingsOf("gemini-embeddings");
  afterAll(() => {
    if (counts.length > 0) console.log(`gemini operations: ${counts.length} counts, ${vectors.length} embeddings`);
  });

  test("every count comes back as it was and keeps the schema", async () => {
    for (const { id, request, status, body } of counts) {
      if (request === null) continue;
      const decoded = counting.decodeRequest(request, path);
      const model = String(object(request["generateContentRequest"])["model"] ?? "models/a").replace("models/", "");
      const { body: again, warnings } = counting.encodeRequest(decoded, model);
      expect({ id, body: normalForm(again), warnings }).toEqual({ id, body: normalForm(request), warnings: [] });
      expect({
        id,
        faults: await wireFaults(
          "gemini-count-tokens/request",
          counting.encodeRequest({ ...decoded, extensions: {} }, model).body,
        ),
      }).toEqual({ id, faults: [] });
      if (status !== 200 || body === null) continue;
      const count = counting.decodeResponse(body);
      expect(counting.encodeResponse(count, decoded)).toEqual(body);
      const { input } = counting.readEnvelope(request, bytesOf(JSON.stringify(request)).length, path);
      expect({ id, bounded: input.unbounded || count.inputTokens <= input.textBytes + 1_024 }).toEqual({
        id,
        bounded: true,
      });
    }
  });

  test("every call for vectors comes back as it was", () => {
    for (const { id, request, status, body } of vectors) {
      if (request === null) continue;
      const decoded = embeddings.decodeRequest(request, path);
      const { body: again, warnings } = embeddings.encodeRequest(decoded, modelIn(request));
      expect({ id, again, warnings }).toEqual({ id, again: request, warnings: [] });
      if (status !== 200 || body === null) continue;
      expect(embeddings.encodeResponse(embeddings.decodeResponse(body), decoded)).toEqual(body);
    }
  });
});

const modelIn = (request: JsonObject): string => /"models\/([^"]+)"/.exec(JSON.stringify(request))?.[1] ?? "m";

const normalForm = (body: JsonObject) => {
  const inner = object(body["generateContentRequest"]);
  return body["generateContentRequest"] === undefined
    ? normalRequest(body)
    : { model: inner["model"], request: normalRequest(inner) };
};
