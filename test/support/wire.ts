import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

/** Recorded exchanges between public projects and providers; read where they lie, never copied here. */
export interface Recording {
  readonly id: string;
  readonly provider: string;
  readonly stream: boolean;
  readonly features: readonly string[];
  readonly request: { readonly path: string; readonly body: Readonly<Record<string, unknown>> | null } | null;
  readonly response: {
    readonly status: number;
    readonly headers: Readonly<Record<string, string>>;
    readonly body?: unknown;
    readonly body_text?: string;
    /** The exact recorded text of a stream. */
    readonly sse?: string;
  };
}

const folder = process.env.LLM_PROXY_WIRE ?? join(import.meta.dir, "..", "..", "..", "shared", "wire");

/** All recordings of a dialect, in order of their ids; none, and a printed note, where the data is absent. */
export const recordings = (dialect: string): Recording[] => filesOf<Recording>(dialect);

function filesOf<Shape>(name: string): Shape[] {
  const path = join(folder, name);
  if (!existsSync(path)) {
    console.log(`skipped: every ${name} recording: no wire data here (set LLM_PROXY_WIRE)`);
    return [];
  }
  // The format is written down beside the data; a recording of another shape fails the test that reads it.
  return readdirSync(path)
    .toSorted()
    .map((file) => JSON.parse(readFileSync(join(path, file), "utf8")) as Shape);
}

/** A request that a real coding agent sent, its credential replaced by `<dummy>`. */
export interface AgentRequest {
  readonly id: string;
  /** A dialect of ours, or another protocol. */
  readonly endpoint_dialect: string;
  readonly request: {
    readonly method: string;
    readonly path: string;
    readonly headers: Readonly<Record<string, string>>;
    readonly body?: Readonly<Record<string, unknown>> | null;
  };
}

/** Every one of them, in order of their ids; none, and a printed note, where the data is absent. */
export const agentRequests = (): readonly AgentRequest[] => filesOf<AgentRequest>("clients");

/** The bytes that the upstream sent. A unary body was recorded parsed, so it is laid out here as OpenAI lays it out. */
export function responseBytes(recording: Recording): Buffer {
  const { sse, body, body_text: text } = recording.response;
  return Buffer.from(sse ?? text ?? JSON.stringify(body, null, 2));
}

export interface Frame {
  /** With the blank line that ends it. */
  readonly text: string;
  /** The parsed `data:`; `null` for a comment, `[DONE]` and whatever is no JSON. */
  readonly data: Readonly<Record<string, unknown>> | null;
}

/** Cuts an event stream into frames; the texts joined are the stream again. */
export function framesOf(text: string): Frame[] {
  const found = text.match(/[\s\S]*?\r?\n\r?\n|[\s\S]+$/g) ?? [];
  return found.map((frame) => ({ text: frame, data: dataOf(frame) }));
}

function dataOf(frame: string): Record<string, unknown> | null {
  const lines = frame.split(/\r?\n/).filter((line) => line.startsWith("data:"));
  try {
    const value: unknown = JSON.parse(lines.map((line) => line.slice(5).trimStart()).join("\n"));
    // Checked here; its fields stay unknown.
    return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : null;
  } catch {
    return null;
  }
}

export const isUsageChunk = (frame: Frame): boolean =>
  typeof frame.data?.usage === "object" &&
  frame.data.usage !== null &&
  Array.isArray(frame.data.choices) &&
  frame.data.choices.length === 0;

/** What the client must get of a stream: all of it, but for a usage chunk that it did not ask for. */
export function clientText(recording: Recording): string {
  const options = recording.request?.body?.stream_options;
  const asked =
    typeof options === "object" && options !== null && "include_usage" in options && options.include_usage === true;
  const all = framesOf(recording.response.sse ?? "");
  return all
    .filter((frame) => asked || !isUsageChunk(frame))
    .map((frame) => frame.text)
    .join("");
}
