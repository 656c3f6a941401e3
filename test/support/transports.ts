import { expect } from "bun:test";
import { createEgress } from "../../core/runtime/egress.ts";
import { socketTransport } from "../../core/runtime/http1/transport.ts";
import { fetchTransport, type OutboundRequest, type TransportOptions } from "../../core/runtime/transport.ts";
import { nextOf, type Pieces, type UpstreamResponse } from "../../core/runtime/upstream-response.ts";
import { type Answering, type Peer, type Peers, startPeers } from "./peer.ts";

/** Both ways to a provider, and peers that send them what they are told to. */

/** What time it is to both. */
export const clock = { atMs: 0 };
const options: TransportOptions = {
  egress: createEgress({ allow: ["127.0.0.1"], now: () => clock.atMs, resolve: () => Promise.resolve(["127.0.0.1"]) }),
  connectTimeoutMs: 5_000,
  now: () => clock.atMs,
  env: {},
};
const transports = { fetch: fetchTransport, sockets: socketTransport } as const;
export type Kind = keyof typeof transports;
/** For `describe.each`. */
export const kinds: readonly Kind[] = ["fetch", "sockets"];
const running: Peers[] = [];
export function stopPeers(): void {
  for (const peers of running.splice(0)) peers.stop();
}

export async function peersThat(answer: Answering, greet?: (peer: Peer) => void): Promise<Peers> {
  const peers = await startPeers(answer, greet);
  running.push(peers);
  return peers;
}
/** Each connection's first request is answered so, and a further one with `again`. */
export const sends =
  (...pieces: (string | Uint8Array)[]): Answering =>
  async (peer) => {
    for (const piece of peer.requests.length === 1 ? pieces : [whole("again")]) await peer.send(piece);
  };
export const sendsAndEnds =
  (...pieces: string[]): Answering =>
  async (peer) => {
    for (const piece of pieces) await peer.send(piece);
    peer.end();
  };

export const whole = (body: string, more = "", status = "200 OK"): string =>
  `HTTP/1.1 ${status}\r\n${more}Content-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`;
export const chunkedHead = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
const never = new AbortController().signal;

export const textOf = (bytes: Uint8Array): string => Buffer.from(bytes).toString("latin1");
export async function piecesOf(response: UpstreamResponse): Promise<string> {
  const pieces = response.body();
  let text = "";
  if (!pieces) return text;
  for (let piece = await nextOf(pieces); piece; piece = await nextOf(pieces)) text += textOf(piece);
  return text;
}
/** The body as far as it came, and what ended it. */
export async function outcome(answer: Promise<UpstreamResponse>): Promise<string> {
  let text = "";
  try {
    const response = await answer;
    text = `${response.status} `;
    const pieces = response.body();
    if (!pieces) return text;
    for (let piece = await nextOf(pieces); piece; piece = await nextOf(pieces)) text += textOf(piece);
    return text;
  } catch (error) {
    expect(error).toBeInstanceOf(Error);
    return `${text}!`;
  }
}
export const codeOf = (error: unknown): unknown =>
  error instanceof Error && "code" in error ? error.code : error instanceof Error ? error.name : error;
export const failure = async (answer: Promise<UpstreamResponse>): Promise<unknown> =>
  codeOf(await answer.catch((error: unknown) => error));

/** How a test asks by one of them. */
export function askerOf(kind: Kind) {
  const transport = transports[kind](options);
  const ask = ({ url }: Pick<Peers, "url">, { signal = never, connectMs, ...more }: Asked = {}) =>
    transport({ url, headers: {}, body: "{}", ...more }, signal, connectMs);
  const text = async (peers: Pick<Peers, "url">, more?: Asked) => textOf(await (await ask(peers, more)).bytes());
  return { isFetch: kind === "fetch", ask, text };
}
type Asked = Partial<OutboundRequest> & { readonly signal?: AbortSignal; readonly connectMs?: number };

/** The next piece of a body that is there. */
export function readOf(pieces: Pieces | null): Promise<Uint8Array | null> {
  if (!pieces) throw new Error("no body");
  return nextOf(pieces);
}
