import { gzipSync } from "node:zlib";
import { setTimeout as pause } from "node:timers/promises";
import type { DialectName } from "../../core/dialects/dialect.ts";
import { randomOf } from "../support/random.ts";
import { head, openStream, whole } from "../support/scripts.ts";
import { spokenStream, spokenWhole, type Turn } from "../support/spoken.ts";
import type { Exchange } from "../support/upstream.ts";

/** What an upstream does with one request. */
export interface Plan {
  readonly kind: Kind;
  /** Where in the answer, as a share of its bytes. */
  readonly at: number;
  readonly ms: number;
  readonly pick: number;
}
export type Kind = (typeof kinds)[number];

/** Those whose answer is whole all the same: the client must see it. */
const harmless = ["late", "drip", "other type", "no length", "comments", "unasked second", "usage lies"] as const;
const broken = [
  "status",
  "reset before",
  "close before",
  "hang",
  "head, then nothing",
  "reset",
  "fin",
  "stall",
  "bad chunk",
  "garbage",
  "error event",
  "error in 200",
  "page in 200",
  "empty 200",
  "length too long",
  "length too short",
  "giant line",
  "bomb",
  "giant head",
  "no HTTP",
] as const;
const kinds = ["good", ...harmless, ...broken] as const;
export const isWhole = (kind: Kind): boolean => kind === "good" || harmless.some((one) => one === kind);

/** Large ones cost seconds of CPU when they come often. */
const rare: ReadonlySet<Kind> = new Set(["giant line", "bomb", "giant head", "hang", "head, then nothing", "stall"]);

/** Of the `attempt`-th request for call `call`: the same for the same seed, whatever runs beside it. */
export function planOf(seed: number, call: number, attempt: number, mayLie: boolean): Plan {
  const random = randomOf(seed ^ Math.imul(call + 1, 2_654_435_761) ^ Math.imul(attempt + 1, 40_503));
  const dice = random.below(100);
  const drawn = () => broken[random.below(broken.length)] ?? "reset";
  let kind: Kind = "good";
  if (dice >= 70) {
    kind = drawn();
    // A second throw, so that most of the rare ones become others.
    if (rare.has(kind) && random.below(4) > 0) kind = drawn();
  } else if (dice >= 45) kind = harmless[random.below(harmless.length)] ?? "late";
  if (kind === "usage lies" && !mayLie) kind = "drip";
  return { kind, at: random.below(1_000) / 1_000, ms: 1 + random.below(60), pick: random.below(1_000) };
}

export interface Answered {
  readonly dialect: DialectName;
  readonly stream: boolean;
  readonly turn: Turn;
  readonly id: string;
}

/**
 * Answers one request as planned, and tells whether all of the answer was sent; `end`: only what says that it is over was
 * missing, so that it may count as whole.
 */
export async function act(exchange: Exchange, plan: Plan, answered: Answered): Promise<"yes" | "no" | "end"> {
  if (isWhole(plan.kind)) return (await actWhole(exchange, plan, answered)) ? "yes" : "no";
  const text = textOf(answered);
  await fail(exchange, plan, text, answered.stream);
  const isCut = plan.kind !== "error event" && plan.kind !== "error in 200";
  return answered.stream && isCut && finish.test(text.slice(0, cutOf(plan, text))) ? "end" : "no";
}

const finish = /"finish_reason":"stop"|"stop_reason":"end_turn"|"type":"response.completed"|"finishReason":"STOP"/;
const cutOf = ({ at }: Plan, text: string): number => Math.floor(text.length * at);

async function actWhole(exchange: Exchange, plan: Plan, answered: Answered): Promise<boolean> {
  const { kind, ms } = plan;
  const { stream } = answered;
  const text = textOf(answered);
  switch (kind) {
    case "late":
      await Promise.race([pause(ms), exchange.over]);
      return good(exchange, text, stream);
    case "good":
      return good(exchange, text, stream);
    case "drip":
      return drip(exchange, text, stream, ms);
    case "other type":
      // What comes decides, not what it is called.
      return good(exchange, text, stream, stream ? "text/plain" : "text/html");
    case "no length":
      await exchange.write(`${head(200, { "content-type": typeOf(stream), connection: "close" })}${text}`);
      exchange.close();
      return !exchange.abandoned;
    case "comments":
      return good(
        exchange,
        stream ? `: one\n\n${text.replaceAll(/\n\r?\n/g, "$&: more\n\n")}` : ` \n${text}\n `,
        stream,
      );
    case "unasked second": {
      // At once with the first: of one that comes when the next request is out, nobody could tell whose it is.
      const length = String(Buffer.byteLength(text));
      const second = `${head(200, { "content-type": "application/json", "content-length": "7" })}"~poke"`;
      await exchange.write(
        `${head(200, { "content-type": typeOf(stream), "content-length": length })}${text}${second}`,
      );
      exchange.finish();
      return true;
    }
    case "usage lies":
      return good(
        exchange,
        text.replaceAll(usages, (_, name: string) => `"${name}":${lies[plan.pick % lies.length]}`),
        stream,
      );
    default:
      return false;
  }
}

async function fail(exchange: Exchange, plan: Plan, text: string, stream: boolean): Promise<void> {
  const { kind, ms, pick } = plan;
  const cut = cutOf(plan, text);
  const error = JSON.stringify({
    error: { message: "scripted to fail", type: "server_error", code: 500, status: "INTERNAL" },
  });
  switch (kind) {
    case "status": {
      const status = statuses[pick % statuses.length] ?? 500;
      const waits = ["0", "1", "1e9", "-1", "x", "Wed, 21 Oct 2015 07:28:00 GMT"];
      return whole(exchange, status, error, {
        "content-type": "application/json",
        "retry-after": waits[pick % 6] ?? "0",
      });
    }
    case "reset before":
      return exchange.reset();
    case "close before":
      return exchange.close();
    case "hang":
      return exchange.over;
    case "head, then nothing":
      await exchange.write(head(200, { "content-type": typeOf(stream), "content-length": "500" }));
      return exchange.over;
    case "error in 200":
      return whole(exchange, 200, stream ? errorEvent : error, { "content-type": typeOf(stream) });
    case "page in 200":
      return whole(exchange, 200, "<html><body>busy</body></html>", { "content-type": "text/html" });
    case "empty 200":
      return whole(exchange, 200, "", { "content-type": typeOf(stream) });
    case "length too long":
      await exchange.write(
        head(200, { "content-type": typeOf(stream), "content-length": String(text.length + 9) }) + text.slice(0, cut),
      );
      return exchange.close();
    case "length too short":
      // The rest of the bytes are no answer to whatever comes next on this connection.
      await exchange.write(
        head(200, { "content-type": typeOf(stream), "content-length": String(Math.min(cut, text.length - 8)) }) + text,
      );
      return exchange.finish();
    case "bomb":
      return whole(exchange, 200, bomb, { "content-type": typeOf(stream), "content-encoding": "gzip" });
    case "giant head":
      await exchange.write(head(200, { "content-type": typeOf(stream), "x-large": "a".repeat(1_000_000) }));
      return exchange.close();
    case "no HTTP":
      await exchange.write("SSH-2.0-OpenSSH_9.2\r\n\r\n");
      return exchange.close();
    default:
      return failInside(exchange, kind, stream ? cut : 0, text, ms);
  }
}

/** A stream that has begun, and goes wrong at its byte `cut`. */
async function failInside(exchange: Exchange, kind: Kind, cut: number, text: string, ms: number): Promise<void> {
  const stream = await openStream(exchange);
  // All but the last line end is a whole answer: an error behind it would be a second end, and the upstream's own.
  const most = kind === "error event" ? text.trimEnd().length - 1 : text.length;
  await stream.send(text.slice(0, Math.min(cut, most)));
  await Promise.race([pause(ms), exchange.over]);
  if (exchange.abandoned) return;
  switch (kind) {
    case "reset":
      return exchange.reset();
    case "stall":
      return exchange.over;
    case "bad chunk":
      await exchange.write("zz\r\n");
      return exchange.close();
    case "giant line": {
      const piece = Buffer.alloc(512 * 1024, "x");
      await stream.send("\n\ndata: ");
      for (let sent = 0; sent < 20 && !exchange.abandoned; sent++) await stream.send(piece);
      return exchange.over;
    }
    case "garbage":
      await stream.send(Buffer.from([0xff, 0xfe, 0x00, 0x80, 0x0a, 0x0a]));
      await stream.send("<html>\n\ndata: [\n\ndata: null\n\n");
      return stream.end();
    case "error event":
      await stream.send(`\n\n${errorEvent}`);
      return stream.end();
    default:
      return exchange.close();
  }
}

async function good(exchange: Exchange, text: string, stream: boolean, type = typeOf(stream)): Promise<boolean> {
  if (!stream) {
    await whole(exchange, 200, text, { "content-type": type });
    return true;
  }
  const open = await openStream(exchange, "chunked", type);
  await open.send(text);
  if (exchange.abandoned) return false;
  await open.end();
  return true;
}

/** In pieces of a few bytes, cut anywhere, also inside a character. */
async function drip(exchange: Exchange, text: string, stream: boolean, ms: number): Promise<boolean> {
  const bytes = Buffer.from(text);
  const step = Math.max(Math.ceil(bytes.length / 40), 1 + ms);
  const open = stream ? await openStream(exchange) : null;
  if (!open)
    await exchange.write(head(200, { "content-type": typeOf(stream), "content-length": String(bytes.length) }));
  let at = 0;
  for (; at < bytes.length && !exchange.abandoned; at += step) {
    const piece = bytes.subarray(at, at + step);
    await (open ? open.send(piece) : exchange.write(piece));
    await Promise.race([pause(2), exchange.over]);
  }
  // Whoever has the last event does not wait for the last chunk.
  if (exchange.abandoned) return at >= bytes.length;
  if (open) await open.end();
  else exchange.finish();
  return true;
}

const textOf = ({ dialect, stream, turn, id }: Answered): string =>
  (stream ? spokenStream : spokenWhole)(dialect, turn).replaceAll(
    ids[dialect],
    (_, name: string) => `"${name}":"${id}"`,
  );

const ids: Readonly<Record<DialectName, RegExp>> = {
  "openai-chat": /"(id)":"chatcmpl-1"/g,
  "openai-responses": /"(id)":"resp_1"/g,
  "anthropic-messages": /"(id)":"msg_1"/g,
  gemini: /"(responseId)":"gem-\d+"/g,
};

/** As each of the four protocols would tell it. */
const errorEvent =
  'event: error\ndata: {"type":"error","error":{"message":"scripted","type":"overloaded_error","code":503,"status":"X"}}\n\n';
const typeOf = (stream: boolean): string => (stream ? "text/event-stream" : "application/json");
const statuses = [400, 401, 403, 404, 408, 413, 422, 429, 429, 500, 500, 502, 503, 503, 504, 529, 302, 204, 999];
const usages =
  /"(prompt_tokens|input_tokens|promptTokenCount|completion_tokens|output_tokens|candidatesTokenCount)":\d+/g;
const lies = ["-5", '"many"', "1e30", "null", "2.5", "9007199254740993", "0", "[]", "true"];
const bomb = gzipSync(Buffer.alloc(96 * 1024 * 1024, " "), { level: 1 });
