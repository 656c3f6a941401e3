import { afterAll, describe, expect, test } from "bun:test";
import { Collector } from "../../../core/chat/collect.ts";
import type { Json, JsonObject } from "../../../core/chat/json.ts";
import type { ChatResponse } from "../../../core/chat/response.ts";
import { openaiChat } from "../../../core/dialects/openai-chat/index.ts";
import { SseSplitter } from "../../../core/dialects/sse.ts";
import { bytesOf, decodeSse, encodeSse, meterSse, said } from "../../contract/dialect.ts";
import { normalRequest, normalResponse } from "../normal-form.ts";
import { recordingsOf } from "../recordings.ts";

/*
 * Real exchanges with providers. What is expected of them is computed here from the raw JSON, by the rules of the wire's
 * own notes, without the code under test.
 */

const recordings = recordingsOf("openai-chat");
const covered = {
  requests: 0,
  "requests without a model or with a bad cap, refused": 0,
  responses: 0,
  streams: 0,
  "broken-off streams": 0,
  errors: 0,
  "cuts of streams": 0,
  "stream shapes cut at every byte": 0,
};
afterAll(() => {
  if (recordings.length > 0) console.log(`openai-chat recordings: ${JSON.stringify(covered)}`);
});

test("every request, decoded and encoded again, means the same", () => {
  for (const { id, request } of recordings) {
    if (request === null) continue;
    if (typeof request["model"] !== "string" || request["max_tokens"] === 0) {
      expect(() => openaiChat.readEnvelope(request, 1)).toThrow(/'(model|max_tokens)'/);
      covered["requests without a model or with a bad cap, refused"]++;
      continue;
    }
    const decoded = openaiChat.decodeRequest(request);
    const { body, warnings } = openaiChat.encodeRequest(decoded, decoded.model);
    expect({ id, body: normalRequest(body), warnings }).toEqual({ id, body: normalRequest(request), warnings: [] });
    covered.requests++;
  }
});

test("every request: the relay changes the model and asks for usage, and nothing else", () => {
  for (const { id, request } of recordings) {
    if (typeof request?.["model"] !== "string") continue;
    const edit = { model: "x/y", includeUsage: true, maxOutputTokens: null, maxOutputTokensField: "max_tokens" };
    const edited: JsonObject = JSON.parse(openaiChat.relay.editRequest(JSON.stringify(request), edit));
    const options = { ...object(request["stream_options"]), include_usage: true };
    expect({ id, edited }).toEqual({ id, edited: { ...request, model: "x/y", stream_options: options } });
  }
});

test("every answer, decoded and encoded again, means the same, and is metered exactly", () => {
  for (const { id, status, body } of recordings) {
    if (status !== 200 || body === null) continue;
    const decoded = openaiChat.decodeResponse(body);
    expect({ id, body: normalResponse(openaiChat.encodeResponse(decoded)) }).toEqual({
      id,
      body: normalResponse(body),
    });
    const metered = openaiChat.relay.meterResponse(body);
    expect({ id, usage: metered.usage?.usage }).toMatchObject({ id, usage: expectedUsage(body["usage"]) });
    expect({ id, complete: metered.complete }).toEqual({ id, complete: true });
    expect(decoded.usage).toEqual(metered.usage);
    covered.responses++;
  }
});

test("every error has its vendor's message", () => {
  for (const { id, status, body } of recordings) {
    if (status === 200) continue;
    const { error, message } = object(body);
    const expected = typeof error === "string" ? error : (object(error)["message"] ?? message);
    expect({ id, message: openaiChat.decodeError(body).message }).toEqual({ id, message: String(expected) });
    covered.errors++;
  }
});

describe("streams", () => {
  const streams = recordings.flatMap(({ id, sse }) => (sse === null ? [] : [{ id, sse }]));
  const broken = streams.filter(({ sse }) => sse.includes("event: error"));
  const whole = streams.filter(({ sse }) => !sse.includes("event: error"));

  test("each is metered exactly and passes whole", () => {
    for (const { id, sse } of whole) {
      const { metered, hidden } = meterSse(openaiChat, [bytesOf(sse)]);
      const naive = accumulate(sse);
      expect({ id, hidden, usage: metered.usage?.usage ?? null }).toMatchObject({ id, hidden: 0, usage: naive.usage });
      expect({ id, finish: metered.finish }).toEqual({ id, finish: naive.candidates[0]?.finish || null });
      expect({ id, complete: metered.complete, fault: metered.fault }).toEqual({ id, complete: true, fault: null });
      expect({ id, upstreamId: metered.upstreamId }).toEqual({ id, upstreamId: naive.id });
      covered.streams++;
    }
  });

  test("each adds up to what its deltas say", () => {
    for (const { id, sse } of whole) {
      const { response, complete } = decodeSse(openaiChat, [bytesOf(sse)]);
      expect({ id, complete, ...plain(response) }).toEqual({ id, complete: true, ...naiveAnswer(sse) });
    }
  });

  test("each, encoded and decoded again, is the same answer", () => {
    for (const { id, sse } of whole) {
      const { events, response } = decodeSse(openaiChat, [bytesOf(sse)]);
      const again = decodeSse(openaiChat, [bytesOf(encodeSse(openaiChat, events))]).response;
      expect({ id, answer: said(again), usage: again.usage?.usage }).toEqual({
        id,
        answer: said(response),
        usage: response.usage?.usage,
      });
    }
  });

  test("one that breaks off with an error is a fault, and what came before it stands", () => {
    for (const { id, sse } of broken) {
      const { metered } = meterSse(openaiChat, [bytesOf(sse)]);
      expect({ id, fault: metered.fault?.code, complete: metered.complete }).toEqual({
        id,
        fault: "tool_use_failed",
        complete: false,
      });
      expect(() => decodeSse(openaiChat, [bytesOf(sse)])).toThrow("broke off");
      const before = decodeSse(openaiChat, [bytesOf(sse.slice(0, sse.indexOf("event: error")))]);
      expect(before.complete).toBe(false);
      covered["broken-off streams"]++;
    }
  });

  test("broken off anywhere, the grammar holds", () => {
    for (const { sse } of whole) {
      const decoder = openaiChat.decodeStream();
      const collector = new Collector();
      const frames = new SseSplitter().push(bytesOf(sse));
      for (const { data, event } of frames.slice(0, pick(frames.length, sse.length))) {
        if (data !== null) for (const next of decoder.step(data, event)) collector.add(next);
      }
      const { events } = decoder.end();
      for (const next of events) collector.add(next);
      if (events.length > 0) expect(collector.response().id).toBeString();
    }
  });

  test("each, cut at random, gives the same frames, usage and answer", () => {
    for (const { id, sse } of whole) {
      const bytes = bytesOf(sse);
      const expected = framesOf([bytes]);
      const { metered } = meterSse(openaiChat, [bytes]);
      const { response } = decodeSse(openaiChat, [bytes]);
      for (const seed of [1, 2]) {
        const chunks = randomChunks(bytes, seed);
        expect({ id, frames: framesOf(chunks) }).toEqual({ id, frames: expected });
        expect({ id, metered: meterSse(openaiChat, chunks).metered }).toEqual({ id, metered });
        expect({ id, response: decodeSse(openaiChat, chunks).response }).toEqual({ id, response });
        covered["cuts of streams"] += chunks.length - 1;
      }
    }
  }, 20_000);

  test("the shortest of each shape, cut at every byte, gives the same frames", () => {
    const shapes = new Map<string, string>();
    for (const { sse } of streams.toSorted((a, b) => b.sse.length - a.sse.length)) shapes.set(shapeOf(sse), sse);
    for (const sse of shapes.values()) {
      const bytes = bytesOf(sse);
      const expected = lengthsOf([bytes]);
      for (let cut = 1; cut < bytes.length; cut++) {
        const lengths = lengthsOf([bytes.subarray(0, cut), bytes.subarray(cut)]);
        if (lengths !== expected) expect({ cut, lengths }).toEqual({ cut, lengths: expected });
      }
      covered["cuts of streams"] += bytes.length - 1;
      covered["stream shapes cut at every byte"]++;
    }
  }, 60_000);
});

/** Where frames end; that their bytes are the input's is for the splitter's own tests. */
const lengthsOf = (chunks: readonly Uint8Array[]): string => {
  const splitter = new SseSplitter();
  const frames = chunks.flatMap((chunk) => splitter.push(chunk));
  return [...frames.map(({ bytes }) => bytes.length), splitter.rest()?.bytes.length ?? "whole"].join(" ");
};

const framesOf = (chunks: readonly Uint8Array[]) => {
  const splitter = new SseSplitter();
  const frames = chunks.flatMap((chunk) => splitter.push(chunk));
  const rest = splitter.rest();
  return [...frames, ...(rest === null ? [] : [rest])].map(({ bytes, data, event }) => ({
    bytes: Buffer.from(bytes).toString("latin1"),
    data,
    event,
  }));
};
/** Pieces of 1 to 97 bytes, the same for the same seed. */
function randomChunks(bytes: Uint8Array, seed: number): readonly Uint8Array[] {
  const chunks: Uint8Array[] = [];
  for (let at = 0, step = seed; at < bytes.length; at += step) {
    step = 1 + pick(97, at * 31 + seed * 7_919);
    chunks.push(bytes.subarray(at, at + step));
  }
  return chunks;
}

const pick = (below: number, seed: number): number => (Math.imul(seed + 1, 0x9e3779b1) >>> 8) % Math.max(below, 1);

/** Which members the chunks have. */
const shapeOf = (sse: string): string =>
  [
    ...new Set(
      chunksOf(sse).flatMap((chunk) => [
        ...Object.keys(chunk),
        ...choicesOf(chunk).flatMap((choice) => Object.keys(object(choice["delta"]))),
      ]),
    ),
  ]
    .toSorted()
    .join(" ");

/** Usage by the rules: prompt includes the cache; reasoning is added where the total is the sum of all three. */
function expectedUsage(raw: Json | undefined) {
  const usage = object(raw);
  const prompt = Number(usage["prompt_tokens"]);
  const completion = Number(usage["completion_tokens"]);
  const details = object(usage["completion_tokens_details"]);
  const promptDetails = object(usage["prompt_tokens_details"]);
  const reasoning = Number(details["reasoning_tokens"] ?? 0);
  const isOutside =
    reasoning > completion || (reasoning > 0 && usage["total_tokens"] === prompt + completion + reasoning);
  const outputTokens = isOutside ? completion + reasoning : completion;
  const cached = [
    promptDetails["cached_tokens"],
    usage["prompt_cache_hit_tokens"],
    usage["num_cached_tokens"],
    usage["cached_tokens"],
  ];
  return {
    inputTokens: prompt,
    outputTokens,
    reasoningTokens: Math.min(reasoning, outputTokens),
    cacheReadTokens: Math.min(Math.max(...cached.map((count) => Number(count ?? 0))), prompt),
    cacheWriteTokens: Number(promptDetails["cache_write_tokens"] ?? usage["cache_creation_input_tokens"] ?? 0),
  };
}

interface NaiveCandidate {
  text: string;
  reasoning: string;
  refusal: string;
  calls: Map<string, { id: string; name: string; input: string }>;
  finish: string | null;
}

/** Adds up what the deltas say, the way a client does. */
function accumulate(sse: string) {
  const candidates: NaiveCandidate[] = [];
  let usage: ReturnType<typeof expectedUsage> | null = null;
  let id: string | null = null;
  for (const chunk of chunksOf(sse)) {
    if (typeof chunk["id"] === "string" && chunk["id"] !== "") id ??= chunk["id"];
    const reported = chunk["usage"] ?? object(chunk["x_groq"])["usage"];
    if (Object.keys(object(reported)).length > 0) usage = expectedUsage(reported);
    for (const choice of choicesOf(chunk)) {
      const candidate = (candidates[Number(choice["index"] ?? 0)] ??= {
        text: "",
        reasoning: "",
        refusal: "",
        calls: new Map(),
        finish: null,
      });
      addDelta(candidate, object(choice["delta"]));
      if (typeof choice["finish_reason"] === "string") candidate.finish ??= choice["finish_reason"];
    }
  }
  return { id, usage, candidates };
}

function addDelta(candidate: NaiveCandidate, delta: JsonObject): void {
  const { content, reasoning, reasoning_content: reasoned, reasoning_details: details, refusal } = delta;
  const told = list(details)
    .map((detail) => text(detail["text"]) + text(detail["summary"]))
    .join("");
  candidate.reasoning += text(reasoned) || text(reasoning) || told;
  candidate.text += text(content);
  for (const part of list(content)) {
    candidate.text += text(part["text"]);
    candidate.reasoning += list(part["thinking"])
      .map((item) => text(item["text"]))
      .join("");
  }
  candidate.refusal += text(refusal);
  for (const call of list(delta["tool_calls"])) {
    const place = String(call["index"] ?? call["id"]);
    const known = candidate.calls.get(place) ?? { id: "", name: "", input: "" };
    const { name, arguments: input } = object(call["function"]);
    candidate.calls.set(place, {
      id: known.id || text(call["id"]),
      name: known.name || text(name),
      input: known.input + text(input),
    });
  }
  const legacy = object(delta["function_call"]);
  if (Object.keys(legacy).length > 0) {
    const known = candidate.calls.get("legacy") ?? { id: "", name: "", input: "" };
    candidate.calls.set("legacy", {
      id: "",
      name: known.name || text(legacy["name"]),
      input: known.input + text(legacy["arguments"]),
    });
  }
}

const naiveAnswer = (sse: string) => {
  const { candidates, usage } = accumulate(sse);
  return {
    usage,
    candidates: candidates.map(({ calls, finish, ...rest }) => ({ ...rest, calls: [...calls.values()], finish })),
  };
};

const plain = ({ candidates, usage }: ChatResponse) => ({
  usage:
    usage === null
      ? null
      : (({ inputTokens, outputTokens, reasoningTokens, cacheReadTokens, cacheWriteTokens }) => ({
          inputTokens,
          outputTokens,
          reasoningTokens,
          cacheReadTokens,
          cacheWriteTokens,
        }))(usage.usage),
  candidates: candidates.map(({ parts, finish }) => ({
    text: parts.flatMap((part) => (part.type === "text" ? part.text : [])).join(""),
    reasoning: parts.flatMap((part) => (part.type === "reasoning" ? part.text : [])).join(""),
    refusal: parts.flatMap((part) => (part.type === "refusal" ? part.text : [])).join(""),
    calls: parts.flatMap((part) =>
      part.type === "tool-call" ? [{ id: part.id, name: part.name, input: part.input }] : [],
    ),
    finish: finish.raw,
  })),
});

const chunksOf = (sse: string): readonly JsonObject[] =>
  sse
    .split(/\r?\n/)
    .filter((line) => line.startsWith("data:") && !line.includes("[DONE]"))
    .map((line) => JSON.parse(line.slice(5)));
const choicesOf = (chunk: JsonObject) => list(chunk["choices"]);
const text = (value: Json | undefined): string => (typeof value === "string" ? value : "");
const object = (value: Json | undefined): JsonObject =>
  typeof value === "object" && value !== null && !Array.isArray(value) ? (value as JsonObject) : {};
const list = (value: Json | undefined): readonly JsonObject[] =>
  Array.isArray(value) ? value.filter((item) => typeof item === "object" && item !== null) : [];
