import { Buffer } from "node:buffer";
import { isJsonObject, type Json, type JsonObject, objectsIn } from "../../chat/json.ts";
import type { Metered, Relay, SseFrame, StreamMeter, VendorError } from "../dialect.ts";
import { decodeError } from "../vendor-error.ts";
import { parsedData } from "../stream-event.ts";
import { DeltaScan } from "./delta-scan.ts";
import { editRequest } from "./edit-request.ts";
import { tellsOutput } from "./stream.ts";
import { decodeUsage, laterUsage } from "./usage.ts";

export const relay: Relay = { editRequest, meterResponse, meterStream: () => new EventMeter() };

function meterResponse(body: JsonObject): Metered {
  const fault = body["type"] === "error" || isJsonObject(body["error"]) ? decodeError(body) : null;
  return {
    usage: decodeUsage(body["usage"]),
    finish: text(body["stop_reason"]),
    upstreamId: text(body["id"]),
    contentBytes: contentBytesOf(body["content"]),
    complete: fault === null,
    fault,
  };
}

/** Parses a frame only when it may hold more than a piece of the answer. */
class EventMeter implements StreamMeter {
  readonly #scan = new DeltaScan();
  #usage: JsonObject = {};
  /** The usage covers the output: what `message_start` tells is only the beginning of it. */
  #isCounted = false;
  #finish: string | null = null;
  #upstreamId: string | null = null;
  #contentBytes = 0;
  #complete = false;
  #isStopped = false;
  #fault: VendorError | null = null;
  /** Blocks whose pieces count, by their place, with what their start held. */
  readonly #blocks = new Map<Json | undefined, OpenBlock>();

  frame(frame: SseFrame): boolean {
    const fitting = this.#scan.contentBytes(frame.raw);
    if (fitting >= 0) {
      this.#contentBytes += fitting;
      return true;
    }
    const { data, event } = frame;
    if (data === null || data === "") return true;
    const said = parsedData(data);
    if (event === "error") this.#fault ??= decodeError(said ?? null);
    else if (isJsonObject(said)) this.#read(said, said["type"] ?? event, frame);
    return true;
  }

  result(): Metered {
    return {
      usage: this.#isCounted ? decodeUsage(this.#usage) : null,
      begun: this.#isCounted ? null : decodeUsage(this.#usage),
      finish: this.#finish,
      upstreamId: this.#upstreamId,
      contentBytes: this.#contentBytes,
      complete: this.#complete && this.#fault === null,
      isEnded: this.#isStopped,
      fault: this.#fault,
    };
  }

  /** Anthropic's SDKs make the message of it. */
  missingEnd(): string {
    return this.#isStopped ? "" : 'event: message_stop\ndata: {"type":"message_stop"}\n\n';
  }

  #read(said: JsonObject, type: Json, frame: SseFrame): void {
    switch (type) {
      case "message_start": {
        const message = object(said["message"]);
        this.#upstreamId ??= text(message["id"]);
        this.#usage = laterUsage(this.#usage, message["usage"]);
        this.#contentBytes += contentBytesOf(message["content"]);
        const reason = text(message["stop_reason"]);
        if (reason === null) return;
        // All of the answer came with its start.
        this.#finish = reason;
        this.#isCounted = true;
        this.#complete = true;
        return;
      }
      case "content_block_start":
        this.#start(said["index"], object(said["content_block"]));
        return;
      case "content_block_delta":
        this.#contentBytes += this.#deltaBytes(said["index"], object(said["delta"]), frame);
        return;
      case "content_block_stop":
        this.#stop(said["index"]);
        return;
      case "message_delta": {
        const reason = text(object(said["delta"])["stop_reason"]);
        this.#finish = reason ?? this.#finish;
        this.#usage = laterUsage(this.#usage, said["usage"]);
        this.#isCounted ||= tellsOutput(said["usage"]);
        this.#complete ||= reason !== null;
        return;
      }
      case "message_stop":
        this.#complete = true;
        this.#isStopped = true;
        return;
      default:
        if (type === "error" || isJsonObject(said["error"])) this.#fault ??= decodeError(said);
    }
  }

  #start(place: Json | undefined, block: JsonObject): void {
    const { type, input } = block;
    if (type === "tool_use") this.#blocks.set(place, { wholeInput: inputBytes(input) });
    else if (type === "text" || type === "thinking") {
      this.#blocks.set(place, { wholeInput: 0 });
      this.#contentBytes += blockBytes(block);
    } else this.#blocks.set(place, null);
  }

  /** Of what the provider does by itself nothing is content. */
  #deltaBytes(place: Json | undefined, delta: JsonObject, frame: SseFrame): number {
    const block = this.#blocks.get(place);
    if (block === null) return 0;
    const field = pieceFields.get(delta["type"]);
    const bytes = field === undefined ? 0 : bytesOf(delta[field]);
    if (field === undefined || bytes === 0) return 0;
    if (block !== undefined && field === "partial_json") block.wholeInput = 0;
    this.#scan.learn(frame.raw, field);
    return bytes;
  }

  /** Input that came whole with the start counts if no piece came. */
  #stop(place: Json | undefined): void {
    this.#contentBytes += this.#blocks.get(place)?.wholeInput ?? 0;
    this.#blocks.delete(place);
  }
}

/** `null`: its pieces do not count. */
type OpenBlock = { wholeInput: number } | null;

const pieceFields: ReadonlyMap<Json | undefined, string> = new Map([
  ["text_delta", "text"],
  ["thinking_delta", "thinking"],
  ["input_json_delta", "partial_json"],
]);

const contentBytesOf = (content: Json | undefined): number =>
  objectsIn(content).reduce((sum, block) => sum + blockBytes(block), 0);

/** UTF-8 bytes of the texts a block is made of. */
function blockBytes(block: JsonObject): number {
  const { type } = block;
  if (type === "tool_use") return inputBytes(block["input"]);
  return bytesOf(block["text"]) + bytesOf(block["thinking"]);
}

const inputBytes = (input: Json | undefined): number =>
  isJsonObject(input) && Object.keys(input).length > 0 ? Buffer.byteLength(JSON.stringify(input)) : 0;
const bytesOf = (value: Json | undefined): number => (typeof value === "string" ? Buffer.byteLength(value) : 0);
const object = (value: Json | undefined): JsonObject => (isJsonObject(value) ? value : {});
const text = (value: Json | undefined): string | null => (typeof value === "string" && value !== "" ? value : null);
