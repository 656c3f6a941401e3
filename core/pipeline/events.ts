import { collect } from "../chat/collect.ts";
import { GatewayError } from "../chat/error.ts";
import type { ChatEvent, ChatStream, Finish } from "../chat/event.ts";
import type { ChatRequest, Citation, MediaPart } from "../chat/request.ts";
import type { Dialect, Envelope, Metered, StreamEncoder } from "../dialects/dialect.ts";
import { framed, type Framing } from "../dialects/framing.ts";
import { Grammar } from "../chat/grammar.ts";
import { countFault, countTime, type HookTally } from "../plugin/hook-tally.ts";
import { toldError } from "../plugin/told-error.ts";
import { ReadFlow } from "../runtime/upstream-response.ts";
import { type BegunAnswer, nothingMetered, type Source } from "./answer.ts";
import type { Order } from "./order.ts";
import { toldUsage } from "./told-usage.ts";
import { hookOpened } from "./watchdog.ts";

interface EventsOptions {
  /** The client's. */
  readonly dialect: Dialect;
  readonly framing: Framing;
  readonly asked: ChatRequest;
  readonly envelope: Envelope;
  readonly signal: AbortSignal;
  /** Whose events they are. */
  readonly provider: string;
  /** Of its `chat`. */
  readonly tally: HookTally;
  /** Hears each event, before the client does. */
  readonly tell?: (event: ChatEvent) => void;
}

/** An answer that comes as canonical events: encoded in the client's dialect, streamed or collected as it asked. */
export async function fromEvents(
  events: ChatStream,
  { dialect, framing, asked, envelope, signal, provider, tally, tell }: EventsOptions,
): Promise<BegunAnswer> {
  const meter = eventMeter();
  const see = (event: ChatEvent) => {
    meter.see(event);
    tell?.(event);
  };
  const metered = abortable(events, signal, see, provider, tally);
  if (envelope.stream) {
    const encoder = framed(dialect.encodeStream({ includeUsage: envelope.includeUsage, asked }), dialect, framing);
    return { kind: "stream", framing, source: eventSource(metered, dialect, encoder, meter.result) };
  }
  const response = await collect(metered);
  return {
    kind: "whole",
    body: JSON.stringify(dialect.encodeResponse(response, asked)),
    metered: meter.result(),
  };
}

function eventSource(events: ChatStream, dialect: Dialect, encoder: StreamEncoder, metered: () => Metered): Source {
  const bytes = new TextEncoder();
  const iterator = events[Symbol.asyncIterator]();
  const flow = new ReadFlow(async () => {
    const { done, value } = await iterator.next();
    if (done) return {};
    try {
      return { value: bytes.encode(encoder.step(value)) };
    } catch (error) {
      // Nobody asks for more of them: whoever yielded them is let go.
      void iterator.return?.();
      throw error;
    }
  });
  return {
    metered,
    next: (waiter) => flow.next(waiter),
    fail: (error) => encoder.error?.(error) ?? dialect.encodeStreamError(error),
  };
}

/** Events in a row for longer than this stall every other call. */
const longestTurnMs = 10;

/** A plugin may not look at its signal: whoever waits for it is let go all the same. */
async function* abortable(
  events: ChatStream,
  signal: AbortSignal,
  see: (event: ChatEvent) => void,
  provider: string,
  tally: HookTally,
): ChatStream {
  const startedMs = performance.now();
  let iterator: AsyncIterator<ChatEvent> | null = null;
  // One for each wait: a promise for the whole stream would keep every event that was raced against it.
  let wait: PromiseWithResolvers<IteratorResult<ChatEvent>> | null = null;
  const stop = () => wait?.reject(signal.reason);
  signal.addEventListener("abort", stop);
  const hookEnded = hookOpened("provider", provider);
  const grammar = new Grammar();
  let done = false;
  let turnMs = startedMs;
  try {
    iterator = iteratorOf(events);
    while (true) {
      signal.throwIfAborted();
      wait = Promise.withResolvers();
      void Promise.resolve(iterator.next()).then(wait.resolve, wait.reject);
      const next = await wait.promise;
      if (next.done) {
        done = true;
        return;
      }
      const event = toldEvent(next.value);
      const fault = grammar.faultOf(event);
      if (fault !== null) throw new TypeError(`chat() broke the grammar of its events: ${event.type} ${fault}`);
      see(event);
      yield event;
      // What follows the end is nobody's business: it would be answered, counted or waited for.
      if (event.type === "response-end") return;
      if (performance.now() - turnMs > longestTurnMs) {
        // A plugin that waits for nothing between its events would keep timers, clients and all other calls waiting.
        await new Promise((resolve) => setImmediate(resolve));
        turnMs = performance.now();
      }
    }
  } catch (thrown) {
    const error = toldError(thrown);
    countFault(tally, error);
    throw error;
  } finally {
    hookEnded();
    countTime(tally, performance.now() - startedMs);
    signal.removeEventListener("abort", stop);
    if (iterator && !done) letGo(iterator);
  }
}

/** Whatever comes of that: the answer is told, or was not to be had. A plugin in plain JavaScript may return no promise. */
function letGo(iterator: AsyncIterator<ChatEvent>): void {
  Promise.try(() => iterator.return?.()).catch(() => {});
}

function iteratorOf(events: ChatStream): AsyncIterator<ChatEvent> {
  // A plugin in plain JavaScript may return anything.
  const returned: Partial<ChatStream> | null | undefined = events;
  const iterator = returned?.[Symbol.asyncIterator]?.();
  if (iterator === undefined)
    throw new TypeError(
      `chat() returned ${events instanceof Promise ? "a promise" : "nothing that yields"}: it must return an async iterable of events, as an async function* does`,
    );
  return iterator;
}

/** A plugin in plain JavaScript may yield anything; the answer and the record are made of it. */
function toldEvent(event: ChatEvent): ChatEvent {
  if ("candidate" in event && !isCount(event.candidate)) throw noEvent(event, "candidate");
  switch (event.type) {
    case "response-start":
      if (typeof event.id !== "string") throw noEvent(event, "id");
      if (typeof event.model !== "string") throw noEvent(event, "model");
      if (!Number.isFinite(event.createdMs)) throw noEvent(event, "createdMs");
      return event;
    case "text-end":
      if (event.citations?.every(isCitation) === false) throw noEvent(event, "citations");
      return event;
    case "text-delta":
    case "reasoning-delta":
    case "refusal-delta":
    case "tool-input-delta":
      if (typeof event.text !== "string") throw noEvent(event, "text");
      return event;
    case "tool-input-start":
      if (typeof event.id !== "string") throw noEvent(event, "id");
      if (typeof event.name !== "string") throw noEvent(event, "name");
      return event;
    case "media":
      if (!isMedia(event.part)) throw noEvent(event, "part");
      return event;
    case "candidate-end":
      if (!isFinish(event.finish)) throw noEvent(event, "finish");
      return event;
    case "response-end":
      return {
        type: "response-end",
        usage: toldUsage(event.usage),
        ...(event.extensions !== undefined && { extensions: event.extensions }),
      };
    default:
      return event;
  }
}

const noEvent = ({ type }: ChatEvent, field: string) =>
  new TypeError(`chat() yielded no event: the ${field} of a ${type} is malformed`);

const isCount = (value: unknown): boolean => Number.isSafeInteger(value) && Number(value) >= 0;

function isMedia(part: Partial<MediaPart> | null | undefined): boolean {
  const source = part?.source;
  switch (source?.by) {
    case "data":
      return typeof source.base64 === "string";
    case "url":
      return typeof source.url === "string";
    case "id":
      return typeof source.id === "string";
    default:
      return false;
  }
}

const isCitation = ({ url, title, quote, start, end }: Citation): boolean =>
  [url, title, quote].every((text) => typeof (text ?? "") === "string") &&
  [start, end].every((offset) => Number.isFinite(offset ?? 0));

const reasons: ReadonlySet<unknown> = new Set<Finish["reason"]>([
  "stop",
  "length",
  "tool-calls",
  "content-filter",
  "error",
  "other",
]);

function isFinish(finish: Partial<Finish> | null | undefined): boolean {
  const { reason, raw = null, stopSequence = "" } = finish ?? {};
  return reasons.has(reason) && (raw === null || typeof raw === "string") && typeof stopSequence === "string";
}

function eventMeter() {
  const encoder = new TextEncoder();
  const seen: { -readonly [Field in keyof Metered]: Metered[Field] } = { ...nothingMetered };
  return {
    result: (): Metered => ({ ...seen }),
    see(event: ChatEvent) {
      if ("text" in event) seen.contentBytes += encoder.encode(event.text).byteLength;
      else if (event.type === "candidate-end") seen.finish ??= event.finish.raw ?? event.finish.reason;
      else if (event.type === "response-start") seen.upstreamId = event.id;
      else if (event.type === "response-end") {
        seen.usage = event.usage;
        seen.complete = true;
      }
    },
  };
}

/**
 * A provider of the model form throws whatever its library throws: only a GatewayError's words are for the client, the others
 * are for the log.
 */
export function modelFault(
  thrown: unknown,
  { call, target, services }: Pick<Order, "call" | "target" | "services">,
): GatewayError {
  const error = toldError(thrown);
  if (error instanceof GatewayError) return error;
  if (!call.abort.aborted)
    services.logger.warn({ callId: call.id, provider: target.provider, error }, "a provider failed");
  return new GatewayError("upstream-invalid", "the provider failed", { cause: error });
}
