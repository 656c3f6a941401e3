import { afterAll, describe, expect, test } from "bun:test";
import type { JsonObject } from "../../../core/chat/json.ts";
import type { ChatResponse } from "../../../core/chat/response.ts";
import { gemini } from "../../../core/dialects/gemini/index.ts";
import { JsonArraySplitter } from "../../../core/dialects/json-array.ts";
import { SseSplitter } from "../../../core/dialects/sse.ts";
import { inputBound } from "../../../core/pipeline/estimate.ts";
import { bytesOf, decodeSse, encodeSse, meterSse } from "../../contract/dialect.ts";
import { wireFaults } from "../../support/wirecheck.ts";
import { clientRequestsOf, recordingsOf } from "../recordings.ts";
import { normalRequest, normalResponse } from "./normal-form.ts";
import {
  accumulated,
  chunksOf,
  expectedMeter,
  expectedUsage,
  list,
  object,
  readStream,
  readWhole,
  stopSdk,
  told,
  usageOf,
} from "./oracle.ts";

/*
 * Real exchanges with Google. What is expected of them comes from Google's own SDK and from the raw JSON, by the rules of
 * the wire's own notes, without the code under test.
 */

/** Every recording that is not held to all of it, and why. */
const exceptions: Readonly<Record<string, string>> = {
  "ai--fixtures-google-429-retry-info--0-c3b318": "an error, kept without its status",
  "otel--cassettes-test-generate-content-invalid-role--0-dce3af": "a role that Google refuses, and this dialect too",
  "firebase--vertexai-streaming-failure-empty-content--0-77156e": "made to be wrong: an answer that never ends",
  "firebase--vertexai-streaming-failure-invalid-json--0-2ae6a8": "made to be wrong: JSON of no protocol",
  "firebase--vertexai-unary-failure-empty-content--0-b461da":
    "made to be wrong: no word of why it ended, which is STOP here",
  "firebase--vertexai-unary-failure-malformed-content--0-285a6b":
    "made to be wrong: no word of why it ended, which is STOP here",
  "firebase--vertexai-unary-failure-generate-images-all-filtered--0-c5862e": "the answer of another API",
};

/** Types of schemas stay in the case in which the client wrote them, and Vertex takes files by address in results. */
const clientsOwn = /^(Schema\.type\|enum:|FunctionResponsePart\|extra:fileData)/;

const recordings = recordingsOf("gemini");
const held = recordings.filter(({ id }) => !(id in exceptions));
const covered = { requests: 0, responses: 0, streams: 0, "streams as arrays": 0, errors: 0, bounds: 0, cuts: 0 };
afterAll(() => {
  stopSdk();
  if (recordings.length === 0) return;
  const excepted = recordings.filter(({ id }) => id in exceptions).length;
  console.log(`gemini recordings: ${JSON.stringify({ ...covered, excepted })}`);
});

/** The model in the path of a request; the answer's where only that was recorded. */
const pathOf = ({ path, stream }: { readonly path: string; readonly stream: boolean }) => ({
  model: /models\/([^:?]+)/.exec(path)?.[1] ?? "gemini-2.5-pro",
  stream,
});

test("every exception is a recording", () => {
  if (recordings.length === 0) return;
  const ids = new Set(recordings.map(({ id }) => id));
  expect(Object.keys(exceptions).filter((id) => !ids.has(id))).toEqual([]);
});

test("every request, decoded and encoded again, means the same and keeps the schema", async () => {
  for (const recording of held) {
    const { id, request } = recording;
    if (request === null) continue;
    const decoded = gemini.decodeRequest(request, pathOf(recording));
    const { body, warnings } = gemini.encodeRequest(decoded, decoded.model);
    expect({ id, body: normalRequest(body), warnings }).toEqual({ id, body: normalRequest(request), warnings: [] });
    const before = await wireFaults("gemini/request", request);
    if (before.length === 0)
      expect({
        id,
        faults: (await wireFaults("gemini/request", body)).filter((fault) => !clientsOwn.test(fault)),
      }).toEqual({
        id,
        faults: [],
      });
    covered.requests++;
  }
});

test("what coding agents send means the same too", () => {
  const agents = clientRequestsOf("gemini");
  expect(agents.length > 0).toBe(recordings.length > 0);
  for (const { id, request: body } of agents) {
    const decoded = gemini.decodeRequest(body, { model: "gemini-2.5-flash", stream: true });
    const again = gemini.encodeRequest(decoded, decoded.model);
    expect({ id, body: normalRequest(again.body), warnings: again.warnings }).toEqual({
      id,
      body: normalRequest(body),
      warnings: [],
    });
  }
});

test("every request: the relay changes the cap, and nothing else", () => {
  for (const { id, request } of held) {
    if (request === null) continue;
    const edit = { model: "x/y", includeUsage: true, maxOutputTokens: 77, maxOutputTokensField: "max_tokens" };
    const edited: JsonObject = JSON.parse(gemini.relay.editRequest(JSON.stringify(request), edit));
    const config = { ...object(request["generationConfig"]), maxOutputTokens: 77 };
    const model = request["model"] === undefined ? {} : { model: "models/x/y" };
    expect({ id, edited }).toEqual({ id, edited: { ...request, ...model, generationConfig: config } });
    const same = {
      ...edit,
      model: pathOf({ path: `models/${String(request["model"]).replace("models/", "")}`, stream: false }).model,
    };
    const source = JSON.stringify(request, null, 1);
    expect(gemini.relay.editRequest(source, { ...same, maxOutputTokens: null })).toBe(source);
  }
});

test("no prompt is above what admission takes its request to be at most", () => {
  for (const recording of held) {
    const { id, request } = recording;
    const usage = usageOf(recording);
    if (request === null || usage === null) continue;
    const { input } = gemini.readEnvelope(request, bytesOf(JSON.stringify(request)).length, pathOf(recording));
    const { inputTokens } = usage;
    expect({ id, inputTokens, bounded: inputTokens <= inputBound(input, null) }).toEqual({
      id,
      inputTokens,
      bounded: true,
    });
    covered.bounds++;
  }
});

test("every answer, decoded and encoded again, means the same, keeps the schema and is metered exactly", async () => {
  for (const recording of held) {
    const { id, status, body } = recording;
    if (status !== 200 || body === null || Array.isArray(body)) continue;
    const decoded = gemini.decodeResponse(body);
    const again = gemini.encodeResponse(decoded);
    expect({ id, body: normalResponse(again) }).toEqual({ id, body: normalResponse(body) });
    expect({ id, sdk: await readWhole(again) }).toEqual({ id, sdk: await readWhole(body) });
    if ((await wireFaults("gemini/response", body)).length === 0)
      expect({ id, faults: await wireFaults("gemini/response", again) }).toEqual({ id, faults: [] });
    const metered = gemini.relay.meterResponse(body);
    expect({ id, metered: told(metered) }).toEqual({ id, metered: expectedMeter([body]) });
    expect(decoded.usage).toEqual(metered.usage);
    covered.responses++;
  }
});

test("every error has its vendor's message", () => {
  for (const { id, status, body } of recordings) {
    if (status === 200) continue;
    const { message } = object(object(Array.isArray(body) ? body[0] : body)["error"]);
    expect({ id, message: gemini.decodeError(body).message }).toEqual({ id, message: String(message) });
    covered.errors++;
  }
});

describe("streams", () => {
  const streams = held.flatMap(({ id, status, sse, body }) =>
    status === 200 && sse !== null
      ? // That a last event may lack its blank line is the pipeline's business.
        [{ id, sse: /\n\r?\n$/.test(sse) ? sse : `${sse}\n\n`, isArray: false }]
      : status === 200 && Array.isArray(body)
        ? [{ id, sse: body.map((chunk) => `data: ${JSON.stringify(chunk)}\r\n\r\n`).join(""), isArray: true }]
        : [],
  );

  test("each is metered exactly, passes whole and ends", () => {
    for (const { id, sse } of streams) {
      const { metered, hidden } = meterSse(gemini, [bytesOf(sse)]);
      expect({ id, hidden, metered: told(metered) }).toEqual({ id, hidden: 0, metered: expectedMeter(chunksOf(sse)) });
      const { response, complete } = decodeSse(gemini, [bytesOf(sse)]);
      expect({ id, complete, usage: response.usage }).toEqual({ id, complete: true, usage: metered.usage });
      // Pieces of arguments are counted as they come.
      if (!sse.includes("partialArgs"))
        expect({ id, bytes: metered.contentBytes }).toEqual({ id, bytes: contentBytes(response) });
      covered.streams++;
    }
  });

  test("each, decoded and encoded again, is the same to Google's SDK, and keeps the schema", async () => {
    for (const { id, sse } of streams) {
      const { events } = decodeSse(gemini, [bytesOf(sse)]);
      const again = encodeSse(gemini, events);
      expect({ id, sdk: accumulated(await readStream(again)) }).toEqual({
        id,
        sdk: accumulated(await readStream(sse)),
      });
      for (const [before, after] of [[chunksOf(sse), chunksOf(again)]] as const) {
        const faults = (chunks: readonly JsonObject[]) =>
          Promise.all(chunks.map((chunk) => wireFaults("gemini/event", chunk)));
        if ((await faults(before)).flat().length === 0)
          expect({ id, faults: (await faults(after)).flat() }).toEqual({ id, faults: [] });
      }
    }
  });

  test("each, as an array cut at random, gives the same chunks, usage and bytes", () => {
    for (const { id, sse } of streams) {
      const elements = new SseSplitter().push(bytesOf(sse)).flatMap(({ data }) => data ?? []);
      const array = bytesOf(`[${elements.join("\n,\r\n")}\n]\n`);
      for (const seed of [1, 2]) {
        const splitter = new JsonArraySplitter();
        const meter = gemini.relay.meterStream({ hideUsage: false });
        const frames = randomChunks(array, seed).flatMap((chunk) => splitter.push(chunk));
        for (const frame of frames) meter.frame(frame);
        expect({ id, data: frames.flatMap(({ data }) => data ?? []) }).toEqual({ id, data: elements });
        const passed = Buffer.concat(frames.map(({ bytes }) => bytes));
        expect(passed.equals(array.subarray(0, passed.length))).toBe(true);
        expect({ id, metered: told(meter.result()) }).toEqual({ id, metered: expectedMeter(chunksOf(sse)) });
      }
      covered["streams as arrays"]++;
    }
  });

  test("each, cut at random, is metered and decoded the same", () => {
    for (const { id, sse } of streams) {
      const bytes = bytesOf(sse);
      const { metered } = meterSse(gemini, [bytes]);
      const { response } = decodeSse(gemini, [bytes]);
      const chunks = randomChunks(bytes, 3);
      expect({ id, metered: meterSse(gemini, chunks).metered }).toEqual({ id, metered });
      expect({ id, response: decodeSse(gemini, chunks).response }).toEqual({ id, response });
      covered.cuts += chunks.length - 1;
    }
  });

  test("the shortest of each shape, cut at every third byte, is metered the same", () => {
    const shapes = new Map<string, string>();
    for (const { sse } of streams.toSorted((a, b) => b.sse.length - a.sse.length)) shapes.set(shapeOf(sse), sse);
    for (const sse of [...shapes.values()].filter(({ length }) => length < 4_000)) {
      const bytes = bytesOf(sse);
      const { metered } = meterSse(gemini, [bytes]);
      for (let cut = 1; cut < bytes.length; cut += 3) {
        const chunks = [bytes.subarray(0, cut), bytes.subarray(cut)];
        const again = meterSse(gemini, chunks).metered;
        if (JSON.stringify(again) !== JSON.stringify(metered))
          expect({ cut, metered: again }).toEqual({ cut, metered });
      }
      covered.cuts += Math.ceil((bytes.length - 1) / 3);
    }
  });

  test("broken off after any chunk, what is metered is what was told, or nothing where that does not count it all", () => {
    for (const { id, sse } of streams) {
      const frames = new SseSplitter().push(bytesOf(sse));
      for (let count = 1; count < frames.length; count++) {
        const part = frames.slice(0, count).map(({ bytes }) => bytes);
        const { metered } = meterSse(gemini, part);
        const decoded = decodeSse(gemini, part);
        expect({ id, count, usage: decoded.response.usage }).toEqual({ id, count, usage: metered.usage });
        const chunks = frames.slice(0, count).map(({ data }) => JSON.parse(data ?? "{}"));
        const last = chunks.findLast((chunk) => chunk.usageMetadata !== undefined);
        if (metered.usage !== null)
          expect({ id, count, ...metered.usage.usage }).toMatchObject(expectedUsage(last?.usageMetadata) ?? {});
      }
    }
  });
});

/** UTF-8 bytes of all text, reasoning and arguments. */
const contentBytes = ({ candidates }: ChatResponse): number =>
  candidates
    .flatMap(({ parts }) => parts)
    .reduce(
      (sum, part) => sum + bytesOf(part.type === "tool-call" ? part.input : "text" in part ? part.text : "").length,
      0,
    );

/** Pieces of 1 to 97 bytes, the same for the same seed. */
function randomChunks(bytes: Uint8Array, seed: number): readonly Uint8Array[] {
  const chunks: Uint8Array[] = [];
  for (let at = 0, step = seed; at < bytes.length; at += step) {
    step = 1 + ((Math.imul(at * 31 + seed * 7_919 + 1, 0x9e3779b1) >>> 8) % 97);
    chunks.push(bytes.subarray(at, at + step));
  }
  return chunks;
}

/** Which members the chunks and their parts have. */
const shapeOf = (sse: string): string =>
  [
    ...new Set(
      chunksOf(sse).flatMap((chunk) => [
        ...Object.keys(chunk),
        ...list(chunk["candidates"]).flatMap((candidate) => [
          ...Object.keys(candidate),
          ...list(object(candidate["content"])["parts"]).flatMap((part) => Object.keys(part)),
        ]),
      ]),
    ),
  ]
    .toSorted()
    .join(" ");
