import { Collector } from "../../chat/collect.ts";
import { GatewayError } from "../../chat/error.ts";
import type { ChatResponse } from "../../chat/response.ts";
import type { Metered, StreamEncoder } from "../../dialects/dialect.ts";
import { type Answer, type FailedAnswer, nothingMetered } from "../answer.ts";
import { parseAnswer } from "../relay.ts";
import { type Needles, redacted } from "../redact.ts";
import { faultOf } from "../upstream-error.ts";
import { type Read, startsLikeSse, upstreamBody } from "../upstream-body.ts";
import { eventsOf } from "./replay.ts";
import { type Translation, TranslatedSource } from "./stream.ts";

/** A 200 answer of the target in the client's dialect, streamed or whole as the client asked, whichever way it came. */
export async function translatedAnswer(response: Response, stream: boolean, translation: Translation): Promise<Answer> {
  const { client, asked, includeUsage, secrets } = translation;
  const body = await upstreamBody(response, stream);
  if (stream && body.kind === "events") {
    const encoder = client.encodeStream({ includeUsage, asked });
    return { kind: "stream", source: new TranslatedSource(body.read, encoder, translation) };
  }
  const answer =
    body.kind === "events"
      ? await collected(body.read, translation)
      : startsLikeSse(body.bytes)
        ? await collected(onceRead(body.bytes), translation)
        : decoded(body.bytes, translation);
  if (answer.kind === "failed") return answer;
  return stream
    ? replayed(answer, translation)
    : wholeAnswer(answer, client.encodeResponse(answer.response, asked), secrets);
}

interface Decoded {
  readonly kind: "decoded";
  /** With what is the client's business only: its own names of tools, marked signatures. */
  readonly response: ChatResponse;
  readonly metered: Metered;
}

function decoded(bytes: Uint8Array, { target, restore, secrets }: Translation): Decoded | FailedAnswer {
  const body = parseAnswer(bytes);
  const metered = { ...nothingMetered, ...target.relay.meterResponse(body) };
  const { fault } = metered;
  if (fault !== null && metered.contentBytes === 0) return { kind: "failed", error: faultOf(fault, secrets), metered };
  try {
    const collector = new Collector();
    const emit = restore((event) => collector.add(event));
    for (const event of eventsOf(target.decodeResponse(body))) emit(event);
    return { kind: "decoded", response: collector.response(), metered };
  } catch (error) {
    return failed(error, metered);
  }
}

/** A stream that nobody asked for, or that came under another type. */
async function collected(read: Read, translation: Translation): Promise<Decoded | FailedAnswer> {
  const collector = new Collector();
  const intoCollector: StreamEncoder = {
    step(event) {
      collector.add(event);
      return "";
    },
  };
  const source = new TranslatedSource(read, intoCollector, translation);
  try {
    while ((await source.next()) !== null);
    return { kind: "decoded", response: collector.response(), metered: source.metered() };
  } catch (error) {
    return failed(error, source.metered());
  }
}

function failed(error: unknown, metered: Metered): FailedAnswer {
  if (error instanceof GatewayError) return { kind: "failed", error, metered };
  throw error;
}

const onceRead = (bytes: Uint8Array): Read => {
  let unread: Uint8Array | undefined = bytes;
  return () => {
    const value = unread;
    unread = undefined;
    return Promise.resolve({ done: value === undefined, value });
  };
};

function wholeAnswer({ metered }: Decoded, body: unknown, secrets: Needles): Answer {
  const bytes = redacted(encoder.encode(JSON.stringify(body)), secrets);
  return { kind: "whole", body: bytes, contentType: "application/json", metered };
}

/** A stream of an answer that came in one piece. */
function replayed({ response, metered }: Decoded, { client, asked, includeUsage, secrets }: Translation): Answer {
  const stream = client.encodeStream({ includeUsage, asked });
  let text = "";
  for (const event of eventsOf(response)) text += stream.step(event);
  let unread: Uint8Array | null = redacted(encoder.encode(text), secrets);
  return {
    kind: "stream",
    source: {
      metered: () => metered,
      next() {
        const bytes = unread;
        unread = null;
        return Promise.resolve(bytes);
      },
      fail: (error) => stream.error?.(error) ?? client.encodeStreamError(error),
    },
  };
}

const encoder = new TextEncoder();
