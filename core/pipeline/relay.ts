import { GatewayError } from "../chat/error.ts";
import { isJsonObject } from "../chat/json.ts";
import type { WireCodec } from "../dialects/codec.ts";
import type { Dialect, Metered, StreamMeter } from "../dialects/dialect.ts";
import { piecesOf, SseSplitter } from "../dialects/sse.ts";
import { joined } from "../runtime/read-body.ts";
import { type Answer, nothingMetered, type Source, type WholeAnswer } from "./answer.ts";
import { type Needles, redacted } from "./redact.ts";

/** A whole answer larger than this is no answer of a language model; the cap also stops a decompression bomb. */
const maxAnswerBytes = 128 * 1024 * 1024;

interface RelayOptions {
  /** Of the operation. */
  readonly codec: WireCodec;
  /** The client asked for a stream. */
  readonly stream: boolean;
  /** Drop the usage chunk that only we asked for. */
  readonly hideUsage: boolean;
  /** What the provider may know of us and the client must not. */
  readonly secrets: Needles;
}

/** The upstream's own bytes, metered as they pass. */
export async function relay(
  response: Response,
  dialect: Dialect,
  { codec, stream, hideUsage, secrets }: RelayOptions,
): Promise<Answer> {
  // Before anything asks for `body`, which makes a stream of it.
  if (!stream && isSmall(response.headers)) return wholeAnswer(await response.bytes(), codec, secrets);
  if (!response.body) throw new GatewayError("upstream-invalid", "the provider sent an empty answer");

  const reader = response.body.getReader();
  const isStream = /^text\/event-stream\b/i.test(response.headers.get("content-type") ?? "");
  if (isStream) return { kind: "stream", source: relaySource(() => reader.read(), dialect, hideUsage, secrets) };

  // Some vendors stream under another type, or none: then the first bytes tell.
  const first = await reader.read();
  let unread: typeof first | null = first;
  const read = () => {
    const next = unread ? Promise.resolve(unread) : reader.read();
    unread = null;
    return next;
  };
  if (stream && !first.done && startsLikeSse(first.value))
    return { kind: "stream", source: relaySource(read, dialect, hideUsage, secrets) };
  const whole = await readWhole(read, () => void reader.cancel().catch(() => {}));
  return wholeAnswer(whole, codec, secrets);
}

/** Of a length that is known and bounded, so that it can be read in one piece, which is the cheapest way. */
const isSmall = (headers: Headers): boolean =>
  headers.get("content-encoding") === null && Number(headers.get("content-length") ?? Infinity) <= maxAnswerBytes;

function wholeAnswer(bytes: Uint8Array, codec: WireCodec, secrets: Needles): WholeAnswer {
  if (bytes.byteLength === 0) throw new GatewayError("upstream-invalid", "the provider sent an empty answer");
  const body = redacted(bytes, secrets);
  return { kind: "whole", body, contentType: "application/json", metered: meterWhole(body, codec) };
}

type Read = () => Promise<{ readonly done: boolean; readonly value?: Uint8Array | undefined }>;

const startsLikeSse = (bytes: Uint8Array): boolean =>
  /^\uFEFF?\s*(?:data|event|id|retry)?:/.test(decoder.decode(bytes.subarray(0, 64)));

function relaySource(read: Read, dialect: Dialect, hideUsage: boolean, secrets: Needles): Source {
  const splitter = new SseSplitter();
  const meter = dialect.relay.meterStream({ hideUsage });
  let ended = false;
  return {
    metered: () => meter.result(),
    async next() {
      if (ended) return null;
      const { value } = await read();
      if (value === undefined) {
        ended = true;
        const last = lastFrame(splitter, meter);
        return last.byteLength > 0 ? redacted(last, secrets) : null;
      }
      // Whole frames only: a comment or an error of ours always finds a place between two events, and a secret, which
      // has no line end, is never cut in two.
      const carried = !splitter.atBoundary;
      const frames = splitter.push(value);
      const shown = frames.filter((frame) => meter.frame(frame));
      const asReceived = !carried && splitter.atBoundary && shown.length === frames.length;
      return redacted(asReceived ? value : joined(piecesOf(shown)), secrets);
    },
  };
}

/** A last frame without its blank line: SDKs read it, so it counts, unless it was cut off in the middle. */
function lastFrame(splitter: SseSplitter, meter: StreamMeter): Uint8Array {
  const rest = splitter.rest();
  const shown = rest !== null && meter.frame(rest);
  const { complete, fault } = meter.result();
  return shown && (complete || fault !== null) ? rest.bytes : new Uint8Array(0);
}

async function readWhole(read: Read, cancel: () => void): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for (let { value } = await read(); value !== undefined; { value } = await read()) {
    bytes += value.byteLength;
    if (bytes > maxAnswerBytes) {
      cancel();
      throw new GatewayError("upstream-invalid", "the provider's answer is too large");
    }
    chunks.push(value);
  }
  return joined(chunks);
}

const decoder = new TextDecoder();

function meterWhole(bytes: Uint8Array, codec: WireCodec): Metered {
  let body: unknown;
  try {
    body = JSON.parse(decoder.decode(bytes));
  } catch {
    throw new GatewayError("upstream-invalid", "the provider's answer is not JSON");
  }
  if (!isJsonObject(body)) throw new GatewayError("upstream-invalid", "the provider's answer is not an object");
  return { ...nothingMetered, ...codec.meterResponse(body) };
}
