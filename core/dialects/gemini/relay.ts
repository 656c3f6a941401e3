import { Buffer } from "node:buffer";
import { isJsonArray, isJsonObject, type Json, type JsonObject } from "../../chat/json.ts";
import type { ReportedUsage } from "../../chat/usage.ts";
import type { Metered, Relay, SseFrame, StreamMeter, VendorError } from "../dialect.ts";
import { parsedData } from "../stream-event.ts";
import { decodeError } from "./error.ts";
import { editRequest } from "./edit-request.ts";
import { finishWord } from "./finish.ts";
import { type Fitting, FrameScan } from "./frame-scan.ts";
import { withPartialArgs } from "./partial-args.ts";
import { blockReasonOf, candidatesOf } from "./response.ts";
import { camelObject, inCamel } from "./spelling.ts";
import { isGiven, isUncounted } from "./stream.ts";
import { decodeUsage, searchesIn, withSearches } from "./usage.ts";

export const relay: Relay = { editRequest, meterResponse, meterStream: () => new ChunkMeter() };

function meterResponse(body: JsonObject): Metered {
  const meter = new ChunkMeter();
  meter.read(inCamel(body));
  const fault = isGiven(body["error"]) ? decodeError(body) : null;
  return { ...meter.result(), complete: fault === null, fault };
}

/** Parses a chunk only when it may hold more than a piece of text and the totals so far. */
class ChunkMeter implements StreamMeter {
  readonly #scan = new FrameScan();
  /** The last totals that were not read yet, as JSON text: only the last ones count. */
  #pending: string | null = null;
  #usage: ReportedUsage | null = null;
  #searches = 0;
  #uncounted = false;
  #finish: string | null = null;
  #upstreamId: string | null = null;
  #contentBytes = 0;
  /** Indexes of the candidates that have begun, and of those that have ended. */
  readonly #begun = new Set<number>();
  readonly #ended = new Set<number>();
  #isBlocked = false;
  #fault: VendorError | null = null;

  frame(frame: SseFrame): boolean {
    const { raw } = frame;
    const fitting = this.#scan.fit(raw);
    if (fitting !== null) {
      this.#take(fitting);
      return true;
    }
    const { data } = frame;
    if (data === null || data === "") return true;
    const parsed = parsedData(data);
    const chunk = isJsonArray(parsed) ? parsed[0] : parsed;
    if (frame.event === "error") this.#fault ??= decodeError(chunk ?? null);
    if (!isJsonObject(chunk)) return true;
    this.read(inCamel(chunk));
    this.#scan.learn(raw, chunk);
    return true;
  }

  result(): Metered {
    this.#readPending();
    // A report that does not count the output yet holds only for an answer that has come to its end.
    const complete = this.#begun.size > 0 ? this.#begun.size === this.#ended.size : this.#isBlocked;
    const usage = this.#uncounted && !complete ? null : this.#usage;
    return {
      usage: withSearches(usage, this.#searches),
      finish: this.#finish,
      upstreamId: this.#upstreamId,
      contentBytes: this.#contentBytes,
      complete: complete && this.#fault === null,
      fault: this.#fault,
    };
  }

  /** A chunk, or a whole answer, in camel case. */
  read(chunk: JsonObject): void {
    if (isGiven(chunk["error"])) this.#fault ??= decodeError(chunk);
    const { responseId } = chunk;
    if (typeof responseId === "string" && responseId !== "") this.#upstreamId ??= responseId;
    const candidates = candidatesOf(chunk);
    let searches = 0;
    for (const candidate of candidates) {
      this.#readCandidate(candidate);
      searches += searchesIn(candidate, chunk["modelVersion"]);
    }
    this.#searches = Math.max(this.#searches, searches);
    const blocked = candidates.length === 0 ? blockReasonOf(chunk) : null;
    if (blocked !== null) {
      this.#finish ??= blocked;
      this.#isBlocked = true;
    }
    this.#readPending();
    this.#usage = decodeUsage(chunk["usageMetadata"]) ?? this.#usage;
    this.#uncounted = isUncounted(chunk, candidates) ?? this.#uncounted;
  }

  #take({ contentBytes, isThought, usage }: Fitting): void {
    this.#contentBytes += contentBytes;
    const countsAnswer = usage.includes('"candidatesTokenCount"');
    const counts = countsAnswer || (isThought && usage.includes('"thoughtsTokenCount"'));
    if (contentBytes > 0) this.#uncounted = !counts;
    else if (countsAnswer) this.#uncounted = false;
    if (usage.includes('TokenCount"')) this.#pending = usage;
  }

  #readPending(): void {
    if (this.#pending === null) return;
    this.#usage = decodeUsage(parsedData(`{${this.#pending}}`)) ?? this.#usage;
    this.#pending = null;
  }

  #readCandidate(candidate: JsonObject): void {
    const { parts } = camelObject(candidate["content"]);
    for (const part of isJsonArray(parts) ? parts : [parts]) this.#contentBytes += partBytes(part);
    const finish = finishWord(candidate["finishReason"]);
    const index = typeof candidate["index"] === "number" ? candidate["index"] : 0;
    this.#begun.add(index);
    if (finish === null) return;
    this.#ended.add(index);
    if (index === 0) this.#finish ??= finish;
  }
}

/** UTF-8 bytes of a text, or of the arguments of a call. */
function partBytes(value: Json | undefined): number {
  if (typeof value === "string") return Buffer.byteLength(value);
  if (!isJsonObject(value)) return 0;
  const { text, functionCall, function_call: snake } = value;
  if (typeof text === "string") return Buffer.byteLength(text);
  const { args, partialArgs } = camelObject(functionCall ?? snake);
  if (isJsonObject(args)) return Buffer.byteLength(JSON.stringify(args));
  return partialArgs === undefined ? 0 : Buffer.byteLength(JSON.stringify(withPartialArgs({}, partialArgs)));
}
