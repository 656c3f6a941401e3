import { Collector } from "../../chat/collect.ts";
import { GatewayError } from "../../chat/error.ts";
import type { Part } from "../../chat/request.ts";
import type { ChatResponse } from "../../chat/response.ts";
import type { Metered, StreamEncoder } from "../../dialects/dialect.ts";
import { parseBody } from "../../dialects/exact-json.ts";
import { framed } from "../../dialects/framing.ts";
import { type Flow, nextOf } from "../../runtime/upstream-response.ts";
import { type Answer, type FailedAnswer, nothingMetered } from "../answer.ts";
import { parseAnswer } from "../relay.ts";
import { type Needles, redacted } from "../redact.ts";
import { brokenOff, faultOf } from "../upstream-error.ts";
import { startsLikeSse, type UpstreamBody, type UpstreamEvents } from "../upstream-body.ts";
import { eventsOf } from "./replay.ts";
import { type Translation, TranslatedSource } from "./stream.ts";

/** A 200 answer of the target in the client's dialect, streamed or whole as the client asked, whichever way it came. */
export async function translatedAnswer(body: UpstreamBody, stream: boolean, translation: Translation): Promise<Answer> {
  const { client, asked, secrets, framing } = translation;
  if (stream && body.kind === "events")
    return { kind: "stream", framing, source: new TranslatedSource(body, encoderFor(translation), translation) };
  const answer =
    body.kind === "events"
      ? await collected(body, translation)
      : startsLikeSse(body.bytes)
        ? await collected(onceRead(body.bytes), translation)
        : decoded(body.bytes, translation);
  if (answer.kind === "failed") return answer;
  return stream
    ? replayed(answer, translation)
    : wholeAnswer(answer, client.encodeResponse(answer.response, asked), secrets);
}

const encoderFor = ({ client, asked, includeUsage, framing }: Translation): StreamEncoder =>
  framed(client.encodeStream({ includeUsage, asked }), client, framing);

interface Decoded {
  readonly kind: "decoded";
  /** With what is the client's business only: its own names of tools, marked signatures. */
  readonly response: ChatResponse;
  readonly metered: Metered;
}

function decoded(bytes: Uint8Array, { target, restore, secrets }: Translation): Decoded | FailedAnswer {
  const body = parseAnswer(bytes, parseBody);
  const metered = { ...nothingMetered, ...target.relay.meterResponse(body) };
  const { fault } = metered;
  if (fault !== null && metered.contentBytes === 0) return { kind: "failed", error: faultOf(fault, secrets), metered };
  try {
    const collector = new Collector();
    const emit = restore((event) => collector.add(event));
    const response = target.decodeResponse(body);
    for (const event of eventsOf(target.traits.textInPieces ? withWholeTexts(response) : response)) emit(event);
    return { kind: "decoded", response: collector.response(), metered };
  } catch (error) {
    return failed(error, metered);
  }
}

/** Clients of other protocols read each text by itself, as one JSON, say. What cites or is signed stays apart. */
const withWholeTexts = (response: ChatResponse): ChatResponse => ({
  ...response,
  candidates: response.candidates.map((candidate) => ({ ...candidate, parts: joined(candidate.parts) })),
});

function joined(parts: readonly Part[]): readonly Part[] {
  const result: Part[] = [];
  for (const part of parts) {
    const last = result.at(-1);
    const isPiece = (part.type === "text" && part.citations === undefined) || part.type === "reasoning";
    const isPlain = isPiece && last?.type === part.type && Object.keys(last).length === 2;
    if (isPlain) result[result.length - 1] = { ...part, text: last.text + part.text };
    else result.push(part);
  }
  return result;
}

/** A stream that nobody asked for, or that came under another type. */
async function collected(events: UpstreamEvents, translation: Translation): Promise<Decoded | FailedAnswer> {
  const collector = new Collector();
  const intoCollector: StreamEncoder = {
    step(event) {
      collector.add(event);
      return "";
    },
  };
  const source = new TranslatedSource(events, intoCollector, translation);
  try {
    while ((await nextOf(source)) !== null);
    return { kind: "decoded", response: collector.response(), metered: source.metered() };
  } catch (error) {
    // The connection's own end is one of the answer's too: what it told until then is known.
    return failed(error instanceof GatewayError ? error : brokenOff(error), source.metered());
  }
}

function failed(error: unknown, metered: Metered): FailedAnswer {
  if (error instanceof GatewayError) return { kind: "failed", error, metered };
  throw error;
}

function onceRead(bytes: Uint8Array): UpstreamEvents {
  return { kind: "events", framing: "sse", pieces: onePiece(bytes) };
}

function onePiece(bytes: Uint8Array): Flow {
  let unread: Uint8Array | null = bytes;
  return {
    next() {
      const piece = unread;
      unread = null;
      return piece;
    },
  };
}

function wholeAnswer({ metered }: Decoded, body: unknown, secrets: Needles): Answer {
  const bytes = redacted(utf8.encode(JSON.stringify(body)), secrets);
  return { kind: "whole", body: bytes, metered };
}

/** A stream of an answer that came in one piece. */
function replayed({ response, metered }: Decoded, translation: Translation): Answer {
  const encoder = encoderFor(translation);
  let text = "";
  for (const event of eventsOf(response)) text += encoder.step(event);
  const { next } = onePiece(redacted(utf8.encode(text), translation.secrets));
  return {
    kind: "stream",
    framing: translation.framing,
    source: {
      metered: () => metered,
      next,
      fail: (error) => encoder.error?.(error) ?? translation.client.encodeStreamError(error),
    },
  };
}

const utf8 = new TextEncoder();
