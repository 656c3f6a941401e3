import { Buffer } from "node:buffer";
import type { Logger } from "../plugin/plugin.ts";
import { sealed } from "../runtime/seal.ts";
import type { Final } from "../storage/database.ts";
import type { AnswerBounds, AnswerRepository } from "../storage/kept-answer.ts";
import type { Source, StreamedAnswer } from "./answer.ts";
import type { Call } from "./call.ts";
import { Recording, type RecordingRoom } from "./recording.ts";

/** The first call with an `Idempotency-Key`: what it answers is kept for those that come with the same one. */
export interface Keeping {
  /** `headers`: names in lower case, here and below. */
  whole(headers: Readonly<Record<string, string>>, body: Uint8Array | string): void;
  /** The same answer; what passes is recorded, also while it is drained because the client has left. */
  recorded(headers: Readonly<Record<string, string>>, first: Uint8Array | null, answer: StreamedAnswer): StreamedAnswer;
  /**
   * Ends the claim. Called in the turn that the final record is written in, so that both are one transaction. `final`:
   * `null` when the call was refused. Never rejects.
   */
  end(final: Pick<Final, "source" | "errorKind"> | null, isComplete: boolean): Promise<void>;
}

export interface KeepingOptions {
  readonly call: Call;
  readonly place: string;
  /** 32 bytes. */
  readonly key: Buffer;
  readonly answers: AnswerRepository;
  readonly bounds: AnswerBounds;
  readonly maxAnswerBytes: number;
  readonly room: RecordingRoom;
  readonly logger: Logger;
  /** What was written is there for others, or could not be written. */
  readonly onEnded: () => void;
}

export function keepingOf(options: KeepingOptions): Keeping {
  const { call, place, key, answers, bounds, logger, onEnded } = options;
  const recording = new Recording(options.maxAnswerBytes, options.room);
  let told: Readonly<Record<string, string>> = {};
  let isWhole = false;

  async function written(final: Parameters<Keeping["end"]>[0], isComplete: boolean): Promise<void> {
    const body = recording.take();
    const isCharged = final !== null && final.source !== "none";
    const isFailed = final === null || final.errorKind !== null;
    const hasAll = isWhole || isComplete;
    // What cost nothing may be tried again; what cost something must not cost it again in silence.
    if (!isCharged && (isFailed || !hasAll)) return answers.free(place, call.id);
    if (!hasAll) return answers.leave(place, call.id, "broken");
    if (body === null) return answers.leave(place, call.id, "unkept");
    return answers.keep(place, call.id, sealed(key, [place, call.id], packed(told, body)), bounds);
  }

  return {
    whole(headers, body) {
      isWhole = true;
      told = lasting(headers, call);
      // A text has at least as many bytes as it has characters.
      if (body.length > options.maxAnswerBytes) void recording.take();
      else recording.push(typeof body === "string" ? Buffer.from(body) : body);
    },
    recorded(headers, first, answer) {
      told = lasting(headers, call);
      if (first) recording.push(first);
      const { source } = answer;
      const { fail } = source;
      const passing: Source = {
        next(waiter) {
          const piece = source.next({
            came(later) {
              if (later) recording.push(later);
              waiter.came(later);
            },
            failed: (error) => waiter.failed(error),
          });
          if (piece) recording.push(piece);
          return piece;
        },
        metered: () => source.metered(),
        ...(fail && { fail: (error) => fail.call(source, error) }),
      };
      return { ...answer, source: passing };
    },
    async end(final, isComplete) {
      try {
        await written(final, isComplete);
      } catch (error) {
        logger.warn({ callId: call.id, error }, "what became of an Idempotency-Key could not be written");
      } finally {
        onEnded();
      }
    },
  };
}

/** What limits had left then is not what they have left later. */
function lasting(headers: Readonly<Record<string, string>>, call: Call): Readonly<Record<string, string>> {
  const passing = new Set(
    (call.admitted?.holds ?? []).flatMap((hold) => Object.keys(hold.headers ?? {}).map((name) => name.toLowerCase())),
  );
  return Object.fromEntries(
    Object.entries(headers).filter(([name]) => !passing.has(name) && !name.includes("-ratelimit-")),
  );
}

/** A line of JSON, then the body as it was. */
const packed = (headers: Readonly<Record<string, string>>, body: Uint8Array): Buffer =>
  Buffer.concat([Buffer.from(`${JSON.stringify(headers)}\n`), body]);

export function unpacked(plain: Buffer): {
  readonly headers: Record<string, string>;
  readonly body: Uint8Array<ArrayBuffer>;
} {
  const end = plain.indexOf("\n");
  return {
    // What `packed` wrote; the seal tells that nobody else did.
    headers: JSON.parse(plain.subarray(0, end).toString()) as Record<string, string>,
    body: new Uint8Array(plain.subarray(end + 1)),
  };
}
