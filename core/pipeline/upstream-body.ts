import { maxAnswerBytes } from "../chat/collect.ts";
import { GatewayError } from "../chat/error.ts";
import type { Framing } from "../dialects/framing.ts";
import { startsLikeArray } from "../dialects/json-array.ts";
import type { Awaitable } from "../plugin/plugin.ts";
import { joined } from "../runtime/read-body.ts";
import { type Flow, nextOf, type Pieces, type UpstreamResponse } from "../runtime/upstream-response.ts";

/** One that does not say its length may be a decompression bomb, and lies in memory in pieces until its end. */
const maxUntoldBytes = 64 * 1024 * 1024;

/**
 * Whether the body under a status is an answer. Some servers say 201 to each POST, as NestJS does of itself
 * (https://docs.nestjs.com/controllers#status-code), and a proxy that touched the answer says 203. Under others of the
 * kind it is not there yet (202), not at all (204, 205) or only a part (206).
 */
export const isAnswer = (status: number): boolean => status === 200 || status === 201 || status === 203;

/** The body of an answer: in one piece, or to be read as a stream of events. */
export type UpstreamBody = { readonly kind: "whole"; readonly bytes: Uint8Array } | UpstreamEvents;
export interface UpstreamEvents {
  readonly kind: "events";
  readonly framing: Framing;
  readonly pieces: Flow;
}

/** `stream`: the call asked for a stream. What comes decides: vendors stream unasked, and answer streams with one piece. */
export function upstreamBody(response: UpstreamResponse, stream: boolean): Awaitable<UpstreamBody> {
  const { length } = response;
  if (stream || length === null || length > maxAnswerBytes) return asItComes(response, stream);
  // A length that is known and bounded: so it can be read in one piece, which is the cheapest way.
  const bytes = response.bytes();
  return bytes instanceof Promise ? bytes.then(whole) : whole(bytes);
}

async function asItComes(response: UpstreamResponse, stream: boolean): Promise<UpstreamBody> {
  const body = response.body();
  if (!body) throw new GatewayError("upstream-invalid", "the provider sent an empty answer");

  const isStream = /^text\/event-stream\b/i.test(response.headers.get("content-type") ?? "");
  if (isStream) return { kind: "events", framing: "sse", pieces: body };

  // Some vendors stream under another type, or none: then the first bytes tell.
  const first = await beginning(body);
  const pieces = first === null ? body : from(first, body);
  if (stream && first !== null) {
    if (startsLikeSse(first)) return { kind: "events", framing: "sse", pieces };
    if (startsLikeArray(first)) return { kind: "events", framing: "json-array", pieces };
  }
  return whole(await readWhole(pieces, () => void body.cancel().catch(() => {})));
}

/** As many pieces as it takes to tell a stream from an answer in one piece: a network may cut after the first byte. */
async function beginning(body: Pieces): Promise<Uint8Array | null> {
  let first = await nextOf(body);
  while (first !== null && isUndecided(first)) {
    const next = await nextOf(body);
    if (next === null) break;
    first = joined([first, next]);
  }
  return first;
}

/** Blank, or cut within the first word of an event, or within a byte order mark. */
function isUndecided(bytes: Uint8Array): boolean {
  if (bytes.byteLength > 64) return false;
  const text = decoder
    .decode(bytes)
    .replace(/^\uFFFD+/, "")
    .trimStart();
  return ["data:", "event:", "id:", "retry:"].some((field) => field.startsWith(text) && field !== text);
}

/** `first`: is read already. Apart: a function made where the response is at hand would keep it as long as the stream. */
function from(first: Uint8Array, body: Pieces): Flow {
  let unread: Uint8Array | null = first;
  return {
    next(waiter) {
      const piece = unread ?? body.next(waiter);
      unread = null;
      return piece;
    },
  };
}

/** Whether bytes that came under another type, or all at once, are server-sent events. */
export const startsLikeSse = (bytes: Uint8Array): boolean =>
  // Most answers are objects: not looked at any further.
  bytes[0] !== brace && /^\uFEFF?\s*(?:data|event|id|retry)?:/.test(decoder.decode(bytes.subarray(0, 64)));

const brace = 0x7b;
const decoder = new TextDecoder();

function whole(bytes: Uint8Array): UpstreamBody {
  if (bytes.byteLength === 0) throw new GatewayError("upstream-invalid", "the provider sent an empty answer");
  return { kind: "whole", bytes };
}

async function readWhole(flow: Flow, cancel: () => void): Promise<Uint8Array> {
  const pieces: Uint8Array[] = [];
  let bytes = 0;
  for (let piece = await nextOf(flow); piece !== null; piece = await nextOf(flow)) {
    bytes += piece.byteLength;
    if (bytes > maxUntoldBytes) {
      cancel();
      throw new GatewayError("upstream-invalid", "the provider's answer is too large");
    }
    pieces.push(piece);
  }
  return joined(pieces);
}
