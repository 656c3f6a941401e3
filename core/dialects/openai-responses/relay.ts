import { Buffer } from "node:buffer";
import { isJsonObject, type Json, type JsonObject, objectsIn } from "../../chat/json.ts";
import type { ReportedUsage } from "../../chat/usage.ts";
import type { Metered, Relay, SseFrame, StreamMeter, VendorError } from "../dialect.ts";
import { decodeError } from "../vendor-error.ts";
import { parsedData } from "../stream-event.ts";
import { editRequest } from "./edit-request.ts";
import { deltaBytes, findType, isDelta, isNotable } from "./event-scan.ts";
import { finishWord } from "./finish.ts";
import { separator } from "./reasoning.ts";
import { decodeUsage } from "./usage.ts";

export const relay: Relay = { editRequest, meterResponse, meterStream: () => new EventMeter() };

function meterResponse(body: JsonObject): Metered {
  const fault = faultOf(body);
  return {
    usage: decodeUsage(body["usage"], body["service_tier"], body["output"]),
    finish: finishWord(body),
    upstreamId: word(body["id"]),
    contentBytes: outputBytes(body["output"]),
    complete: fault === null,
    fault,
  };
}

/** Parses a frame only when it may hold more than a piece of the answer. */
class EventMeter implements StreamMeter {
  #usage: ReportedUsage | null = null;
  #finish: string | null = null;
  #upstreamId: string | null = null;
  #contentBytes = 0;
  /** As for the decoder, nothing follows the end. */
  #ended = false;
  #complete = false;
  #fault: VendorError | null = null;

  frame(frame: SseFrame): boolean {
    if (this.#ended) return true;
    const { raw } = frame;
    const type = findType(raw);
    if (type !== null) {
      const bytes = isDelta(raw, type) ? deltaBytes(raw, type.end) : -1;
      if (bytes >= 0) {
        this.#contentBytes += bytes;
        return true;
      }
      if (this.#upstreamId !== null && !isNotable(raw, type)) return true;
    }
    const { data, event } = frame;
    if (data === null || data === "") return true;
    const told = parsedData(data);
    if (isJsonObject(told)) this.#read(told, word(told["type"]) ?? event ?? "");
    else if (event === "error") this.#fault ??= decodeError(told ?? null);
    return true;
  }

  result(): Metered {
    return {
      usage: this.#usage,
      finish: this.#finish,
      upstreamId: this.#upstreamId,
      contentBytes: this.#contentBytes,
      complete: this.#complete && this.#fault === null,
      isEnded: this.#ended,
      fault: this.#fault,
    };
  }

  #read(told: JsonObject, type: string): void {
    const { response, delta } = told;
    if (typeof delta === "string") this.#contentBytes += Buffer.byteLength(delta);
    if (type === "error" || (told["type"] === undefined && isJsonObject(told["error"]))) {
      this.#fault ??= decodeError(told);
    }
    if (!isJsonObject(response)) return;
    this.#upstreamId ??= word(response["id"]);
    if (!ends.has(type)) return;
    this.#ended = true;
    this.#usage = decodeUsage(response["usage"], response["service_tier"], response["output"]);
    this.#finish = finishWord(response);
    this.#fault ??= type === "response.failed" ? decodeError(response) : null;
    this.#complete = type !== "response.failed";
    // What is repeated in full is exact: some vendors say arguments only whole.
    this.#contentBytes = outputBytes(response["output"]) || this.#contentBytes;
  }
}

const ends = new Set(["response.completed", "response.incomplete", "response.failed", "response.cancelled"]);

function faultOf(body: JsonObject): VendorError | null {
  if (isJsonObject(body["error"])) return decodeError(body);
  return body["status"] === "failed" ? { ...decodeError(null), code: "failed" } : null;
}

/** UTF-8 bytes of what the model said: texts, refusals, reasoning and the input of tools. */
function outputBytes(output: Json | undefined): number {
  return objectsIn(output).reduce((sum, item) => sum + itemBytes(item), 0);
}

function itemBytes(item: JsonObject): number {
  switch (item["type"]) {
    case "reasoning": {
      const summary = joinedBytes(item["summary"]);
      return summary > 0 ? summary : joinedBytes(item["content"]);
    }
    case "message":
      return objectsIn(item["content"]).reduce(
        (sum, part) => sum + textBytes(part["text"]) + textBytes(part["refusal"]),
        0,
      );
    default:
      return textBytes(item["arguments"]) + textBytes(item["input"]) + textBytes(item["code"]);
  }
}

function joinedBytes(list: Json | undefined): number {
  const sizes = objectsIn(list).map((part) => textBytes(part["text"]));
  return sizes.reduce((sum, size) => sum + size, 0) + separator.length * Math.max(sizes.length - 1, 0);
}

const textBytes = (value: Json | undefined): number => (typeof value === "string" ? Buffer.byteLength(value) : 0);
const word = (value: Json | undefined): string | null => (typeof value === "string" && value !== "" ? value : null);
