import { GatewayError } from "../chat/error.ts";
import { isJsonObject, type JsonObject } from "../chat/json.ts";
import type { WireCodec } from "../dialects/codec.ts";
import type { Dialect, SseFrame, StreamMeter } from "../dialects/dialect.ts";
import { splitterOf } from "../dialects/framing.ts";
import { JsonArraySplitter, JsonArrayWriter } from "../dialects/json-array.ts";
import { piecesOf } from "../dialects/received-frame.ts";
import type { SseSplitter } from "../dialects/sse.ts";
import { joined } from "../runtime/read-body.ts";
import { type Answer, type FailedAnswer, nothingMetered, type Source, type WholeAnswer } from "./answer.ts";
import { type Needles, redacted } from "./redact.ts";
import { faultOf } from "./upstream-error.ts";
import type { UpstreamBody, UpstreamEvents } from "./upstream-body.ts";

interface RelayOptions {
  /** Of the operation. */
  readonly codec: WireCodec;
  /** Drop the usage chunk that only we asked for. */
  readonly hideUsage: boolean;
  /** What the provider may know of us and the client must not. */
  readonly secrets: Needles;
}

/** The upstream's own bytes, metered as they pass. */
export function relay(body: UpstreamBody, dialect: Dialect, { codec, hideUsage, secrets }: RelayOptions): Answer {
  if (body.kind === "whole") return wholeAnswer(body.bytes, codec, secrets);
  return { kind: "stream", framing: body.framing, source: relaySource(body, dialect, hideUsage, secrets) };
}

function wholeAnswer(bytes: Uint8Array, codec: WireCodec, secrets: Needles): WholeAnswer | FailedAnswer {
  const body = redacted(bytes, secrets);
  const metered = { ...nothingMetered, ...codec.meterResponse(parseAnswer(body)) };
  const { fault, usage, upstreamId, contentBytes } = metered;
  // An error under a status that says there is none: clients would take it for an answer.
  if (fault !== null && usage === null && upstreamId === null && contentBytes === 0)
    return { kind: "failed", error: faultOf(fault, secrets), metered };
  return { kind: "whole", body, contentType: "application/json", metered };
}

const decoder = new TextDecoder();

/** A whole answer as JSON. Throws `upstream-invalid`. */
export function parseAnswer(bytes: Uint8Array, parse: (text: string) => unknown = JSON.parse): JsonObject {
  let body: unknown;
  try {
    body = parse(decoder.decode(bytes));
  } catch {
    throw new GatewayError("upstream-invalid", "the provider's answer is not JSON");
  }
  if (!isJsonObject(body)) throw new GatewayError("upstream-invalid", "the provider's answer is not an object");
  return body;
}

function relaySource(
  { framing, read }: UpstreamEvents,
  dialect: Dialect,
  hideUsage: boolean,
  secrets: Needles,
): Source {
  const splitter = splitterOf(framing);
  const meter = dialect.relay.meterStream({ hideUsage });
  let ended = false;
  const source: Source = {
    metered: () => meter.result(),
    async next() {
      if (ended) return null;
      let rest: SseFrame | null = null;
      let isCut = false;
      try {
        const { value } = await read();
        if (value !== undefined) return passed(value);
        rest = splitter.rest();
      } catch (error) {
        // It broke when all of the answer was there: only its formal end is missing.
        const { complete, usage, fault } = meter.result();
        if (!complete || usage === null || fault !== null) throw error;
        isCut = true;
      }
      ended = true;
      const last = lastFrame(rest, splitter, meter);
      isCut ||= rest !== null && last.byteLength === 0;
      const end = meter.result().complete ? (meter.missingEnd?.(isCut) ?? "") : "";
      return last.byteLength + end.length > 0 ? redacted(joined([last, utf8.encode(end)]), secrets) : null;
    },
  };

  /**
   * Whole frames only: a comment or an error of ours always finds a place between two events, and a secret, which has no
   * line end, is never cut in two.
   */
  function passed(value: Uint8Array): Uint8Array {
    const carried = !splitter.atBoundary;
    const frames = splitter.push(value, meter);
    const shown = frames.filter(({ isShown }) => isShown);
    const asReceived = !carried && splitter.atBoundary && shown.length === frames.length;
    return redacted(asReceived ? value : joined(piecesOf(shown)), secrets);
  }

  if (!(splitter instanceof JsonArraySplitter)) return source;
  return {
    ...source,
    fail: (error) => arrayEnd(splitter, meter.result().fault === null ? dialect.encodeStreamError(error) : ""),
  };
}

/** An array must be closed, whatever became of the answer. */
function arrayEnd({ stage }: JsonArraySplitter, error: string): string {
  const writer = new JsonArrayWriter(stage);
  return writer.write(error) + writer.end();
}

/** A last frame without its blank line: SDKs read it, so it counts, unless it was cut off in the middle. */
function lastFrame(rest: SseFrame | null, splitter: SseSplitter | JsonArraySplitter, meter: StreamMeter): Uint8Array {
  const shown = rest !== null && meter.frame(rest);
  const { complete, fault } = meter.result();
  if (splitter instanceof JsonArraySplitter) {
    // Half an element is dropped: it would not parse.
    return (complete || fault !== null) && splitter.stage === "open"
      ? utf8.encode(arrayEnd(splitter, ""))
      : new Uint8Array(0);
  }
  return shown && (complete || fault !== null) && isReadable(rest) ? rest.bytes : new Uint8Array(0);
}

function isReadable({ data }: SseFrame): boolean {
  if (data === null || data.startsWith("[DONE]")) return true;
  try {
    JSON.parse(data);
    return true;
  } catch {
    return false;
  }
}

const utf8 = new TextEncoder();
