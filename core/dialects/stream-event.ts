import { GatewayError } from "../chat/error.ts";
import type { ChatEvent } from "../chat/event.ts";
import { isJsonObject, type Json, type JsonObject } from "../chat/json.ts";
import type { StreamDecoder, VendorError } from "./dialect.ts";

/** The state after a step, and what it said. */
export type DecoderStep<State> = readonly [State, readonly ChatEvent[]];

/**
 * A decoder of one stream out of its two pure functions. `end` also tells whether the answer was complete; it closes what
 * is open, so that a second end says nothing more.
 */
export function streamDecoder<State>(
  initial: State,
  step: (state: State, data: string, event: string | null) => DecoderStep<State>,
  end: (state: State) => { readonly last: DecoderStep<State>; readonly complete: boolean },
): StreamDecoder {
  let state = initial;
  return {
    step(data, event) {
      const [next, events] = step(state, data, event);
      state = next;
      return events;
    },
    end() {
      const { last, complete } = end(state);
      state = last[0];
      return { events: last[1], complete };
    },
  };
}

/** The `data` of an event that is passed on as it came, to be metered. `undefined`: it is not JSON, and says nothing. */
export function parsedData(data: string): Json | undefined {
  try {
    // JSON.parse returns JSON values.
    return JSON.parse(data) as Json;
  } catch {
    return undefined;
  }
}

/** The `data` of an event as an object. Throws `upstream-invalid`; `rule` says what the event is not: "is none of a message". */
export function readStreamEvent(data: string, rule: string, parse: (text: string) => unknown = JSON.parse): JsonObject {
  let event: unknown;
  try {
    event = parse(data);
  } catch {
    throw notAnEvent(rule); // The engine's message would quote the answer.
  }
  if (!isJsonObject(event)) throw notAnEvent(rule);
  return event;
}

export const notAnEvent = (rule: string): GatewayError =>
  new GatewayError("upstream-invalid", `The provider's stream has an event that ${rule}.`, { code: "invalid_answer" });

/** What a decoder throws for an error inside a stream. The vendor's words are in `cause`, for the log. */
export const streamFault = (fault: VendorError, code: string | null = fault.code): GatewayError =>
  new GatewayError("upstream-invalid", "The provider broke off its answer with an error.", {
    ...(code === null ? {} : { code }),
    cause: fault,
  });

/** Of one answer; models have dozens. Each is looked for among those before it, so that many more would hold up everybody. */
const maxParts = 4_096;

/** Throws when an answer has more than that: of what a client is told, and of what a decoder keeps until it knows more. */
export function checkParts(count: number): void {
  if (count > maxParts)
    throw new GatewayError("upstream-invalid", "the provider's answer has too many parts", {
      code: "provider_answer_too_large",
    });
}
