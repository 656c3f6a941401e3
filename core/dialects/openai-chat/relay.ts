import { Buffer } from "node:buffer";
import { isJsonArray, isJsonObject, type Json, type JsonObject, objectsIn } from "../../chat/json.ts";
import type { ReportedUsage } from "../../chat/usage.ts";
import type { Metered, Relay, SseFrame, StreamMeter, VendorError } from "../dialect.ts";
import { FrameTemplate } from "./frame-template.ts";
import { editRequest } from "./edit-request.ts";
import { decodeError } from "../vendor-error.ts";
import { parsedData } from "../stream-event.ts";
import { type FrameScan, scanDelta } from "./frame-scan.ts";
import { isGiven, readUsage } from "./stream.ts";
import { decodeUsage, isInterimUsage } from "./usage.ts";

export const relay: Relay = { editRequest, meterResponse, meterStream: (options) => new ChunkMeter(options) };

function meterResponse(body: JsonObject): Metered {
  const choices = objectsIn(body["choices"]);
  const fault = faultOf(body, choices);
  let contentBytes = 0;
  for (const choice of choices) contentBytes += messageBytes(choice["message"] ?? null);
  return {
    usage: decodeUsage(readUsage(body) ?? undefined, body["service_tier"]),
    finish: text(choices[0]?.["finish_reason"]),
    upstreamId: text(body["id"]),
    contentBytes,
    complete: fault === null,
    fault,
  };
}

/** Parses a chunk only when it may hold more than a piece of the answer. */
class ChunkMeter implements StreamMeter {
  readonly #hideUsage: boolean;
  readonly #isSeveral: boolean;
  readonly #scan: FrameScan = { contentBytes: 0, notable: false, valueStart: -1, valueEnd: -1 };
  readonly #template = new FrameTemplate();
  readonly #fitting = { contentBytes: 0 };
  /** Where the last chunk had its `"delta":`: most chunks of a stream open with the same bytes. */
  #deltaAt = -1;
  /** Chunks that are parsed for the sake of the id; some vendors never send one. */
  #triesForId = 8;
  #usage: ReportedUsage | null = null;
  /** The last report did not know the output yet. */
  #interim = false;
  #serviceTier: Json = null;
  #finish: string | null = null;
  #upstreamId: string | null = null;
  #contentBytes = 0;
  /** Indexes of the choices that have begun, and of those that have ended. */
  readonly #begun = new Set<Json>();
  readonly #ended = new Set<Json>();
  #isDone = false;
  #fault: VendorError | null = null;

  constructor({ hideUsage, isSeveral = false }: Parameters<Relay["meterStream"]>[0]) {
    this.#hideUsage = hideUsage;
    this.#isSeveral = isSeveral;
  }

  run(bytes: Uint8Array, from: number): number {
    this.#fitting.contentBytes = 0;
    const end = this.#template.endOfFitting(bytes, from, this.#fitting);
    this.#contentBytes += this.#fitting.contentBytes;
    return end;
  }

  frame(frame: SseFrame): boolean {
    const { bytes } = frame;
    // One that came in pieces was in no run.
    if (this.run(bytes, 0) === bytes.length) return true;
    const { data } = frame;
    if (data === null || data === "") return true;
    if (data.startsWith("[DONE]")) {
      this.#isDone = true;
      return true;
    }
    if (frame.event !== "error") {
      const worthParsing = this.#scanChunk(data, frame);
      // No choice begins in a chunk like the one before; any other may be the first of one.
      const isRead = worthParsing || this.#isSeveral;
      if (!isRead && (this.#upstreamId !== null || this.#triesForId-- <= 0)) return true;
    }
    const chunk = parsedData(data);
    if (frame.event === "error") this.#fault ??= decodeError(chunk ?? null);
    return isJsonObject(chunk) ? this.#read(chunk) : true;
  }

  result(): Metered {
    // A report without the output counts only for an answer that has come to its end.
    const complete = this.#isDone || this.#hasFinished();
    const usage = this.#interim && !complete ? null : this.#usage;
    return {
      usage,
      finish: this.#finish,
      upstreamId: this.#upstreamId,
      contentBytes: this.#contentBytes,
      complete: complete && this.#fault === null,
      isEnded: this.#isDone,
      fault: this.#fault,
    };
  }

  /** Some vendors never send it, and clients do without. */
  missingEnd(isCut: boolean): string {
    return isCut && !this.#isDone ? "data: [DONE]\n\n" : "";
  }

  /** Where one was asked for, its end is the answer's, whatever index a vendor gives it. */
  #hasFinished(): boolean {
    return this.#ended.size > 0 && (!this.#isSeveral || this.#ended.size === this.#begun.size);
  }

  /** Counts the content; whether the chunk is worth parsing. */
  #scanChunk(data: string, frame: SseFrame): boolean {
    if (this.#deltaAt < 0 || !data.startsWith(delta, this.#deltaAt)) this.#deltaAt = data.indexOf(delta);
    if (this.#deltaAt < 0) return true;
    scanDelta(data, this.#deltaAt + delta.length, this.#scan);
    const { contentBytes: bytes, notable, valueStart, valueEnd } = this.#scan;
    this.#contentBytes += bytes;
    // Some vendors put these ahead of the delta, where the scan does not look.
    if (notable || notableFields.some((field) => tells(data, data.lastIndexOf(field, this.#deltaAt)))) return true;
    if (valueStart >= 0 && this.#upstreamId !== null) this.#template.learn(data, valueStart, valueEnd, frame);
    return false;
  }

  #read(chunk: JsonObject): boolean {
    const choices = objectsIn(chunk["choices"]);
    const usage = readUsage(chunk);
    this.#upstreamId ??= text(chunk["id"]);
    this.#serviceTier = chunk["service_tier"] ?? this.#serviceTier;
    this.#fault ??= faultOf(chunk, choices);
    for (const choice of choices) {
      const index = choice["index"] ?? 0;
      const finish = text(choice["finish_reason"]);
      this.#begun.add(index);
      if (finish === null) continue;
      this.#ended.add(index);
      if (index === 0) this.#finish ??= finish;
    }
    if (usage === null) return true;
    this.#usage = decodeUsage(usage, this.#serviceTier) ?? this.#usage;
    this.#interim = isInterimUsage(usage);
    return !(this.#hideUsage && isJsonObject(chunk["usage"]) && isJsonArray(chunk["choices"]) && choices.length === 0);
  }
}

const delta = '"delta":';
const notableFields = ['"usage"', '"error"', '"finish_reason"'];

/** Whether the field whose key stands at `at` has a value other than `null`. */
const tells = (data: string, at: number): boolean => at >= 0 && !/^"\w+"\s*:\s*null/.test(data.slice(at, at + 40));

function faultOf(body: JsonObject, choices: readonly JsonObject[]): VendorError | null {
  if (isGiven(body["error"])) return decodeError(body);
  const failed = choices.find(hasFailed);
  if (failed === undefined) return null;
  return isGiven(failed["error"]) ? decodeError(failed) : { ...decodeError(null), code: "error" };
}

const hasFailed = (choice: JsonObject): boolean => choice["finish_reason"] === "error";

/** UTF-8 bytes of the texts a message is made of. */
function messageBytes(message: Json): number {
  if (!isJsonObject(message)) return 0;
  const reasoning = Math.max(textBytes(message["reasoning_content"]), textBytes(message["reasoning"]));
  const { function_call: legacy } = message;
  let bytes = textBytes(message["content"]) + textBytes(message["refusal"]) + reasoning;
  for (const call of objectsIn(message["tool_calls"])) bytes += callBytes(call);
  return isJsonObject(legacy) ? bytes + callBytes({ function: legacy }) : bytes;
}

function callBytes(call: JsonObject): number {
  const { function: plain, custom } = call;
  const input = isJsonObject(plain) ? plain["arguments"] : isJsonObject(custom) ? custom["input"] : null;
  return textBytes(input);
}

/** Of a string, or of all strings in a list of parts. */
function textBytes(value: Json | undefined): number {
  if (typeof value === "string") return Buffer.byteLength(value);
  if (!isJsonArray(value)) return 0;
  return objectsIn(value).reduce((sum, part) => sum + textBytes(part["text"]) + textBytes(part["thinking"]), 0);
}

const text = (value: Json | undefined): string | null => (typeof value === "string" && value !== "" ? value : null);
