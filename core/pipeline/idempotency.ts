import type { Buffer } from "node:buffer";
import { createHmac } from "node:crypto";
import { clearTimeout, setTimeout } from "node:timers";
import { GatewayError } from "../chat/error.ts";
import type { Logger, Principal } from "../plugin/plugin.ts";
import { opened } from "../runtime/seal.ts";
import type { AnswerRepository, KeptAnswer } from "../storage/kept-answer.ts";
import type { Call } from "./call.ts";
import type { Asked } from "./decode.ts";
import { keepingOf, unpacked } from "./keeping.ts";
import type { RecordingRoom } from "./recording.ts";

/**
 * `Idempotency-Key` (draft-ietf-httpapi-idempotency-key-header): the same key with the same request gets the answer of its
 * first call, which is made and charged once. A key belongs to the caller: its account, and its API key or its name at an
 * issuer.
 */
export interface Idempotency {
  /**
   * Ask it for calls that would be admitted alone. Who waits gets what it might have when it came, as a call in flight goes on.
   * The answer of the first call; `null`: this is the first, and from now on the call has its `keeping`.
   */
  begin(given: string, call: Call, principal: Principal, asked: Pick<Asked, "text">): Promise<Response | null>;
}

export interface IdempotencyOptions {
  readonly answers: AnswerRepository;
  /** Read for each call, because a reload changes them in place. */
  readonly settings: IdempotencySettings;
  /** 32 bytes each: for what is kept, and for the names it is kept under. */
  readonly sealKey: Buffer;
  readonly nameKey: Buffer;
  readonly logger: Logger;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
  /** A clock in ms that never steps. */
  readonly elapsed: () => number;
}
export interface IdempotencySettings {
  readonly ttlMs: number;
  /** How long a call waits for the first one with its key. */
  readonly waitMs: number;
  readonly maxAnswerBytes: number;
  readonly maxBytes: number;
  readonly maxKeys: number;
}

/** Of answers that are being recorded, all together. */
const maxRecordingBytes = 64 * 1_024 * 1_024;
/** Calls that wait for one and the same first call. */
const maxWaiting = 100;
const busyRetrySeconds = 2;

/** A first call that has not ended. */
interface Flight {
  readonly fingerprint: string;
  readonly ended: Promise<void>;
  waiting: number;
}

export function createIdempotency(options: IdempotencyOptions): Idempotency {
  const { answers, settings, sealKey, nameKey, logger, now, elapsed } = options;
  const flights = new Map<string, Flight>();
  const room: RecordingRoom = { bytes: 0, maxBytes: maxRecordingBytes };
  const digest = (parts: readonly string[], text = ""): string =>
    createHmac("sha256", nameKey)
      .update(`${JSON.stringify(parts)}\n${text}`)
      .digest("base64url");

  /** `false`: somebody else was first. */
  async function claimed(place: string, fingerprint: string, call: Call, accountId: string): Promise<boolean> {
    const { promise: ended, resolve } = Promise.withResolvers<void>();
    const onEnded = () => {
      flights.delete(place);
      resolve();
    };
    // Before anything is waited for, so that the next call finds it.
    flights.set(place, { fingerprint, ended, waiting: 0 });
    const createdMs = now();
    let isOurs = false;
    try {
      const row = { place, accountId, callId: call.id, fingerprint, createdMs, expiresMs: createdMs + settings.ttlMs };
      isOurs = await answers.claim(row, settings);
    } finally {
      if (!isOurs) onEnded();
    }
    if (isOurs)
      call.keeping = keepingOf({
        call,
        place,
        key: sealKey,
        answers,
        bounds: settings,
        maxAnswerBytes: settings.maxAnswerBytes,
        room,
        logger,
        onEnded,
      });
    return isOurs;
  }

  function replay(place: string, { callId, state, answer, call }: KeptAnswer): Response {
    if (state === "open" && call === "open") throw inUse();
    if (state === "open" || state === "broken") throw gone(callId, "ended without its whole answer");
    const plain = answer && opened(sealKey, [place, callId], answer);
    if (!plain) throw gone(callId, "was answered, but its answer is not kept");
    const counted = answers.replayed(place);
    if (counted instanceof Promise)
      counted.catch((error: unknown) => logger.warn({ callId, error }, "a replay could not be counted"));
    logger.info({ callId }, "an answer was replayed to its Idempotency-Key");
    const { headers, body } = unpacked(plain);
    headers["idempotent-replayed"] = "true";
    const isStream = headers["x-accel-buffering"] !== undefined;
    return new Response(isStream ? streamOf(body) : body, { headers });
  }

  return {
    async begin(given, call, principal, { text }) {
      if (!isKey(given))
        throw new GatewayError("invalid-request", "Idempotency-Key must be 1 to 255 printable ASCII characters", {
          code: "invalid_idempotency_key",
        });
      const { accountId, keyId, auth = "", name } = principal;
      const owner = keyId === null ? ["principal", accountId, auth, name] : ["key", accountId, keyId];
      const place = digest([...owner, given]);
      const { dialect, operation, framing = "sse" } = call.endpoint;
      const path = call.request ? new URL(call.request.url).pathname : "";
      const fingerprint = digest([dialect.name, operation, framing, path], text);
      const untilMs = elapsed() + settings.waitMs;
      for (;;) {
        const found = flights.has(place) ? null : await answers.find(place, now());
        const flight = flights.get(place);
        if ((flight ?? found ?? { fingerprint }).fingerprint !== fingerprint) throw otherRequest();
        if (flight) await endOf(flight, call, untilMs - elapsed());
        // Never admitted: the process died before anything was sent.
        else if (found?.state === "open" && found.call === "nowhere") await answers.free(place, found.callId);
        else if (found) return replay(place, found);
        else if (await claimed(place, fingerprint, call, accountId)) return null;
      }
    },
  };
}

/** The draft asks for a quoted string (RFC 8941); most clients send it bare. Either way the whole value is the key. */
const isKey = (given: string): boolean => /^[\x20-\x7e]{1,255}$/.test(given);

/** Throws when that takes too long, or when the call itself is given up. */
function endOf(flight: Flight, call: Call, forMs: number): Promise<void> {
  if (forMs <= 0 || flight.waiting >= maxWaiting) throw inUse();
  flight.waiting += 1;
  const { signal } = call.abort;
  return new Promise<void>((resolve, reject) => {
    const timer = setTimeout(() => end(inUse()), forMs);
    const onAbort = () => end(signal.reason instanceof Error ? signal.reason : inUse());
    function end(error: Error | null) {
      clearTimeout(timer);
      signal.removeEventListener("abort", onAbort);
      flight.waiting -= 1;
      if (error === null) resolve();
      else reject(error);
    }
    signal.addEventListener("abort", onAbort);
    void flight.ended.then(() => end(null));
  });
}

const inUse = () =>
  new GatewayError("conflict", "the first call with this Idempotency-Key has not ended yet", {
    code: "idempotency_key_in_use",
    retryAfterSeconds: busyRetrySeconds,
  });

const gone = (callId: string, what: string) =>
  new GatewayError(
    "conflict",
    `the first call with this Idempotency-Key, ${callId}, ${what}; it may have been charged. Another key makes the call again.`,
    { code: "idempotency_answer_gone", shouldRetry: false },
  );

const otherRequest = () =>
  new GatewayError("invalid-request", "this Idempotency-Key was used for another request", {
    code: "idempotency_key_reused",
    status: 422,
    shouldRetry: false,
  });

const pieceBytes = 65_536;

/** In pieces, as a stream is read: what came as one is no message with a length. */
function streamOf(body: Uint8Array<ArrayBuffer>): ReadableStream<Uint8Array> {
  let at = 0;
  return new ReadableStream<Uint8Array>(
    {
      pull(controller) {
        if (at < body.byteLength) controller.enqueue(body.subarray(at, (at += pieceBytes)));
        else controller.close();
      },
    },
    { highWaterMark: 0 },
  );
}
