import { Buffer } from "node:buffer";
import { decoded } from "../decoded.ts";
import type { OutboundRequest, Transport, TransportOptions } from "../transport.ts";
import { Exchange, type Outgoing } from "./exchange.ts";
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
  return async (request, signal, connectMs = connectTimeoutMs) => {
    const place = request.guarded ? placeOf(request.url, await egress.pin(request.url)) : known(request.url);
    const exchange = new Exchange(outgoing(request, place), connectMs, signal);
    if (!exchange.isOver) pool.send(place, exchange);
    const response = await exchange.answered;
    return response.headers.get("content-encoding") === null ? response : decoded(response);
  };
}

function outgoing({ headers, body }: OutboundRequest, place: Place): Outgoing {
  const bodyBytes = Buffer.byteLength(body);
  const head = `${requestHead(place, headers)}content-length: ${bodyBytes}\r\n\r\n`;
  const isAlone = headers["connection"] === "close";
  if (ascii.test(head)) return { data: head + body, byteLength: head.length + bodyBytes, isAlone };
  const data = Buffer.concat([Buffer.from(head, "latin1"), Buffer.from(body)]);
  return { data, byteLength: data.byteLength, isAlone };
}

const ascii = /^[\0-\x7f]*$/;
