import { GatewayError } from "../chat/error.ts";
import { isJsonObject, type JsonObject } from "../chat/json.ts";
import type { WireCodec } from "../dialects/codec.ts";
import type { Dialect, ErrorBody, Metered, SseFrame, StreamMeter } from "../dialects/dialect.ts";
import { splitterOf } from "../dialects/framing.ts";
import { JsonArraySplitter, JsonArrayWriter } from "../dialects/json-array.ts";
import { ReceivedFrame } from "../dialects/received-frame.ts";
import type { SseSplitter } from "../dialects/sse.ts";
import { joined } from "../runtime/read-body.ts";
import { type Answer, type FailedAnswer, isAllThere, type WholeAnswer } from "./answer.ts";
import { PassingSource } from "./passing.ts";
import { type Needles, redacted } from "./redact.ts";
import { faultOf } from "./upstream-error.ts";
import type { UpstreamBody, UpstreamEvents } from "./upstream-body.ts";

interface RelayOptions {
  /** Of the operation. */
  readonly codec: WireCodec;
  /** Drop the usage chunk that only we asked for. */
  readonly hideUsage: boolean;
  readonly isSeveral?: boolean;
  /** What the provider may know of us and the client must not. */
  readonly secrets: Needles;
}

/** The upstream's own bytes, metered as they pass. */
export function relay(body: UpstreamBody, dialect: Dialect, { codec, secrets, ...metering }: RelayOptions): Answer {
  if (body.kind === "whole") return wholeAnswer(body.bytes, codec, secrets);
  const splitter = splitterOf(body.framing);
  const meter = dialect.relay.meterStream(metering);
  const source =
    splitter instanceof JsonArraySplitter
      ? new RelayedArray(body, splitter, meter, { dialect, secrets })
      : new RelaySource(body, splitter, meter, secrets);
  return { kind: "stream", framing: body.framing, source };
}

function wholeAnswer(bytes: Uint8Array, codec: WireCodec, secrets: Needles): WholeAnswer | FailedAnswer {
  const body = redacted(bytes, secrets);
  const metered = codec.meterResponse(parseAnswer(body));
  const { fault, usage, upstreamId, contentBytes } = metered;
  // An error under a status that says there is none: clients would take it for an answer.
  if (fault !== null && usage === null && upstreamId === null && contentBytes === 0)
    return { kind: "failed", error: faultOf(fault, secrets), metered };
  return { kind: "whole", body, metered };
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

type Splitter = SseSplitter | JsonArraySplitter;

class RelaySource extends PassingSource {
  readonly #splitter: Splitter;
  readonly #meter: StreamMeter;
  readonly #secrets: Needles;
  #ended = false;

  constructor({ pieces }: UpstreamEvents, splitter: Splitter, meter: StreamMeter, secrets: Needles) {
    super(pieces);
    this.#splitter = splitter;
    this.#meter = meter;
    this.#secrets = secrets;
  }

  metered(): Metered {
    return this.#meter.result();
  }

  protected left(): null | undefined {
    return this.#ended ? null : undefined;
  }

  /**
   * Whole frames only: a comment or an error of ours always finds a place between two events, and a secret, which has no
   * line end, is never cut in two.
   */
  protected passed(piece: Uint8Array): Uint8Array {
    return redacted(ReceivedFrame.shownOf(this.#splitter.push(piece, this.#meter)), this.#secrets);
  }

  protected ended(): Uint8Array | null {
    return this.#last(this.#splitter.rest(), false);
  }

  protected broken(error: unknown): Uint8Array | null {
    // It broke when all of the answer was there: only its formal end is missing.
    if (!isAllThere(this.#meter.result())) throw error;
    return this.#last(null, true);
  }

  #last(rest: SseFrame | null, isBroken: boolean): Uint8Array | null {
    this.#ended = true;
    const last = lastFrame(rest, this.#splitter, this.#meter);
    const isCut = isBroken || (rest !== null && last.byteLength === 0);
    const end = this.#meter.result().complete ? (this.#meter.missingEnd?.(isCut) ?? "") : "";
    return last.byteLength + end.length > 0 ? redacted(joined([last, utf8.encode(end)]), this.#secrets) : null;
  }
}

class RelayedArray extends RelaySource {
  readonly #splitter: JsonArraySplitter;
  readonly #dialect: Dialect;

  constructor(body: UpstreamEvents, splitter: JsonArraySplitter, meter: StreamMeter, parties: Parties) {
    super(body, splitter, meter, parties.secrets);
    this.#splitter = splitter;
    this.#dialect = parties.dialect;
  }

  fail(error: ErrorBody): string {
    return arrayEnd(this.#splitter, this.metered().fault === null ? this.#dialect.encodeStreamError(error) : "");
  }
}

interface Parties {
  readonly dialect: Dialect;
  readonly secrets: Needles;
}

/** An array must be closed, whatever became of the answer. */
function arrayEnd({ stage }: JsonArraySplitter, error: string): string {
  const writer = new JsonArrayWriter(stage);
  return writer.write(error) + writer.end();
}

/** A last frame without its blank line: SDKs read it, so it counts, unless it was cut off in the middle. */
function lastFrame(rest: SseFrame | null, splitter: Splitter, meter: StreamMeter): Uint8Array {
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
