import { GatewayError } from "../../chat/error.ts";
import type { ChatEvent } from "../../chat/event.ts";
import type { ChatRequest } from "../../chat/request.ts";
import type { Dialect, ErrorBody, Metered, SseFrame, StreamEncoder } from "../../dialects/dialect.ts";
import { type Framing, splitterOf } from "../../dialects/framing.ts";
import { checkParts } from "../../dialects/stream-event.ts";
import { isAllThere } from "../answer.ts";
import { PassingSource } from "../passing.ts";
import { type Needles, redacted } from "../redact.ts";
import { brokenOff, faultOf } from "../upstream-error.ts";
import type { UpstreamEvents } from "../upstream-body.ts";

export type Emit = (event: ChatEvent) => void;

export interface Translation {
  readonly client: Dialect;
  readonly target: Dialect;
  /** What the client asked, as it asked it. */
  readonly asked: ChatRequest;
  readonly includeUsage: boolean;
  /** How the client wants its events. */
  readonly framing: Framing;
  /** Stands before what takes the client's events, and makes them of the target's. Once for each stream: it has a state. */
  readonly restore: (emit: Emit) => Emit;
  /** What the provider may know of us and the client must not. */
  readonly secrets: Needles;
}

/** The target's stream in the client's dialect, event by event; metered by what the target sent, as the relay does. */
export class TranslatedSource extends PassingSource {
  readonly #translation: Translation;
  readonly #splitter;
  readonly #meter;
  readonly #decoder;
  readonly #encoder: StreamEncoder;
  readonly #emit: Emit;
  /** What the current piece has become so far. */
  #text = "";
  /** The client has, or is about to get, more than the opening of an answer. */
  #hasSaid = false;
  /** Texts, thoughts and calls begun. */
  #parts = 0;
  /** The terminal event is told: nothing may follow. */
  #isEnded = false;
  #isOver = false;
  /** To be thrown when what came before it is delivered. */
  #failure: Error | null = null;

  constructor(events: UpstreamEvents, encoder: StreamEncoder, translation: Translation) {
    super(events.pieces);
    const { target } = translation;
    this.#splitter = splitterOf(events.framing);
    this.#translation = translation;
    this.#meter = target.relay.meterStream({ hideUsage: false });
    this.#decoder = target.decodeStream();
    this.#encoder = encoder;
    this.#emit = translation.restore((event) => this.#say(event));
  }

  /** Complete is what the client was told the end of, whatever the meter thinks. */
  metered(): Metered {
    return { ...this.#meter.result(), complete: this.#isEnded, isEnded: this.#isEnded };
  }

  fail(error: ErrorBody): string {
    return this.#encoder.error?.(error) ?? this.#translation.client.encodeStreamError(error);
  }

  protected left(): null | undefined {
    if (this.#failure !== null) throw this.#failure;
    if (this.#isOver) return null;
    this.#text = "";
    return undefined;
  }

  protected passed(piece: Uint8Array): Uint8Array {
    for (const frame of this.#splitter.push(piece)) {
      if (this.#isEnded) break;
      this.#frame(frame);
    }
    return this.#said();
  }

  protected ended(): Uint8Array | null {
    this.#finish();
    return this.#text === "" ? null : this.#said();
  }

  protected broken(error: unknown): Uint8Array | null {
    this.#isOver = true;
    // What follows the terminal event, if only the end of the connection, is nobody's business.
    if (!this.#isEnded && !this.#endsAllTheSame(error)) {
      this.#failure = this.#inOurWords(error);
      if (!this.#hasSaid) throw this.#failure;
    }
    return this.#text === "" && this.#failure === null ? null : this.#said();
  }

  #said(): Uint8Array {
    return redacted(utf8.encode(this.#text), this.#translation.secrets);
  }

  #frame(frame: SseFrame): void {
    this.#meter.frame(frame);
    const { data } = frame;
    if (data === null) return;
    for (const event of this.#decoder.step(data, frame.event)) this.#emit(event);
  }

  #say(event: ChatEvent): void {
    if (event.type.endsWith("-start")) checkParts(++this.#parts);
    this.#text += this.#encoder.step(event);
    if (event.type === "response-end") this.#isEnded = true;
    else if (event.type !== "response-start") this.#hasSaid = true;
    if (event.type !== "candidate-end" || event.finish.reason !== "error") return;
    // Some vendors tell a fault as the reason of the end.
    const { fault } = this.#meter.result();
    if (fault !== null) throw faultOf(fault, this.#translation.secrets);
  }

  /** The connection has come to its end. */
  #finish(): void {
    this.#isOver = true;
    if (this.#isEnded) return;
    const rest = this.#splitter.rest();
    if (rest !== null) this.#takeRest(rest);
    const { events, complete } = this.#decoder.end();
    if (!complete) throw brokenOff();
    for (const event of events) this.#emit(event);
  }

  /** A last frame without its blank line counts, unless it was cut off in the middle. */
  #takeRest(rest: SseFrame): void {
    try {
      this.#frame(rest);
    } catch (error) {
      if (this.#meter.result().fault !== null) throw error;
    }
  }

  /** The answer and its usage were there when the connection broke, or fell silent: only its formal end is missing. */
  #endsAllTheSame(error: unknown): boolean {
    const isOurs = error instanceof GatewayError && error.kind !== "upstream-timeout";
    if (!isAllThere(this.#meter.result()) || isOurs) return false;
    const end = this.#decoder.end();
    if (!end.complete) return false;
    for (const event of end.events) this.#emit(event);
    return true;
  }

  #inOurWords(error: unknown): Error {
    const { fault } = this.#meter.result();
    if (fault !== null) return faultOf(fault, this.#translation.secrets);
    return error instanceof Error ? error : brokenOff();
  }
}

const utf8 = new TextEncoder();
