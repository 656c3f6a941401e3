import { Buffer } from "node:buffer";
import type { ChatEvent } from "../../chat/event.ts";
import type { Json } from "../../chat/json.ts";
import type { Dialect, SseFrame, StreamDecoder } from "../../dialects/dialect.ts";
import { type Framing, splitterOf } from "../../dialects/framing.ts";
import { type Findings, shownJson } from "./json-text.ts";
import { mediaNote } from "./media.ts";
import type { Redactor } from "./redact.ts";

interface Block {
  readonly kind: "text" | "reasoning" | "refusal" | "tool call" | "error" | "media";
  readonly candidate: number;
  /** Of a tool; else empty. */
  readonly name: string;
  text: string;
}

/**
 * The text that the events of a stream add up to. Not the events themselves: what is to be redacted may lie across several
 * of them. Keeps at most `limit` UTF-16 units, and counts the rest.
 */
export class StreamText {
  readonly #dialect: Dialect;
  readonly #limit: number;
  readonly #splitter;
  readonly #decoder: StreamDecoder;
  readonly #blocks = new Map<string, Block>();
  #kept = 0;
  #media = 0;
  /** UTF-8 bytes of all text, what is not kept included. */
  bytes = 0;
  #isCut = false;

  constructor(dialect: Dialect, framing: Framing, limit: number) {
    this.#dialect = dialect;
    this.#limit = limit;
    this.#splitter = splitterOf(framing);
    this.#decoder = dialect.decodeStream();
  }

  /**
   * Returns how many UTF-16 units more are kept. Never throws: what cannot be read is an error of the provider's, which the
   * text says.
   */
  take(piece: Uint8Array): number {
    const before = this.#kept;
    for (const frame of this.#splitter.push(piece)) this.#frame(frame);
    return this.#kept - before;
  }

  /** With headings where there is more than one text. */
  end(redact: Redactor, findings: Findings): string {
    const rest = this.#splitter.rest();
    if (rest !== null) this.#frame(rest);
    findings.media += this.#media;
    if (this.#isCut) findings.isCut = true;
    const blocks = [...this.#blocks.values()].filter(({ text }) => text !== "");
    const first = blocks[0];
    if (blocks.length === 1 && first?.kind === "text" && first.candidate === 0)
      return redact(first.text, findings.redacted);
    return blocks.map((block) => this.#shown(block, redact, findings)).join("\n\n");
  }

  #shown({ kind, candidate, name, text }: Block, redact: Redactor, findings: Findings): string {
    const place = candidate === 0 ? kind : `answer ${candidate + 1}, ${kind}`;
    const heading = redact(name === "" ? `[${place}]` : `[${place}: ${name}]`, findings.redacted);
    const isJson = kind === "tool call" && /^\s*[[{]/.test(text);
    return `${heading}\n${isJson ? shownJson(text, this.#limit, redact, findings) : redact(text, findings.redacted)}`;
  }

  #frame({ data, event }: SseFrame): void {
    if (data === null) return;
    try {
      for (const said of this.#decoder.step(data, event)) this.#say(said);
    } catch {
      this.#add("error", { kind: "error", candidate: 0, name: "", text: "" }, this.#fault(data));
    }
  }

  /** What a frame says that is no event of an answer. */
  #fault(data: string): string {
    try {
      // JSON.parse gives nothing else.
      return this.#dialect.decodeError(JSON.parse(data) as Json).message;
    } catch {
      return "an event that could not be read";
    }
  }

  #say(event: ChatEvent): void {
    const { type } = event;
    if (type === "text-delta") this.#append("text", event);
    else if (type === "reasoning-delta") this.#append("reasoning", event);
    else if (type === "refusal-delta") this.#append("refusal", event);
    else if (type === "tool-input-delta") this.#append("tool call", event);
    // A call without arguments is one all the same.
    else if (type === "tool-input-start") this.#append("tool call", { ...event, text: " " }, event.name);
    else if (type === "media") {
      this.#media += 1;
      const { mediaType, kind, source } = event.part;
      const bytes = source.by === "data" ? Math.floor((source.base64.length * 3) / 4) : 0;
      this.#append("media", { ...event, text: mediaNote(mediaType ?? kind, bytes) });
    }
  }

  #append(
    kind: Block["kind"],
    { candidate, index, text }: { readonly candidate: number; readonly index: number; readonly text: string },
    name = "",
  ): void {
    this.#add(`${candidate}.${index}`, { kind, candidate, name, text: "" }, text);
  }

  #add(place: string, block: Block, text: string): void {
    this.bytes += Buffer.byteLength(text);
    const known = this.#blocks.get(place);
    const room = this.#limit - this.#kept;
    if (room <= 0) {
      this.#isCut = true;
      return;
    }
    if (text.length > room) this.#isCut = true;
    const kept = text.length > room ? text.slice(0, room) : text;
    this.#kept += kept.length;
    if (known === undefined) this.#blocks.set(place, { ...block, text: kept });
    else known.text += kept;
  }
}
