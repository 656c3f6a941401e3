import { Buffer } from "node:buffer";
import type { Interrupt } from "../abort.ts";
import type { OutboundRequest, Transport, TransportOptions } from "../transport.ts";
import type { UpstreamResponse } from "../upstream-response.ts";
import { Exchange, type Outgoing } from "./exchange.ts";
import { asError } from "./fault.ts";
import { type Place, placeBook, placeOf } from "./place.ts";
import { connectionPool } from "./pool.ts";
import { requestHead } from "./request-head.ts";

/**
 * Sends over sockets of its own, by HTTP/1.1, and keeps them open. Throws `ConnectTimeoutError`, `EgressError`,
 * `HttpFault` or what a socket throws.
 */
export function socketTransport({ egress, connectTimeoutMs, now }: TransportOptions): Transport {
  const pool = connectionPool(now);
  const known = placeBook();
  function send(request: OutboundRequest, place: Place, signal: Interrupt, connectMs: number) {
    try {
      const exchange = new Exchange(outgoing(request, place), connectMs, signal);
      if (!exchange.isOver) pool.send(place, exchange);
      return exchange.answered;
    } catch (error) {
      return Promise.reject<UpstreamResponse>(asError(error));
    }
  }
  return (request, signal, connectMs = connectTimeoutMs) =>
    request.guarded
      ? egress.pin(request.url).then((pinned) => send(request, placeOf(request.url, pinned), signal, connectMs))
      : send(request, known(request.url), signal, connectMs);
}

function outgoing({ headers, body }: OutboundRequest, place: Place): Outgoing {
  const bodyBytes = Buffer.byteLength(body);
  const { text, isAscii } = requestHead(place, headers);
  const head = `${text}content-length: ${bodyBytes}\r\n\r\n`;
  const isAlone = headers["connection"] === "close";
  if (isAscii) return { data: head + body, byteLength: head.length + bodyBytes, isAlone };
  const data = Buffer.concat([Buffer.from(head, "latin1"), Buffer.from(body)]);
  return { data, byteLength: data.byteLength, isAlone };
}
