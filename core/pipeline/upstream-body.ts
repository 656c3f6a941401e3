import { GatewayError } from "../chat/error.ts";
import type { Framing } from "../dialects/framing.ts";
import { startsLikeArray } from "../dialects/json-array.ts";
import { joined } from "../runtime/read-body.ts";
import type { Piece, Pieces, UpstreamResponse } from "../runtime/upstream-response.ts";

/** A whole answer larger than this is no answer of a language model. */
const maxAnswerBytes = 128 * 1024 * 1024;
/** One that does not say its length may be a decompression bomb, and lies in memory in pieces until its end. */
const maxUntoldBytes = 64 * 1024 * 1024;

type Read = () => Promise<Piece>;

/** The body of a 200 answer: in one piece, or to be read as a stream of events. */
export type UpstreamBody = { readonly kind: "whole"; readonly bytes: Uint8Array } | UpstreamEvents;
export interface UpstreamEvents {
  readonly kind: "events";
  readonly framing: Framing;
  readonly read: Read;
}

/** `stream`: the call asked for a stream. What comes decides: vendors stream unasked, and answer streams with one piece. */
export async function upstreamBody(response: UpstreamResponse, stream: boolean): Promise<UpstreamBody> {
  // A length that is known and bounded: so it can be read in one piece, which is the cheapest way.
  const { length } = response;
  if (!stream && length !== null && length <= maxAnswerBytes) return whole(await response.bytes());
  const body = response.body();
  if (!body) throw new GatewayError("upstream-invalid", "the provider sent an empty answer");

  const isStream = /^text\/event-stream\b/i.test(response.headers.get("content-type") ?? "");
  if (isStream) return { kind: "events", framing: "sse", read: readsOf(body) };

  // Some vendors stream under another type, or none: then the first bytes tell.
  const first = await beginning(body);
  const read = readsOf(body, first);
  if (stream && first.value !== undefined) {
    if (startsLikeSse(first.value)) return { kind: "events", framing: "sse", read };
    if (startsLikeArray(first.value)) return { kind: "events", framing: "json-array", read };
  }
  return whole(await readWhole(read, () => void body.cancel().catch(() => {})));
}

/** As many pieces as it takes to tell a stream from an answer in one piece: a network may cut after the first byte. */
async function beginning(body: Pieces): Promise<Piece> {
  let first = await body.read();
  while (first.value !== undefined && isUndecided(first.value)) {
    const next = await body.read();
    if (next.value === undefined) break;
    first = { done: false, value: joined([first.value, next.value]) };
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
function readsOf(body: Pieces, first: Piece | null = null): Read {
  let unread = first;
  return () => {
    const next = unread ? Promise.resolve(unread) : body.read();
    unread = null;
    return next;
  };
}

/** Whether bytes that came under another type are server-sent events. */
export const startsLikeSse = (bytes: Uint8Array): boolean =>
  /^\uFEFF?\s*(?:data|event|id|retry)?:/.test(decoder.decode(bytes.subarray(0, 64)));

const decoder = new TextDecoder();

function whole(bytes: Uint8Array): UpstreamBody {
  if (bytes.byteLength === 0) throw new GatewayError("upstream-invalid", "the provider sent an empty answer");
  return { kind: "whole", bytes };
}

async function readWhole(read: Read, cancel: () => void): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for (let { value } = await read(); value !== undefined; { value } = await read()) {
    bytes += value.byteLength;
    if (bytes > maxUntoldBytes) {
      cancel();
      throw new GatewayError("upstream-invalid", "the provider's answer is too large");
    }
    chunks.push(value);
  }
  return joined(chunks);
}
